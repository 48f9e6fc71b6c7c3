"""Reads what Textual writes to paint: positions, styles and text, as rows of cells.

Textual begins each part of a line with its position and ends it with the default style. Its
lines are equal from one repaint to the next if nothing has changed, so what was read of them
is kept.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kmodtui.ui.terminal.cells import Cells
from kmodtui.ui.terminal.styles import DEFAULT, Styles

_POSITION = re.compile(r"(\d*)(?:;(\d*))?H")
_STYLE = re.compile(r"[\d;]*")
_LINKS = re.compile(r"\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")
_LINES_KEPT = 400


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
        self._read: dict[str, list[Span]] = {}

    def spans(self, painted: str) -> list[Span]:
        """Return what is painted.

        Raises:
            ValueError: there is more than positions, styles and text.
        """
        spans: list[Span] = []
        for line in painted.split("\n"):
            known = self._read.get(line)
            if known is None:
                known = self._line(line)
                if len(self._read) >= _LINES_KEPT:
                    self._read.clear()
                self._read[line] = known
            spans += known
        return spans

    def _line(self, line: str) -> list[Span]:
        if "\x1b]8;" in line:
            line = _LINKS.sub("", line)
        first, *sequences = line.split("\x1b[")
        if first.strip("\r"):
            raise ValueError("text without a position")
        spans: list[Span] = []
        position: tuple[int, int] | None = None
        texts: list[str] = []
        styles: list[str] = []
        pen = DEFAULT
        for sequence in sequences:
            parameters, is_style, text = sequence.partition("m")
            if is_style and _STYLE.fullmatch(parameters):
                pen = self._styles.after(pen, parameters)
            elif moved := _POSITION.match(sequence):
                _finish(spans, position, texts, styles)
                position = int(moved[1] or 1) - 1, int(moved[2] or 1) - 1
                text = sequence[moved.end() :]
            else:
                raise ValueError(f"unknown sequence {sequence[:20]!r}")
            if text:
                cells = self._cells.of(text)
                texts.append(cells)
                style = pen if cells.strip(" ") else self._styles.blank[pen]
                styles.append(style * len(cells))
        _finish(spans, position, texts, styles)
        return spans


def _finish(
    spans: list[Span], position: tuple[int, int] | None, texts: list[str], styles: list[str]
) -> None:
    if position is not None:
        spans.append(Span(*position, "".join(texts), "".join(styles)))
    elif texts:
        raise ValueError("text without a position")
    texts.clear()
    styles.clear()
