"""The symbols pane: the last change, or the symbols of the selected module."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import ContentSwitcher

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.terms import FilterError
from kmodtui.model.history import Event
from kmodtui.model.symbols.order import Order
from kmodtui.model.symbols.query import Facet
from kmodtui.model.symbols.table import NO_ROWS, SymbolTable
from kmodtui.model.text import counted
from kmodtui.services.live import LiveSystem
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings, hint, hint_line, key_of
from kmodtui.ui.hints import is_learned
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.subject import Subject
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle
from kmodtui.ui.widgets.change.view import ChangeLines
from kmodtui.ui.widgets.lines.view import LineView, no_match_message
from kmodtui.ui.widgets.panes.pane import Pane
from kmodtui.ui.widgets.symbol_browser import SymbolBrowser


class SymbolsPane(Pane):
    """Two views in one frame, one at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("symbols")]

    filter_kind = FilterKind.SYMBOLS

    def __init__(self, entry: PaneEntry, live: LiveSystem) -> None:
        super().__init__(entry, live)
        self._change = ChangeLines()
        self._browser = SymbolBrowser(menu_first="symbols.details")
        self._module: str | None = None
        self._switcher = ContentSwitcher(initial="change-lines")

    def compose(self) -> ComposeResult:
        """Both views, one of them shown."""
        with self._switcher:
            yield self._change
            yield self._browser

    def on_mount(self) -> None:
        """Follow the symbols and their changes."""
        subscribe(self.live.symbols_read, self._show_symbols)
        subscribe(self.live.changed, self._show_change)
        subscribe(self.live.failed, self._show_failure)
        self._caption()

    @property
    def shows_change(self) -> bool:
        """Whether the last change is shown rather than the symbols of a module."""
        return self._switcher.current == "change-lines"

    @property
    def view(self) -> ChangeLines | SymbolBrowser:
        """The view that is shown."""
        return self._change if self.shows_change else self._browser

    @property
    def focus_target(self) -> ChangeLines | SymbolBrowser:
        """The view that is shown."""
        return self.view

    @property
    def filter_text(self) -> str:
        """The filter of the view that is shown."""
        return self.view.filter_text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self.view.filter_text = text
        self._caption()
        if self.view.problem:
            raise FilterError(self.view.problem)

    def toggle(self) -> None:
        """Show the other view."""
        focused = self.view.has_focus
        self._switcher.current = "symbol-browser" if self.shows_change else "change-lines"
        if not self.shows_change:
            self._show_module()
        if focused:
            self.screen.set_focus(self.view)
        self._caption()

    def _show_change(self, event: Event) -> None:
        """Show a change, and switch to the view of it."""
        self._change.show_change(event.change, event.still_loaded)
        if not self.shows_change:
            self.toggle()
        self._caption()

    def _show_symbols(self, table: SymbolTable) -> None:
        """Use another reading of the symbol table, or one with addresses."""
        live = self.live
        if live.addresses_read:
            self._change.note = ""
            self._change.show_addresses(table)
        elif table.addresses_hidden:
            self._change.note = f"{live.hiding.sentence} A reads them through the helper."
        else:
            self._change.note = ""
        if not self.shows_change:
            self._show_module()
        self._caption()

    def _show_failure(self, _error: BaseException) -> None:
        """Show why there are no symbols, for as long as there are none."""
        if self.live.symbols is None and not self.shows_change:
            self._show_module()

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        if name == self._module:
            return
        self._module = name
        if not self.shows_change:
            self._show_module()
        self._caption()

    def _show_module(self) -> None:
        live, name = self.live, self._module
        if live.symbols is None:
            self._browser.show_rows(NO_ROWS, live.symbols_problem or "Reading /proc/kallsyms…")
            return
        self._browser.show_rows(
            live.symbols.of(name or ""),
            f"{name} has no symbols in /proc/kallsyms." if name else "No module is selected.",
            owner=name or "",
        )

    # Commands

    def action_facet(self) -> None:
        """Show all symbols, only functions, or only exported symbols."""
        self.view.facet = self.view.facet.next
        self._caption()

    def sort_next(self) -> None:
        """Sort the symbols of the change by the next column."""
        if not self.shows_change:
            self.notify("The symbols of a module are always in the kernel's order.", timeout=4)
        elif self._hidden and self._change.sizes_known:
            by_size = self._change.order is Order.SIZE
            self._change.order = Order.NAME if by_size else Order.SIZE
            self._caption()
        elif self._hidden:
            words = f"Sorted by name: addresses and sizes are {self.live.hiding.reason}."
            self.notify(words, markup=False, timeout=6)
        else:
            self._change.order = self._change.order.next
            self._caption()

    def action_next_match(self, step: int) -> None:
        """Go to the next matching symbol, or to the previous one."""
        if not self.shows_change:
            self._browser.move_cursor(self._browser.cursor + step)
        elif not self._change.next_match(step):
            searched = self._change.filtered or self.filter_text
            none = f"No search text. Press {key_of('dashboard.filter')} to search."
            words = no_match_message(step) if searched else none
            self.notify(words, timeout=3)

    def on_line_view_opened(self, event: LineView.Opened) -> None:
        """Show everything about a symbol; a group of a change expands by itself."""
        if event.view is self._browser:
            self.action_details()

    def why_not(self, command: Command, subject: Subject) -> str:  # noqa: ARG002
        """Return why a command cannot be used on a symbol; empty if it can."""
        if command.id == "symbols.details" and self.shows_change:
            key = key_of("dashboard.symbol_view")
            return f"only in the list of a module's symbols ({key})"
        return ""

    def action_details(self) -> None:
        """Show everything about the symbol under the cursor."""
        from kmodtui.ui.dialogs.symbol import SymbolDialog

        browser = self._browser
        number = browser.number_at(browser.cursor)
        if number is not None:
            self.live.read_hiding()
            self.app.push_screen(
                SymbolDialog(self.live.machine, browser.symbols, number, self.live.hiding)
            )

    # Sizes

    def on_change_lines_sizes_wanted(self, message: ChangeLines.SizesWanted) -> None:
        """Read the sizes of a module's symbols from its file: addresses do not show them."""
        message.stop()
        self.work(partial(self._read_sizes, message.module), "sizes", exclusive=False)

    async def _read_sizes(self, module: str) -> None:
        from kmodtui.kernel.module_file.symbol_sizes import read_sizes

        machine = self.live.machine
        path = await asyncio.to_thread(machine.file_of, module)
        if path is None:
            return
        try:
            sizes = await asyncio.to_thread(read_sizes, machine.host, path)
        except KmodtuiError:
            return  # without the file there is no column of sizes
        self._change.show_sizes(module, sizes)

    # The frame

    def on_symbol_browser_counted(self) -> None:
        """Show the number of matches."""
        self._caption()

    @property
    def _hidden(self) -> bool:
        return self.live.symbols is not None and self.live.symbols.addresses_hidden

    def _caption(self) -> None:
        if self.shows_change:
            self._caption_of_change()
            return
        self.set_name(f"Symbols of {self._module}" if self._module else "Symbols")
        view = self._browser
        more = "+" if view.counting else ""
        matches = f"{view.line_count():,}{more} of " if view.filtered else ""
        hidden = ", addresses hidden" if self._hidden else ""
        self._subtitle(view, f"{matches}{counted(view.total, 'symbol')}{hidden}", "change")

    def _caption_of_change(self) -> None:
        view = self._change
        change = view.change
        self.set_name(f"Change {change.number}" if change else "Change")
        words = f"{view.hits:,} of {counted(view.total, 'symbol')}" if view.filtered else ""
        if view.order is not Order.NAME:
            words = f"{words} · by {view.order}".removeprefix(" · ")
        self._subtitle(view, words, "symbols")

    def _subtitle(self, view: ChangeLines | SymbolBrowser, words: str, other: str) -> None:
        facet = view.facet.value if view.facet is not Facet.ALL else ""
        search = f"/{view.filter_text}" if view.filter_text else ""
        keys = hint_line(hint("dashboard.symbol_view", label=other))
        if is_learned(self, "dashboard.symbol_view"):
            keys = ""
        set_subtitle(self, " · ".join(filter(None, (search, facet, words, keys))))
