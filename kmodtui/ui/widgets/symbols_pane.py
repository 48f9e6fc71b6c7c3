"""The pane of symbols: the last change, or the symbols of the selected module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import ContentSwitcher

from kmodtui.model.history import Change
from kmodtui.model.symbol_address import Hiding
from kmodtui.model.symbol_list import SymbolList
from kmodtui.model.symbol_order import Order
from kmodtui.model.symbol_query import Facet
from kmodtui.model.symbols import NO_ROWS, SymbolTable
from kmodtui.model.text import counted
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.change_view import ChangeLines
from kmodtui.ui.widgets.line_view import LineView, no_hit
from kmodtui.ui.widgets.symbol_browser import SymbolBrowser


class SymbolsPane(Vertical):
    """Two views in one frame, one at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("symbols")]

    class TableTaken(Message):
        """There is another reading of the symbol table, or one with addresses."""

        def __init__(self, table: SymbolTable) -> None:
            super().__init__()
            self.table = table

    class SymbolOpened(Message):
        """A symbol of the selected module was opened.

        Attributes:
            symbols: those of the module.
            number: which of them.
        """

        def __init__(self, symbols: SymbolList, number: int) -> None:
            super().__init__()
            self.symbols = symbols
            self.number = number

    def __init__(self) -> None:
        super().__init__(id="symbols", classes="pane")
        self.hiding = Hiding()
        """What decides whether addresses are seen, for the words about it."""
        self._change = ChangeLines()
        self._browser = SymbolBrowser()
        self._table: SymbolTable | None = None
        self._addressed: SymbolTable | None = None
        self._module: str | None = None
        self._without_table = "Reading /proc/kallsyms…"
        self._switcher = ContentSwitcher(initial="change-lines")

    def compose(self) -> ComposeResult:
        """Both views, one shown."""
        with self._switcher:
            yield self._change
            yield self._browser

    def on_mount(self) -> None:
        """Begin with the words of an empty pane."""
        self._caption()

    @property
    def shows_change(self) -> bool:
        """Whether the last change is in view rather than a module's symbols."""
        return self._switcher.current == "change-lines"

    @property
    def view(self) -> ChangeLines | SymbolBrowser:
        """The view that is seen."""
        return self._change if self.shows_change else self._browser

    @property
    def table(self) -> SymbolTable | None:
        """The last reading of the symbol table, with addresses if they were read; None before."""
        return self._addressed or self._table

    @property
    def filter_text(self) -> str:
        """The filter of the view that is seen."""
        return self.view.filter_text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self.view.filter_text = text
        self._caption()

    def toggle(self) -> None:
        """Show the other view."""
        focused = self.view.has_focus
        self._switcher.current = "symbol-browser" if self.shows_change else "change-lines"
        if not self.shows_change:
            self._show_module()
        if focused:
            self.screen.set_focus(self.view)
        self._caption()

    def show_change(self, change: Change, stays: Mapping[str, str]) -> None:
        """Show a change, and bring it into view."""
        self._change.show_change(change, stays)
        if not self.shows_change:
            self.toggle()
        self._caption()

    def show_symbols(self, table: SymbolTable) -> None:
        """Take over a new reading of the symbol table."""
        self._table = table
        self._addressed = None
        hidden = table.addresses_hidden
        self._change.note = (
            f"{self.hiding.sentence} A reads them through the helper." if hidden else ""
        )
        if not self.shows_change:
            self._show_module()
        self._caption()
        self.post_message(self.TableTaken(table))

    def show_addresses(self, table: SymbolTable) -> None:
        """Take over a reading of the same symbols that has their addresses."""
        self._addressed = table
        self._change.note = ""
        self._change.show_addresses(table)
        if not self.shows_change:
            self._show_module()
        self._caption()
        self.post_message(self.TableTaken(table))

    def show_sizes(self, module: str, sizes: Mapping[bytes, int]) -> None:
        """Take the sizes of a module's symbols from its file, for where addresses are hidden."""
        self._change.show_sizes(module, sizes)

    def show_failure(self, words: str) -> None:
        """Say why there is no reading of the symbol table, as long as there is none."""
        self._without_table = words
        if not self.shows_change:
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
        if self.table is None:
            self._browser.show_rows(NO_ROWS, self._without_table)
            return
        name = self._module
        self._browser.show_rows(
            self.table.of(name or ""),
            f"{name} has no symbols in /proc/kallsyms." if name else "No module is selected.",
            owner=name or "",
        )

    # Commands

    def action_facet(self) -> None:
        """Show all symbols, functions only, or only what is exported."""
        self.view.facet = self.view.facet.next
        self._caption()

    def sort_next(self) -> None:
        """Sort the symbols of the change by what comes next."""
        if not self.shows_change:
            self.notify("A module's symbols stand in the kernel's order.", timeout=4)
        elif self._hidden and self._change.sizes_known:
            by_size = self._change.order is Order.SIZE
            self._change.order = Order.NAME if by_size else Order.SIZE
            self._caption()
        elif self._hidden:
            words = f"Sorted by name: addresses and sizes are {self.hiding.reason}."
            self.notify(words, markup=False, timeout=6)
        else:
            self._change.order = self._change.order.next
            self._caption()

    def action_next_hit(self, step: int) -> None:
        """Go to the next symbol that is found, or to the one before."""
        if not self.shows_change:
            self._browser.move_cursor(self._browser.cursor + step)
        elif not self._change.next_hit(step):
            searched = self._change.filtered
            words = no_hit(step) if searched else "Nothing is searched for. / begins."
            self.notify(words, timeout=3)

    # The frame

    @property
    def _hidden(self) -> bool:
        return self.table is not None and self.table.addresses_hidden

    def on_line_view_opened(self, event: LineView.Opened) -> None:
        """Ask for everything about a symbol; a group of the change folds by itself."""
        number = self._browser.number_at(self._browser.cursor)
        if event.view is self._browser and number is not None:
            self.post_message(self.SymbolOpened(self._browser.symbols, number))

    def on_symbol_browser_counted(self) -> None:
        """Tell the number of hits."""
        self._caption()

    def _caption(self) -> None:
        if self.shows_change:
            self._caption_of_change()
            return
        set_title(self, f"4 Symbols of {self._module}" if self._module else "4 Symbols")
        view = self._browser
        more = "+" if view.counting else ""
        hits = f"{view.line_count():,}{more} of " if view.filtered else ""
        hidden = ", addresses hidden" if self._hidden else ""
        self._subtitle(view, f"{hits}{counted(view.total, 'symbol')}{hidden}", "v: change")

    def _caption_of_change(self) -> None:
        view = self._change
        change = view.change
        set_title(self, f"4 Change {change.number}" if change else "4 Change")
        words = f"{view.hits:,} of {counted(view.total, 'symbol')}" if view.filtered else ""
        if view.order is not Order.NAME:
            words = f"{words} · by {view.order}".removeprefix(" · ")
        self._subtitle(view, words, "v: symbols")

    def _subtitle(self, view: ChangeLines | SymbolBrowser, words: str, keys: str) -> None:
        facet = view.facet.value if view.facet is not Facet.ALL else ""
        search = f"/{view.filter_text}" if view.filter_text else ""
        set_subtitle(self, " · ".join(filter(None, (search, facet, words, keys))))
