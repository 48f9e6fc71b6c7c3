"""The pane of symbols: the last change, or the symbols of the selected module."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from kmodtui.model.history import Change
from kmodtui.model.symbols import NO_ROWS, SymbolTable
from kmodtui.model.text import counted
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.change_view import ChangeLines
from kmodtui.ui.widgets.symbol_browser import SymbolBrowser


class SymbolsPane(Vertical):
    """Two views in one frame, one at a time."""

    def __init__(self) -> None:
        super().__init__(id="symbols", classes="pane")
        self._change = ChangeLines()
        self._browser = SymbolBrowser()
        self._table: SymbolTable | None = None
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
        if not self.shows_change:
            self._show_module()
        self._caption()

    def show_failure(self, words: str) -> None:
        """Say why there is no reading of the symbol table, as long as there is none."""
        self._without_table = words
        if not self.shows_change:
            self._show_module()

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        self._module = name
        if not self.shows_change:
            self._show_module()
        self._caption()

    def _show_module(self) -> None:
        if self._table is None:
            self._browser.show_rows(NO_ROWS, self._without_table)
            return
        name = self._module
        self._browser.show_rows(
            self._table.of(name or ""),
            f"{name} has no symbols in /proc/kallsyms." if name else "No module is selected.",
        )

    def _caption(self) -> None:
        if self.shows_change:
            change = self._change.change
            set_title(self, f"4 Change {change.number}" if change else "4 Change")
            words = "v: symbols"
        else:
            shown, total = self._browser.line_count(), self._browser.total
            hits = f"{shown:,} of " if self._browser.filter_text else ""
            set_title(self, f"4 Symbols of {self._module}" if self._module else "4 Symbols")
            hidden = self._table is not None and self._table.addresses_hidden
            words = f"{hits}{counted(total, 'symbol')}" + (", addresses hidden" if hidden else "")
            words = f"{words} · v: change"
        if self.view.filter_text:
            words = f"/{self.view.filter_text} · {words}"
        set_subtitle(self, words)
