"""Reads what Textual writes to paint: positions, styles and text, as rows of cells.

Textual ends each text with the default style. Its lines are equal from one repaint to the next
if nothing has changed, and many of their parts occur again and again: what was read is kept.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

from kmodtui.ui.terminal.cells import Cells
from kmodtui.ui.terminal.styles import DEFAULT, Styles

_T = TypeVar("_T")

_POSITION = re.compile(r"(\d*)(?:;(\d*))?H")
_STYLE = re.compile(r"[\d;]*")
_LINKS = re.compile(r"\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")
_RESET = "\x1b[0m"
_LINES_KEPT = 400
_PARTS_KEPT = 2000

Piece = tuple[tuple[int, int] | None, str, str]
"""A position, if the cursor was moved, then cells and their styles."""


class Span(NamedTuple):
    """Cells next to each other, painted at once; none if only the cursor was moved there."""

    row: int
    column: int
    cells: str
    styles: str


class PaintReader:
    """Turns what Textual writes into spans."""

    def __init__(self, cells: Cells, styles: Styles) -> None:
        self._cells = cells
        self._styles = styles
        self._lines: dict[str, list[Span]] = {}
        self._parts: dict[str, list[Piece]] = {}

    def spans(self, painted: str) -> list[Span]:
        """Return what is painted.

        Raises:
            ValueError: there is more than positions, styles and text.
        """
        spans: list[Span] = []
        for line in painted.split("\n"):
            known = self._lines.get(line)
            if known is None:
                known = _kept(self._lines, line, self._line(line), _LINES_KEPT)
            spans += known
        return spans

    def _line(self, line: str) -> list[Span]:
        if "\x1b]8;" in line:
            line = _LINKS.sub("", line)
        spans: list[Span] = []
        start: tuple[int, int] | None = None
        texts: list[str] = []
        looks: list[str] = []
        for part in line.split(_RESET):
            pieces = self._parts.get(part)
            if pieces is None:
                pieces = _kept(self._parts, part, self._part(part), _PARTS_KEPT)
            for position, cells, styles in pieces:
                if position:
                    if start:
                        spans.append(Span(*start, "".join(texts), "".join(looks)))
                    start = position
                    texts.clear()
                    looks.clear()
                elif cells and not start:
                    raise ValueError("text without a position")
                texts.append(cells)
                looks.append(styles)
        if start:
            spans.append(Span(*start, "".join(texts), "".join(looks)))
        return spans

    def _part(self, part: str) -> list[Piece]:
        """Return what a part of a line paints that begins with the default style."""
        text, *sequences = part.split("\x1b[")
        pen = DEFAULT
        pieces = [self._piece(None, text.removesuffix("\r"), pen)]
        for sequence in sequences:
            parameters, is_style, text = sequence.partition("m")
            if is_style and _STYLE.fullmatch(parameters):
                pen = self._styles.after(pen, parameters)
                pieces.append(self._piece(None, text, pen))
            elif moved := _POSITION.match(sequence):
                position = int(moved[1] or 1) - 1, int(moved[2] or 1) - 1
                pieces.append(self._piece(position, sequence[moved.end() :], pen))
            else:
                raise ValueError(f"unknown sequence {sequence[:20]!r}")
        return [piece for piece in pieces if piece[0] or piece[1]]

    def _piece(self, position: tuple[int, int] | None, text: str, pen: str) -> Piece:
        cells = self._cells.of(text)
        style = pen if cells.strip(" ") else self._styles.blank[pen]
        return position, cells, style * len(cells)


def _kept(memory: dict[str, _T], key: str, value: _T, limit: int) -> _T:
    """Keep a value, and begin again if there are too many."""
    if len(memory) >= limit:
        memory.clear()
    memory[key] = value
    return value
