"""A list of modules that are chosen or left out, each with the reason to choose it."""

from __future__ import annotations

from collections.abc import Container

from kmodtui.ui.widgets.lines.table import TableLines
from kmodtui.ui.widgets.lines.view import Line

IN, OUT = "[x]", "[ ]"


class ChoiceLines(TableLines):
    """Rows whose mark shows whether their module is chosen."""

    def __init__(self, id_: str, reading: str) -> None:
        """Create an empty list; see `TableLines`."""
        super().__init__(id_, reading)
        self._chosen: Container[str] = ()

    def choose(self, chosen: Container[str]) -> None:
        """Show these modules as chosen, and the others as left out."""
        self._chosen = chosen
        self.refresh()

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  see TableLines
        """Return a line; the first one of a row has the mark."""
        line, row = self._lines[index]
        if row is None or (index and self._lines[index - 1][1] is row):
            return line
        chosen = row.module in self._chosen
        mark = (f" {IN if chosen else OUT} ", "accent" if chosen else "dim")
        return (mark, *line)
