"""Writes the changed cells of a row as the shortest sequences for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodtui.ui.terminal.capabilities import Capabilities
from kmodtui.ui.terminal.cells import REST, Cells
from kmodtui.ui.terminal.movement import Position, movement
from kmodtui.ui.terminal.rows import Row
from kmodtui.ui.terminal.styles import DEFAULT, Styles

_runs = re.compile(r"(.)\1*", re.DOTALL).finditer
_repeated = re.compile(r"([^ ])\1{3,}")

_LONG = 11
"""Blanks in a row that may take fewer bytes to erase than to write."""

_long_blanks = re.compile(f"( {{{_LONG},}})").split


class Encoder:
    """Knows where the terminal's cursor is and how it writes, and collects what to send.

    Attributes:
        position: of the cursor; None if unknown.
        pen: the style in which the terminal writes; None if unknown.
    """

    def __init__(self, cells: Cells, styles: Styles, capabilities: Capabilities) -> None:
        self._cells = cells
        self._styles = styles
        self._capabilities = capabilities
        self._parts: list[str] = []
        self.position: Position | None = None
        self.pen: str | None = None

    def take(self) -> str:
        """Return what was collected, and begin again."""
        collected = "".join(self._parts)
        self._parts.clear()
        return collected

    def forget(self) -> None:
        """Assume nothing about the terminal."""
        self._parts.clear()
        self.position = self.pen = None

    def move(self, row: int, column: int) -> None:
        """Move the cursor."""
        end = Position(row, column)
        self._parts.append(movement(self.position, end))
        self.position = end

    def change(self, number: int, shown: Row | None, wanted: Row) -> int:
        """Write what differs between two states of a row; return how many cells."""
        runs = self._changed(shown, wanted) if wanted.cells else []
        if runs:
            tail = self._tail(wanted)
            for start, end in runs:
                if self._run(number, wanted, start, end, tail):
                    break
        return sum(end - start for start, end in runs)

    # What differs

    def _changed(self, shown: Row | None, wanted: Row) -> list[tuple[int, int]]:
        """Return where cells differ: start and end of each run of changed cells."""
        length = len(wanted.cells)
        if shown is None:
            return [(0, length)]
        blank = self._styles.blank
        changed = [
            at
            for at, (old, new, old_style, style) in enumerate(
                zip(shown.cells, wanted.cells, shown.styles, wanted.styles, strict=False)
            )
            if (old != new or old_style != style)
            and not (old == new == " " and blank[old_style] == blank[style])
        ]
        known = len(shown.cells)
        if not changed:
            return [(known, length)] if known < length else []
        if self._cells.wide.search(wanted.cells) or self._cells.wide.search(shown.cells):
            return [(_whole(changed[0], shown, wanted), length)]
        changed += range(known, length)
        return list(_joined(changed))

    def _tail(self, row: Row) -> int:
        """Return where the blanks begin that look alike and reach the end of the row."""
        last = self._styles.blank[row.styles[-1]]
        if self._styles[last].shows_on_blanks or not self._can_erase(last):
            return len(row.cells)
        at = len(row.cells.rstrip(" "))
        blank = self._styles.blank
        for run in reversed(list(_runs(row.styles, at))):
            if blank[run[1]] != last:
                return run.end()
        return at

    # What is sent

    def _run(self, number: int, row: Row, start: int, end: int, tail: int) -> bool:
        """Write a part of a row; return whether everything behind it has been erased, too."""
        for run in _runs(row.styles, start, end):
            style, at = run[1], run.start()
            text = row.cells[at : run.end()]
            if self._styles[style].shows_on_blanks:
                self._text(number, at, row, text, style)
                continue
            for part in _long_blanks(text) if len(text) >= _LONG else (text,):
                if part.strip(" "):
                    self._text(number, at, row, part, style)
                elif part and self._blanks(number, at, row, len(part), at >= tail):
                    return True
                at += len(part)
        return False

    def _blanks(self, number: int, at: int, row: Row, count: int, in_tail: bool) -> bool:
        """Write or erase blanks; return whether the rest of the row has been erased."""
        self._go(number, at, row)
        styles, following = self._styles, at + count
        blank = styles.blank[row.styles[at]]
        if self.pen is None or styles.blank[self.pen] != blank:
            # The next text may need just one of the styles that are suitable.
            offered = row.styles[following : following + 1] or blank
            self._use(styles.for_blank(self.pen or DEFAULT, blank, offered))
        if in_tail and len(row.cells) - at > 3:
            self._parts.append("\x1b[K")
            return True
        if count >= _LONG and self._capabilities.erases_cells and self._can_erase(blank):
            self._parts.append(f"\x1b[{count}X")
        else:
            self._put(number, at, row, " " * count)
        return False

    def _text(self, number: int, at: int, row: Row, text: str, style: str) -> None:
        self._go(number, at, row)
        self._use(style)
        if not self._cells.wide.search(text):
            self._put(number, at, row, text)
            return
        # Terminals may not agree where the cursor is after such a character.
        for cell in text:
            if cell != REST:
                self._go(number, at, row)
                self._put(number, at, row, self._cells.text(cell))
                if self._cells.wide.match(cell):
                    self.position = Position(number, None)
            at += 1

    def _go(self, number: int, column: int, row: Row) -> None:
        """Move the cursor, or write again what is between it and the next change."""
        end = Position(number, column)
        move = movement(self.position, end)
        if move:
            between = self._between(end, row)
            self._parts.append(between if 0 < len(between.encode()) <= len(move) else move)
            self.position = end

    def _between(self, end: Position, row: Row) -> str:
        """Return the text from the cursor to `end`, if the pen writes it as it is; or empty."""
        if self.position is None or self.position.row != end.row or self.pen is None:
            return ""
        start, column = self.position.column, end.column
        if start is None or column is None or not 0 < column - start < 6:
            return ""
        text, blank = row.cells[start:column], self._styles.blank
        for cell, style in zip(text, row.styles[start:column], strict=True):
            if style != self.pen and not (cell == " " and blank[style] == blank[self.pen]):
                return ""
        return "" if self._cells.wide.search(text) else text

    def _put(self, number: int, at: int, row: Row, text: str) -> None:
        """Write text whose characters have one cell each."""
        end = at + len(text)
        if self._capabilities.repeats:
            text = _repeated.sub(_repetition, text)
        self._parts.append(text)
        # Behind the last column, terminals differ in where the cursor is.
        self.position = Position(number, end if end < len(row.cells) else None)

    def _use(self, style: str) -> None:
        self._parts.append(self._styles.change(self.pen, style))
        self.pen = style

    def _can_erase(self, blank: str) -> bool:
        return self._capabilities.fills or not self._styles[blank].ground


def _whole(column: int, *rows: Row) -> int:
    """Return the first column from `column` to the left at which characters begin in all rows."""
    while column and any(row.cells[column] == REST for row in rows):
        column -= 1
    return column


def _joined(columns: list[int]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of successive columns."""
    start = previous = columns[0]
    for column in columns[1:]:
        if column != previous + 1:
            yield start, previous + 1
            start = column
        previous = column
    yield start, previous + 1


def _repetition(repeated: re.Match[str]) -> str:
    """Return a character that is repeated, written once and repeated by REP if that is shorter."""
    text = repeated[0]
    short = f"{repeated[1]}\x1b[{len(text) - 1}b"
    return min(text, short, key=lambda one: len(one.encode()))
