"""Symbols of one owner as /proc/kallsyms has them, however many, parsed as they are seen."""

from __future__ import annotations

from kmodtui.model.symbols import NO_ROWS, SymbolRows, type_words
from kmodtui.model.text import clean
from kmodtui.ui.widgets.line_view import Line, LineView, fit


class SymbolBrowser(LineView):
    """The rows of a module, or of the kernel itself, filtered by a part of the name."""

    def __init__(self, *, id: str = "symbol-browser") -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows = NO_ROWS
        self._filter = ""
        self._core = False
        self._nothing = ""
        self._lines: list[bytes] = []

    def show_rows(self, rows: SymbolRows, empty_text: str, *, core: bool = False) -> None:
        """Show rows; `empty_text` is said where there are none.

        Args:
            rows: of one owner.
            empty_text: what is said where there are none.
            core: whether the owner is the kernel itself.
        """
        self._nothing = empty_text
        self._core = core
        if rows is not self._rows:
            self._rows = rows
            self.cursor = 0
        self._arrange()

    @property
    def filter_text(self) -> str:
        """What a name has to contain; empty for every symbol."""
        return self._filter

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._filter = text
        self._arrange()

    @property
    def total(self) -> int:
        """How many rows there are, filtered or not."""
        return len(self._rows)

    def _arrange(self) -> None:
        lines = self._rows.raw.splitlines()
        if self._filter:
            # The name stands between the second blank and the tab before the owner.
            needle = self._filter.encode()
            lines = [line for line in lines if needle in line.split(b"\t", 1)[0].split(b" ", 2)[-1]]
        self._lines = lines
        self.empty_text = clean(self._empty())
        self.lines_changed()

    def _empty(self) -> str:
        if self._filter and len(self._rows):
            return f"No symbol here has “{self._filter}” in its name. Esc clears."
        return self._nothing

    def line_count(self) -> int:
        """Return how many symbols are shown."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:
        """Return a symbol's line."""
        symbols = SymbolRows(self._lines[index] + b"\n").symbols
        if not symbols:
            return ((" " + repr(self._lines[index])[2:-1], "warn"),)
        symbol = symbols[0]
        address = f"  {symbol.address:016x}" if symbol.address and width >= 60 else ""
        tail = (type_words(symbol.type, core=self._core) if width >= 40 else "") + address
        return (
            (f" {symbol.type} ", "info"),
            (fit(symbol.name, max(8, width - 5 - len(tail))), ""),
            (f" {tail}", "dim"),
        )
