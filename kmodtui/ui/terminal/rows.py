"""Rows of the screen, and what is painted into them."""

from __future__ import annotations

from typing import NamedTuple

from kmodtui.ui.terminal.cells import REST
from kmodtui.ui.terminal.styles import DEFAULT


class Row(NamedTuple):
    """The cells of a row and their styles: two strings of equal length."""

    cells: str = ""
    styles: str = ""

    def painted(self, column: int, cells: str, styles: str) -> Row:
        """Return the row after cells were painted over it, from a column on."""
        left, end = self.first(column), column + len(cells)
        right = self.cells[end:]
        if right.startswith(REST):
            right = " " + right[1:]
        return Row(left.cells + cells + right, left.styles + styles + self.styles[end:])

    def first(self, columns: int) -> Row:
        """Return the first columns, filled up with blanks; half a wide character is a blank."""
        cells, styles = self.cells[:columns], self.styles[:columns]
        if (missing := columns - len(cells)) > 0:
            return Row(cells + " " * missing, styles + DEFAULT * missing)
        if self.cells[columns : columns + 1] == REST:
            cells = cells[:-1] + " "
        return Row(cells, styles)
