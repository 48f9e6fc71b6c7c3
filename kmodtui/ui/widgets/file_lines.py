"""The snapshots of a folder, a line each, the newest on top; the first line is now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from kmodtui.model.text import clean, human_size
from kmodtui.services.snapshots import SUFFIX
from kmodtui.ui.widgets.line_view import Line, LineView, fit


@dataclass(frozen=True, slots=True)
class Choice:
    """A snapshot that can be chosen.

    Attributes:
        path: its file; None for what is now.
        when: seconds since the epoch at which it was written.
        size: bytes of the file.
    """

    path: Path | None = None
    when: float = 0.0
    size: int = 0

    @property
    def name(self) -> str:
        """What it is called for a person: the file's name, without the ending of a snapshot's."""
        return clean(self.path.name.removesuffix(SUFFIX)) if self.path else "now"


class FileLines(LineView):
    """A line per snapshot."""

    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="file-lines")
        self.choices: list[Choice] = [Choice()]
        self.marks: tuple[Choice, ...] = ()

    def show(self, choices: list[Choice]) -> None:
        """Show what can be chosen; the cursor stays on its choice."""
        there = self.chosen
        self.choices = choices
        self.marks = tuple(mark for mark in self.marks if mark in choices)
        self.cursor = choices.index(there) if there in choices else 0
        self.lines_changed()

    @property
    def chosen(self) -> Choice:
        """What the cursor is on."""
        return self.choices[min(self.cursor, len(self.choices) - 1)]

    def toggle_mark(self) -> None:
        """Mark the choice under the cursor, or take its mark away; of three the oldest goes."""
        choice = self.chosen
        if choice in self.marks:
            self.marks = tuple(mark for mark in self.marks if mark != choice)
        else:
            self.marks = (*self.marks, choice)[-2:]
        self.refresh()

    def line_count(self) -> int:
        """Return how many there are to choose from."""
        return len(self.choices)

    def line(self, index: int, width: int) -> Line:
        """Return the line of a choice."""
        choice = self.choices[index]
        mark = ("◆ " if choice in self.marks else "  ", "accent")
        if choice.path is None:
            return (mark, ("now", "strong"), ("  the machine as it is", "dim"))
        return (
            mark,
            (fit(choice.name, max(8, width - 30)), "strong"),
            (fit(_written(choice.when), 17, right=True), ""),
            (fit(human_size(choice.size), 11, right=True), "dim"),
        )

    def head(self, width: int) -> str:
        """Return the heading over the lines."""
        name = fit("file", max(8, width - 30))
        return f"  {name}{fit('written', 17, right=True)}{fit('size', 11, right=True)}"


def _written(when: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    except (OSError, OverflowError, ValueError):
        return "?"  # a file can say that it was written in a year no calendar knows
