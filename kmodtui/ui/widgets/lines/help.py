"""The lines of the help: titles, and below them a key or sign and what it does or means."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from kmodtui.ui.help_rows import HelpRow, HelpSection
from kmodtui.ui.widgets.lines.view import Line, LineView, fit, wrapped

_NAME_MOST = 24
"""Cells of the first column at most; longer keys have a line to themselves."""


class HelpLines(LineView):
    """The sections, wrapped to the width of the view."""

    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="help-lines")
        self._sections: tuple[HelpSection, ...] = ()
        self._lines: list[tuple[Line, HelpRow | None]] = []
        self._width = 0

    def show(self, sections: Sequence[HelpSection]) -> None:
        """Show sections, with the cursor on the first row."""
        self._sections = tuple(sections)
        self._build()
        self.cursor = 0
        self.scroll_to(y=0, animate=False)
        self.move_row(1)

    @property
    def row(self) -> HelpRow | None:
        """The row under the cursor."""
        return self._lines[self.cursor][1] if self._lines else None

    @property
    def matches(self) -> int:
        """Number of rows."""
        return sum(len(section.rows) for section in self._sections)

    def move_row(self, lines: int) -> None:
        """Move the cursor by some lines, and on to the first line of a row."""
        step = 1 if lines > 0 else -1
        index = max(0, min(self.cursor + lines, len(self._lines) - 1))
        while 0 <= index < len(self._lines) and not self._begins_row(index):
            index += step
        if 0 <= index < len(self._lines):
            self.move_cursor(index)
        elif step < 0:
            self.scroll_to(y=0, animate=False)

    def _begins_row(self, index: int) -> bool:
        row = self._lines[index][1]
        return row is not None and (index == 0 or self._lines[index - 1][1] is not row)

    def _build(self) -> None:
        self._width = width = self.line_width
        lines: list[tuple[Line, HelpRow | None]] = []
        names = (cell_len(row.name) for each in self._sections for row in each.rows)
        column = min(_NAME_MOST, max(names, default=0))
        for section in self._sections:
            if lines:
                lines.append(((), None))
            lines.append((((f"  {section.title}", "accent"),), None))
            for row in section.rows:
                lines += [(line, row) for line in _row_lines(row, column, width)]
        self._lines = lines
        self.empty_text = "Nothing matches."
        self.lines_changed()

    def line_count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  wrapped to it beforehand
        """Return a line."""
        return self._lines[index][0]

    def on_resize(self) -> None:
        """Wrap the rows to the new width."""
        if self.line_width != self._width:
            at, row = self.cursor, self.row
            self._build()
            lines = (number for number, (_, own) in enumerate(self._lines) if own is row)
            self.cursor = next(lines, at)
        super().on_resize()


def _row_lines(row: HelpRow, column: int, width: int) -> list[Line]:
    own_line = cell_len(row.name) > column
    lines: list[Line] = [((f"  {row.name}", "info"),)] if own_line else []
    for text in wrapped(row.words, max(10, width - column - 5)):
        name = row.name if not lines else ""
        lines.append(((f"  {fit(name, column)}  ", "info"), (text, "")))
    return lines
