"""The dashboard's commands that open another view; none of them changes anything."""

from __future__ import annotations

import asyncio

from textual.screen import Screen

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.kptr import read_hiding
from kmodtui.kernel.module_sizes import read_sizes
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.ui.screens.addresses import ask_for_addresses
from kmodtui.ui.screens.browser import BrowserScreen
from kmodtui.ui.screens.help import HelpScreen
from kmodtui.ui.screens.legend import LegendScreen
from kmodtui.ui.screens.linkage import LinkageScreen
from kmodtui.ui.screens.load import LoadDialog
from kmodtui.ui.screens.symbol import SymbolDialog
from kmodtui.ui.widgets.change_view import ChangeLines
from kmodtui.ui.widgets.symbols_pane import SymbolsPane
from kmodtui.ui.widgets.tree_pane import TreePane


class Looking(Screen[None]):
    """What can be looked at from a screen that watches a machine."""

    machine: Machine
    monitor: Monitor

    @property
    def selected_module(self) -> str | None:
        """The module that a command is about, at this key press."""
        raise NotImplementedError

    # Commands

    def action_browser(self) -> None:
        """Look through all symbols."""
        table = self.query_one(SymbolsPane).table
        hiding = read_hiding(self.machine.host)
        self.app.push_screen(BrowserScreen(self.machine, table, hiding))

    def on_symbols_pane_table_taken(self, message: SymbolsPane.TableTaken) -> None:
        """Let the browser follow where it is open."""
        for screen in self.app.screen_stack:
            if isinstance(screen, BrowserScreen):
                screen.show_symbols(message.table)

    def on_symbols_pane_symbol_opened(self, message: SymbolsPane.SymbolOpened) -> None:
        """Show everything about a symbol of the selected module."""
        hiding = read_hiding(self.machine.host)
        self.app.push_screen(SymbolDialog(self.machine, message.symbols, message.number, hiding))

    def on_change_lines_sizes_wanted(self, message: ChangeLines.SizesWanted) -> None:
        """Read the sizes of a module's symbols from its file."""
        self.run_worker(self._read_sizes(message.module), group="sizes")

    async def _read_sizes(self, module: str) -> None:
        index = await self.machine.index()
        path = index.path_of(module) if index is not None else None
        if path is None:
            return
        try:
            sizes = await asyncio.to_thread(read_sizes, self.machine.host, path)
        except KmodtuiError:
            return  # without its file the column stays away
        self.query_one(SymbolsPane).show_sizes(module, sizes)

    def action_addresses(self) -> None:
        """Read the addresses of symbols through the helper, if the person agrees."""
        ask_for_addresses(self, self.machine, self.query_one(SymbolsPane).show_addresses)

    def action_catalog(self) -> None:
        """Look through all modules of the release, loaded or not."""
        self.app.push_screen(LoadDialog(self.machine, looking=True))

    def action_legend(self) -> None:
        """Say what the letters mean."""
        self.app.push_screen(LegendScreen())

    def action_linkage(self) -> None:
        """Show the symbols of the module; in the tree, those between the cursor's two modules."""
        tree = self.query_one(TreePane)
        user, giver = tree.edge if tree.has_focus_within else (self.selected_module, "")
        if user is not None:
            self.app.push_screen(LinkageScreen(self.machine, user, giver))

    def action_help(self) -> None:
        """Show every key."""
        self.app.push_screen(HelpScreen())

    def action_palette(self) -> None:
        """Open the palette."""
        self.app.action_command_palette()
