"""The column heads of a list, aligned with its columns at any width."""

from __future__ import annotations

from typing import Protocol

from rich.text import Text
from textual.widget import Widget


class Columned(Protocol):
    """A list with columns."""

    @property
    def line_width(self) -> int:
        """Cells of a line."""
        ...

    def head(self, width: int) -> str:
        """Return the column heads for lines of that width."""
        ...


class ListHead(Widget):
    """One line, computed when it is drawn, because the list has its width only then."""

    def __init__(self, lines: Columned) -> None:
        super().__init__(id="list-head")
        self._lines = lines

    def render(self) -> Text:
        """Return the column heads."""
        return Text(self._lines.head(self._lines.line_width), no_wrap=True, end="")
