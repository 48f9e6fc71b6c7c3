"""Between Textual and the terminal: keeps what the terminal shows, and sends what differs."""

from __future__ import annotations

import re
import sys

from kmodtui.ui.terminal.capabilities import Capabilities
from kmodtui.ui.terminal.cells import Cells
from kmodtui.ui.terminal.encoder import Encoder
from kmodtui.ui.terminal.paint import PaintReader, Span
from kmodtui.ui.terminal.rows import Row
from kmodtui.ui.terminal.styles import Styles

SYNC_START = "\x1b[?2026h"
CLIPBOARD = "\x1b]52;"
SYNC_END = "\x1b[?2026l"

_paints = re.compile(r"\x1b\[\d*(?:;\d*)?H").match

_pointer = re.compile(r"\x1b\]22;([^\x07]*)\x07").fullmatch
"""The shape of the mouse pointer: a simple terminal might print it."""


class TerminalOutput:
    """Takes what Textual writes, and returns what has to be written instead."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        self._cells = Cells()
        self._styles = Styles(ends_attributes=capabilities.ends_attributes)
        self._reader = PaintReader(self._cells, self._styles)
        self._encoder = Encoder(self._cells, self._styles, capabilities)
        self._columns = self._rows = sys.maxsize
        self._wanted: list[Row] = []
        self._shown: dict[int, Row] = {}
        self._painted: set[int] = set()
        self._in_sync = False
        self._cursor = self._cursor_shown = (0, 0)
        self._is_stale = True
        self._shape = ""

    def write(self, data: str) -> str:
        """Take what Textual writes; return what has to be written at once.

        What is painted is kept for `flush`. Everything else, such as a change of mode, is
        passed on.
        """
        if data == SYNC_START:
            self._in_sync = True
            return ""
        if data == SYNC_END:
            return ""
        if _paints(data):
            try:
                spans = self._reader.spans(data)
            except (ValueError, IndexError):
                # Not a repaint as Textual makes them. The next one repairs what this changes.
                self.forget()
                return data
            self._paint(spans)
            return ""
        if shape := _pointer(data):
            self._shape = shape[1]
            return data if self._capabilities.answers else ""
        if data.startswith(CLIPBOARD) and not self._capabilities.answers:
            return ""  # a simple terminal would print it
        return data

    @property
    def resetting(self) -> str:
        """What resets the shape of the mouse pointer, which the shell would keep."""
        changed = self._capabilities.answers and self._shape not in ("", "default")
        return "\x1b]22;default\x07" if changed else ""

    def flush(self) -> str:
        """Return what makes the terminal show what was painted; empty if it does already."""
        in_sync, self._in_sync = self._in_sync, False
        if self._is_stale:
            self._begin_again()
        changed_rows = self._encode_rows()
        # Textual may still have it where it was before the terminal became smaller.
        row, column = self._cursor
        cursor = min(row, self._rows - 1), min(column, self._columns - 1)
        if cursor != self._cursor_shown:
            # For input methods, which show their window there; the cursor itself is hidden.
            self._encoder.move(*cursor)
            self._cursor_shown = cursor
        changes = self._encoder.take()
        if self._is_stale:
            return ""  # forgotten meanwhile
        # A single row is drawn at once without that, too.
        return f"{SYNC_START}{changes}{SYNC_END}" if in_sync and changed_rows > 1 else changes

    def forget(self) -> None:
        """Assume nothing about what the terminal shows: `flush` sends everything again.

        May be called by another thread.
        """
        self._is_stale = True

    def resize(self, columns: int, rows: int) -> None:
        """Forget what the terminal shows, and keep what was painted as far as it fits.

        Textual may still paint for the former size once.
        """
        self._columns, self._rows = columns, rows
        wanted = [*self._wanted[:rows], *[Row()] * (rows - len(self._wanted))]
        self._wanted = [row.first(columns) for row in wanted]
        self.forget()

    def _begin_again(self) -> None:
        self._is_stale = False
        self._encoder.forget()
        self._shown = {}
        self._painted = set(range(len(self._wanted)))

    def _encode_rows(self) -> int:
        """Encode what differs; return in how many rows."""
        painted, self._painted = self._painted, set()
        changed = 0
        for number in sorted(painted):
            wanted = self._wanted[number]
            changed += self._encoder.change(number, self._shown.get(number), wanted) > 0
            self._shown[number] = wanted
        return changed

    def _paint(self, spans: list[Span]) -> None:
        last = spans[-1]
        if not last.cells:
            self._cursor = last.row, last.column
        wanted = self._wanted
        for number, column, cells, styles in spans:
            if not cells or number >= self._rows:
                continue
            if number >= len(wanted):
                wanted.extend([Row()] * (number + 1 - len(wanted)))
            row = wanted[number]
            if column or len(cells) < len(row.cells):
                cells, styles = row.painted(column, cells, styles)
            if len(cells) > self._columns:
                cells, styles = Row(cells, styles).first(self._columns)
            if (cells, styles) != row:
                wanted[number] = Row(cells, styles)
                self._painted.add(number)
