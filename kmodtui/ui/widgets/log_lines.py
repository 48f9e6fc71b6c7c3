"""The lines of the kernel's log: they follow what comes, unless a person has moved up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message

from kmodtui.model.kernel_log import LogQuery, Record
from kmodtui.model.log_tail import Entry, LogTail
from kmodtui.model.text import clean, counted
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.line_view import Line, LineView, no_hit
from kmodtui.ui.widgets.log_line import LogLine, broken, line_parts

_ABOVE = -1
_BELOW = 1 << 62
"""Numbers of words that stand above and below every entry."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the view: an entry, or a piece of one that is too long for a line."""

    entry: Entry
    piece: LogLine


class LogLines(LineView):
    """Records, each as many lines long as it takes."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]

    class Told(Message):
        """What the frame tells is different now."""

    class ReadOnWanted(Message):
        """Enter was pressed: a log that is not followed is to be read on."""

    def __init__(self) -> None:
        super().__init__(id="log-lines")
        self.tail = LogTail()
        self.asked = LogQuery()
        self.module: str | None = None
        """The selected module."""
        self.hits = 0
        """How many records are shown."""
        self.total = 0
        """How many records there are."""
        self.news = 0
        """How many records have come that are shown below, while nothing is followed."""
        self._rows: list[_Row] = []
        self._old = 0  # number of the last entry that was there when the log was opened
        self._follows = True
        self._words_below = ""
        self._width = 0

    # What is shown

    def take(self, records: Iterable[Record], *, old: bool) -> None:
        """Add records; `old` ones were there before the log was opened."""
        added, let_go = self.tail.take(records)
        if old and self._old != self.tail.last_number:
            self._old = self.tail.last_number
            self.refresh()
        shown = [entry for entry in added if self._shows(entry)]
        come = sum(entry.record is not None for entry in shown)
        if not self._follows:
            self.news += come
        if let_go or not self.hits or self._words_below:
            self._build()
        elif added:
            self.hits += come
            self.total += sum(entry.record is not None for entry in added)
            self._append(shown)
        self.post_message(self.Told())

    def say(self, words: str) -> None:
        """Show words below the records, or alone where there are none; none take them away."""
        if words != self._words_below:
            self._words_below = words
            self._build()

    def ask(self, query: LogQuery) -> None:
        """Show only what is asked for; where a search ends, the cursor stays at what it found."""
        if query == self.asked:
            return
        if self.asked.text and not query.text and not self._at_newest:
            self._follows = False
        self.asked = query
        self.news = 0
        # Its neighbours are other lines now: they are to be seen on both sides.
        self._build(line=self.scrollable_content_region.height // 2)
        self.post_message(self.Told())

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        self.module = name
        if self.asked.module and name:
            self.ask(replace(self.asked, module=name))

    @property
    def follows(self) -> bool:
        """Whether the newest line is kept in view."""
        return self._follows

    @follows.setter
    def follows(self, follows: bool) -> None:
        if follows != self._follows:
            self._follows = follows
            self.news = 0
            self.post_message(self.Told())

    @property
    def _at_newest(self) -> bool:
        """Whether the cursor is at the newest record of all."""
        entries = self.tail.entries
        if not self._rows or not entries:
            return True
        return self._rows[self.cursor].entry.number >= entries[-1].number

    def _shows(self, entry: Entry) -> bool:
        return entry.record is None or self.asked.takes(entry.record.level, entry.text)

    # Building the lines

    def _build(self, line: int | None = None) -> None:
        """Break everything anew; the cursor stays at its record.

        Args:
            line: where on the screen that is then; where it is now, if not told.
        """
        number, piece, now = self._place()
        entries = self.tail.entries
        shown = [entry for entry in entries if self._shows(entry)]
        self.total = sum(entry.record is not None for entry in entries)
        self.hits = sum(entry.record is not None for entry in shown)
        if head := self.tail.head_words:
            shown.insert(0, Entry(_ABOVE, head))
        if self.total and not self.hits:
            shown.append(Entry(_BELOW, self._nothing_words()))
        if self._words_below:
            shown.append(Entry(_BELOW, self._words_below))
        self._rows = [row for entry in shown for row in self._broken(entry)]
        self.virtual_size = Size(0, len(self._rows))
        self._return_to(number, piece, now if line is None else line)
        self.refresh()

    def _append(self, entries: Iterable[Entry]) -> None:
        before = len(self._rows)
        self._rows += [row for entry in entries for row in self._broken(entry)]
        count = len(self._rows)
        if count == before:
            return
        self.virtual_size = Size(0, count)
        if self._follows:
            self.cursor = count - 1
            self._keep_cursor_in_view()
            self.refresh()
        elif self.scroll_offset.y + self.scrollable_content_region.height > before:
            self.refresh()  # else what has come is out of sight

    def _broken(self, entry: Entry) -> list[_Row]:
        if not self._width:
            return []  # there is no place to show it yet
        return [_Row(entry, piece) for piece in broken(entry, self._width)]

    def _place(self) -> tuple[int, int, int]:
        """Return the entry and its piece that the cursor is at, and where on the screen that is."""
        if not self._rows:
            return _BELOW, 0, 0
        number = self._rows[self.cursor].entry.number
        piece = self.cursor - self._first_of(number)
        return number, piece, self.cursor - round(self.scroll_offset.y)

    def _first_of(self, number: int) -> int:
        """Return the first line of an entry, or of the one that follows where it is not shown."""
        return bisect_left(self._rows, number, key=lambda row: row.entry.number)

    def _return_to(self, number: int, piece: int, line: int) -> None:
        last = max(0, len(self._rows) - 1)
        if self._follows:
            self.cursor = last
            self._keep_cursor_in_view()
            return
        first = min(self._first_of(number), last)
        here = bool(self._rows) and self._rows[first].entry.number == number
        self.cursor = min(first + piece, self._first_of(number + 1) - 1) if here else first
        self.scroll_to(y=self.cursor - line, animate=False, force=True)
        self.follows = self.cursor >= last

    def _nothing_words(self) -> str:
        words = f"No line{self.asked.words} in {counted(self.total, 'line')}."
        ways = (
            ("Esc clears the search." if self.asked.text else ""),
            ("m shows every module's again." if self.asked.module else ""),
            ("f shows milder ones." if self.asked.severity.mildest < 7 else ""),
        )
        return clean(" ".join((words, *filter(None, ways))))

    def on_resize(self) -> None:
        """Break the lines anew."""
        if self.line_width != self._width:
            self._width = self.line_width
            self._build()

    # Lines

    def line_count(self) -> int:
        """Return how many lines there are at this width."""
        return len(self._rows)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  broken beforehand
        """Return a line."""
        row = self._rows[index]
        return line_parts(
            row.entry, row.piece, self.asked.text, fresh=self._old < row.entry.number < _BELOW
        )

    # What a person does

    def move_cursor(self, index: int) -> None:
        """Put the cursor on a line; at the last one, what comes is followed again."""
        super().move_cursor(index)
        self.follows = self.cursor >= len(self._rows) - 1

    def action_bottom(self) -> None:
        """Go to the newest line, and follow what comes."""
        super().action_bottom()
        self._keep_cursor_in_view()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow nothing where a person has scrolled away from the end, until they are back."""
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self.follows = self.cursor >= len(self._rows) - 1
        elif new_value < old_value:
            self.follows = False

    def action_open_line(self) -> None:
        """Ask for the log to be read on, where it is not followed."""
        self.post_message(self.ReadOnWanted())

    def action_facet(self) -> None:
        """Show all lines, warnings and worse, or errors and worse."""
        self.ask(replace(self.asked, severity=self.asked.severity.next))

    def action_only_module(self) -> None:
        """Show only the lines that name the selected module, or all again."""
        if not self.asked.module and self.module is None:
            self.notify("No module is selected.", timeout=4)
            return
        module = "" if self.asked.module else self.module or ""
        self.ask(replace(self.asked, module=module))

    def action_next_hit(self, step: int) -> None:
        """Go to the next record that is found, or to the one before."""
        if not self.asked.text:
            self.notify("Nothing is searched for. / begins.", timeout=3)
            return
        index = self.cursor + step
        here = self._rows[self.cursor].entry if self._rows else None
        while 0 <= index < len(self._rows):
            entry = self._rows[index].entry
            if entry is not here and entry.record is not None:
                self.move_cursor(self._first_of(entry.number))
                return
            index += step
        self.notify(no_hit(step), timeout=3)
