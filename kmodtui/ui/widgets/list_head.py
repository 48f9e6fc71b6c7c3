"""The heading over a list's columns: as wide as they are, whenever that changes."""

from __future__ import annotations

from typing import Protocol

from rich.text import Text
from textual.widget import Widget


class Columned(Protocol):
    """A list that has columns."""

    @property
    def line_width(self) -> int:
        """Cells of a line."""
        ...

    def head(self, width: int) -> str:
        """Return the heading for lines of that width."""
        ...


class ListHead(Widget):
    """One line, worked out when it is drawn: by then the list has its width."""

    def __init__(self, lines: Columned) -> None:
        super().__init__(id="list-head")
        self._lines = lines

    def render(self) -> Text:
        """Return the heading."""
        return Text(self._lines.head(self._lines.line_width), no_wrap=True, end="")
