"""Text as cells of the screen: one character a cell, also for what has more or is wider.

- A cluster, such as a letter with combining accents, is one character of its own: the tables
  give it a code point behind the last one of Unicode's planes for private use that fonts use.
- A character two cells wide is followed by `REST`.
"""

from __future__ import annotations

import re

from rich.cells import split_graphemes

REST = "\0"
"""The second cell of a wide character."""

_FIRST_CLUSTER = 0x100000
_CLUSTERS = 0xFFFE
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f]")

NARROW = (
    "\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0377\u037a-\u037f\u0384-\u038a\u038e-\u03a1"
    "\u03a3-\u0482\u048a-\u052f\u2010-\u2015\u2018-\u201f\u2020-\u2026\u2190-\u2193\u2195"
    "\u2200-\u22ff\u2500-\u259f\u25a0-\u25fc\u2713\u2717\u2800-\u28ff"
)
"""Ranges of characters that are one cell wide for every terminal."""

_all_narrow = re.compile(f"[{NARROW}]*").fullmatch


class Cells:
    """Turns text into cells and cells into text.

    Attributes:
        wide: matches a cell whose width terminals may not agree on.
    """

    wide = re.compile(f"[^{NARROW}]")

    def __init__(self) -> None:
        self._clusters: list[str] = []
        self._characters: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return the cells of a text; control characters have none."""
        return text if _all_narrow(text) else self._split(text)

    def text(self, cells: str) -> str:
        """Return the text in cells that begin and end with a whole character."""
        if _all_narrow(cells):
            return cells
        return "".join(self._cluster(cell) for cell in cells if cell != REST)

    def _split(self, text: str) -> str:
        text = _CONTROLS.sub("", text)
        cells = []
        for start, end, width in split_graphemes(text)[0]:
            # What has no width and no character before it is lost, as on most terminals.
            if width:
                cells.append(self._character(text[start:end]) + REST * (width - 1))
        return "".join(cells)

    def _character(self, cluster: str) -> str:
        if len(cluster) == 1 and ord(cluster) < _FIRST_CLUSTER:
            return cluster
        if cluster not in self._characters:
            if len(self._clusters) == _CLUSTERS:
                return "\ufffd"
            self._characters[cluster] = chr(_FIRST_CLUSTER + len(self._clusters))
            self._clusters.append(cluster)
        return self._characters[cluster]

    def _cluster(self, cell: str) -> str:
        number = ord(cell) - _FIRST_CLUSTER
        return cell if number < 0 else self._clusters[number]
