"""The symbol browser: search as you type over all symbols of the kernel and its modules."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label

from kmodtui.kernel.builtin_ranges import read_builtin_map
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.query import KERNEL, Facet
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.model.text import counted
from kmodtui.services.live import LiveSystem
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings
from kmodtui.ui.dialogs.addresses import ask_for_addresses
from kmodtui.ui.dialogs.help import open_help
from kmodtui.ui.dialogs.legend import LegendScreen
from kmodtui.ui.dialogs.symbol import SymbolDialog
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.subject import Subject
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.view import LineView
from kmodtui.ui.widgets.symbol_browser import SymbolBrowser

SYNTAX = (
    "part of a name · =exact · re:pattern · m:module · t:type · address · name+0x1f/0x40",
    "name · =exact · re:pattern · m:module · t:type · address",
    "name, address, m:module…",
)
"""The query syntax as a placeholder, longest form first; see `model.symbol_query`."""

PREPARE_AFTER = 0.2
"""Seconds after which the search is prepared in idle moments; the first page comes first."""

LIST_KEYS = frozenset(
    f"browser.{name}" for name in ("only_module", "only_type", "facet", "addresses", "legend")
)
"""Commands whose keys are letters: while the search field has the focus they type text."""


class BrowserScreen(KmodtuiScreen[None]):
    """A search field, with the matching symbols below."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("browser")]
    AUTO_FOCUS = "#search-input"

    takes_text = True

    def __init__(self, live: LiveSystem, search: str = "") -> None:
        """Create the browser.

        Args:
            live: the system whose symbols are shown.
            search: the initial query.
        """
        super().__init__()
        self._live = live
        live.read_hiding()
        self._browser = SymbolBrowser(id="all-symbols", menu_first="browser.details")
        self._browser.show_idle_cursor = True
        self._input = InputLine("search", id="search-input", select_on_focus=False)
        self._input.value = search
        self._frame = Vertical(classes="pane", id="browser")
        self._keys = KeyLine("browser")

    def compose(self) -> ComposeResult:
        """Lay out the search field, the list and the keys."""
        with Horizontal(id="search"):
            yield Label(" search: ", markup=False)
            yield self._input
        with self._frame:
            yield self._browser
        yield self._keys

    def on_mount(self) -> None:
        """Show the symbols read so far."""
        subscribe(self._live.symbols_read, self._show)
        subscribe(self._live.failed, self._show_failure)
        self._browser.filter_text = self._input.value
        self._show(self._live.symbols)

    def on_resize(self, event: events.Resize) -> None:
        """Show the longest placeholder that fits."""
        fitting = (words for words in SYNTAX if len(words) + 10 <= event.size.width)
        self._input.placeholder = next(fitting, "")
        self._caption()

    def on_descendant_focus(self) -> None:
        """Grey out the keys that type text into the search field."""
        self._keys.grey(LIST_KEYS if self._input.has_focus else frozenset())

    def _show_failure(self, _error: BaseException) -> None:
        """Show why there are no symbols, for as long as there are none."""
        if self._live.symbols is None:
            self._show(None)

    def _show(self, table: SymbolTable | None) -> None:
        if table is None:
            words = self._live.symbols_problem or "Reading /proc/kallsyms…"
            self._browser.show(SymbolList([]), words)
        else:
            self._list(SymbolList.of_table(table))
            self.set_timer(PREPARE_AFTER, self._prepare)
        self._caption()

    def _list(self, symbols: SymbolList) -> None:
        self._browser.show(symbols, "/proc/kallsyms is empty: the kernel hides the symbols.")

    def _prepare(self) -> None:
        self.work(self._name_builtin_code, "prepare")

    async def _name_builtin_code(self) -> None:
        """Find the built-in modules, if there is a file about them, and parse the symbols."""
        table = self._live.symbols
        if table is not None:
            host = self._live.machine.host
            builtin = await asyncio.to_thread(read_builtin_map, host, table)
            if builtin is not None and table is self._live.symbols:
                self._list(SymbolList.of_table(table, builtin))
                self._caption()
        await self._browser.prepare()

    # Search

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while the user types."""
        event.stop()
        self._browser.filter_text = event.value

    def on_symbol_browser_counted(self) -> None:
        """Show the number of matches."""
        self._caption()

    def _caption(self) -> None:
        view = self._browser
        set_title(self._frame, "All symbols of /proc/kallsyms")
        total = counted(view.total, "symbol")
        words = f"{view.line_count():,}{'+' if view.counting else ''} of {total}"
        facet = "" if view.facet is Facet.ALL else f"only {view.facet} · "
        hidden = ""
        if self._live.symbols is not None and self._live.symbols.addresses_hidden:
            hidden = f" · addresses {self._live.hiding.reason}"
            if len(hidden) + len(words) + len(facet) > self.size.width - 8:
                hidden = " · addresses hidden"
        set_subtitle(self._frame, facet + (words if view.filtered else total) + hidden)

    # Commands

    async def action_in_list(self, action: str) -> None:
        """Carry out an action of the list from the search field, which keeps the focus."""
        await self._browser.run_action(action)

    def action_list(self) -> None:
        """Go to the list."""
        self.set_focus(self._browser)

    def action_search(self) -> None:
        """Go to the search field."""
        self.set_focus(self._input)

    def action_facet(self) -> None:
        """Switch between all symbols, only functions, and only exported symbols."""
        self._browser.facet = self._browser.facet.next
        self._caption()

    def action_only_module(self) -> None:
        """Show only the module of the symbol under the cursor, or all modules."""
        row = self._browser.row_at(self._browser.cursor)
        if row is None:
            self._say_no_symbol()
        else:
            self._toggle("m:", f"m:{row.owner or next(iter(row.builtin), KERNEL)}")

    def action_only_type(self) -> None:
        """Show only the type of the symbol under the cursor, or all types."""
        row = self._browser.row_at(self._browser.cursor)
        if row is None or row.symbol is None:
            self._say_no_symbol()
        else:
            self._toggle("t:", f"t:{row.symbol.type}")

    def _say_no_symbol(self) -> None:
        self.say_nothing_selected("There is no symbol on this line.", "No symbol selected")

    def _toggle(self, prefix: str, word: str) -> None:
        words = self._input.value.split()
        kept = [one for one in words if not one.startswith(prefix)]
        self._input.value = " ".join(kept if word in words else [*kept, word])
        self._input.cursor_position = len(self._input.value)

    def action_addresses(self) -> None:
        """Read the addresses through the helper, if the user confirms."""
        ask_for_addresses(self, self._live)

    def on_line_view_opened(self, event: LineView.Opened) -> None:
        """Show the details of a symbol opened in the list."""
        event.stop()
        self.action_details()

    def action_menu(self) -> None:
        """Show what can be done with the symbol under the cursor."""
        self._browser.action_enter()

    def why_not(self, command: Command, subject: Subject) -> str:
        """Return why a command cannot be used on a symbol; empty if it can."""
        symbols = self._live.symbols
        if command.id == "browser.addresses" and symbols and not symbols.addresses_hidden:
            return "the addresses are shown already"
        return super().why_not(command, subject)

    def action_details(self) -> None:
        """Show the details of the symbol under the cursor."""
        number = self._browser.number_at(self._browser.cursor)
        if number is None:
            self._say_no_symbol()
        else:
            located = self._browser.located_at(self._browser.cursor)
            self.app.push_screen(
                SymbolDialog(
                    self._live.machine,
                    self._browser.symbols,
                    number,
                    self._live.hiding,
                    located,
                )
            )

    def action_legend(self) -> None:
        """Open the legend."""
        self.app.push_screen(LegendScreen())

    def action_help(self) -> None:
        """Open the help."""
        open_help(self)

    def action_back(self) -> None:
        """Clear the query, then the kind of symbols shown; if both are clear, close."""
        if self._input.value:
            self._input.value = ""
        elif self._browser.facet is not Facet.ALL:
            self._browser.facet = Facet.ALL
            self._caption()
        else:
            self.dismiss()

    def action_close(self) -> None:
        """Close."""
        self.dismiss()
