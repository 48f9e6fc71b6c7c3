"""The snapshots of a directory, one line each, newest first; the first line is the system now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from kmodtui.model.text import clean, human_size
from kmodtui.services.snapshots import SUFFIX
from kmodtui.ui.widgets.lines.view import Line, LineView, fit


@dataclass(frozen=True, slots=True)
class Choice:
    """A snapshot that can be chosen, or the system as it is now.

    Attributes:
        path: the file; None for the current state.
        when: time at which the file was written, in seconds since the epoch.
        size: size of the file in bytes.
    """

    path: Path | None = None
    when: float = 0.0
    size: int = 0

    @property
    def name(self) -> str:
        """The name that is shown: the file name without the suffix of snapshots, or `now`."""
        return clean(self.path.name.removesuffix(SUFFIX)) if self.path else "now"


class FileLines(LineView):
    """One line for each snapshot."""

    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="file-lines")
        self.choices: list[Choice] = [Choice()]
        self.marks: tuple[Choice, ...] = ()

    def show(self, choices: list[Choice]) -> None:
        """Show the choices; the cursor stays on the same choice."""
        current = self.chosen
        self.choices = choices
        self.marks = tuple(mark for mark in self.marks if mark in choices)
        self.cursor = choices.index(current) if current in choices else 0
        self.lines_changed()

    @property
    def chosen(self) -> Choice:
        """The choice under the cursor."""
        return self.choices[min(self.cursor, len(self.choices) - 1)]

    def toggle_mark(self) -> None:
        """Mark or unmark the choice under the cursor; a third mark replaces the oldest one."""
        choice = self.chosen
        if choice in self.marks:
            self.marks = tuple(mark for mark in self.marks if mark != choice)
        else:
            self.marks = (*self.marks, choice)[-2:]
        self.refresh()

    def line_count(self) -> int:
        """Return the number of choices."""
        return len(self.choices)

    def line(self, index: int, width: int) -> Line:
        """Return the line of a choice."""
        choice = self.choices[index]
        mark = ("◆ " if choice in self.marks else "  ", "accent")
        if choice.path is None:
            return (mark, ("now", "strong"), ("  the current state", "dim"))
        return (
            mark,
            (fit(choice.name, max(8, width - 30)), "strong"),
            (fit(_written(choice.when), 17, right=True), ""),
            (fit(human_size(choice.size), 11, right=True), "dim"),
        )

    def head(self, width: int) -> str:
        """Return the column heads."""
        name = fit("file", max(8, width - 30))
        return f"  {name}{fit('written', 17, right=True)}{fit('size', 11, right=True)}"


def _written(when: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    except (OSError, OverflowError, ValueError):
        return "?"  # the time stamp of a file can be outside the range of localtime()
