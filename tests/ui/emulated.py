"""A terminal in memory: what the dashboard writes ends up in cells, as a person would see it.

Nothing is asked of the widgets: a line that was never repainted is stale here
as it would be on a real screen.
"""

from __future__ import annotations

import re
from typing import Any

from rich.cells import cell_len
from textual.drivers.headless_driver import HeadlessDriver

_TOKEN = re.compile(
    r"\x1b\[(?P<row>\d*);(?P<column>\d*)H|\x1b\[(?P<style>[0-9;]*)m|\x1b\[[?>=<]?[0-9;$]*[a-zA-Z]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|(?P<newline>\r?\n)|(?P<text>[^\x1b\r\n]+)"
)


class EmulatedTerminal(HeadlessDriver):
    """A driver that writes into cells.

    Attributes:
        written: how many characters were written since the start.
        lines_written: the rows that were written to; to be cleared by whoever asks.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.written = 0
        self.lines_written: set[int] = set()
        self._cells: dict[tuple[int, int], tuple[str, str, str]] = {}
        self._read: dict[int, dict[tuple[int, int], str]] = {}

    @property
    def is_headless(self) -> bool:
        """Textual writes to terminals only."""
        return False

    def write(self, data: str) -> None:
        self.written += len(data)
        row = column = 0
        ink = ground = ""
        for token in _TOKEN.finditer(data):
            if token["row"] is not None:
                row, column = int(token["row"] or 1) - 1, int(token["column"] or 1) - 1
            elif token["style"] is not None:
                ink, ground = _coloured(token["style"], ink, ground)
            elif token["newline"]:
                row, column = row + 1, 0
            elif token["text"]:
                self.lines_written.add(row)
                self._read.pop(row, None)
                for character in token["text"]:
                    self._cells[row, column] = (character, ink, ground)
                    width = cell_len(character)
                    if width == 2:
                        self._cells[row, column + 1] = ("", ink, ground)
                    column += width

    def resized(self, width: int, height: int) -> None:
        """Forget what lies outside of the new size, as a terminal does."""
        self._cells = {
            (row, column): cell
            for (row, column), cell in self._cells.items()
            if row < height and column < width
        }
        self._read.clear()

    def row(self, row: int, start: int, end: int) -> str:
        """Return the characters of a part of a row."""
        read = self._read.setdefault(row, {})
        if (start, end) not in read:
            cells = (self._cells.get((row, x), (" ", "", "")) for x in range(start, end))
            read[start, end] = "".join(cell[0] for cell in cells)
        return read[start, end]

    def ink(self, row: int, column: int) -> str:
        """Return the colour of a character, as `#rrggbb`; empty for the terminal's own."""
        return self._cells.get((row, column), (" ", "", ""))[1]

    def ground(self, row: int, column: int) -> str:
        """Return the colour behind a character, likewise."""
        return self._cells.get((row, column), (" ", "", ""))[2]


def _coloured(codes: str, ink: str, ground: str) -> tuple[str, str]:
    numbers = [int(code or 0) for code in codes.split(";")]
    at = 0
    while at < len(numbers):
        if numbers[at] == 0:
            ink = ground = ""
        elif numbers[at] in (38, 48) and numbers[at + 1 : at + 2] == [2]:
            colour = "#{:02x}{:02x}{:02x}".format(*numbers[at + 2 : at + 5])
            ink, ground = (colour, ground) if numbers[at] == 38 else (ink, colour)
            at += 4
        at += 1
    return ink, ground
