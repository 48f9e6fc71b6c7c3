"""The lines of the kernel log. New lines scroll into view unless the cursor was moved up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import DocumentRow, Value
from kmodtui.model.filter.parse import Filter
from kmodtui.model.filter.sources import LogSource
from kmodtui.model.log.query import LogQuery, names_module
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.tail import Entry, LogTail
from kmodtui.model.text import clean, counted
from kmodtui.services.filtering import select
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.lines.log_line import LogLine, line_parts, wrapped_entry
from kmodtui.ui.widgets.lines.view import Line, LineView, no_match_message

_SOURCE = LogSource()

_ABOVE = -1
_BELOW = 1 << 62
"""Entry numbers of messages above the oldest and below the newest entry."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the view: an entry, or a part of one that is too long for a line."""

    entry: Entry
    piece: LogLine


class LogLines(LineView):
    """The records of the log, each wrapped to as many lines as it needs."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]

    class Told(Message):
        """What the frame shows (number of lines, following) has changed."""

    class Entered(Message):
        """Enter was pressed: resume reading a log that is not followed, or show the menu."""

    class ModuleWanted(Message):
        """A module that a message names is to be shown."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, loaded: Callable[[], Iterable[str]]) -> None:
        """Create an empty view; `loaded` returns the names of the loaded modules."""
        super().__init__(id="log-lines")
        self.menu_first = "log.go"
        self._loaded = loaded
        self.tail = LogTail()
        self.asked = LogQuery()
        self.module: str | None = None
        """The selected module."""
        self.hits = 0
        """Number of records that are shown."""
        self.total = 0
        """Number of records, shown or not."""
        self.news = 0
        """Number of shown records that arrived since following stopped."""
        self._rows: list[_Row] = []
        self._old = 0  # number of the last entry that is older than the opening of the log
        self._follows = True
        self._message_below = ""
        self._width = 0

    # What is shown

    def take(self, records: Iterable[LogRecord], *, old: bool) -> None:
        """Add records; `old` ones were logged before the log was opened."""
        added, dropped = self.tail.take(records)
        if old and self._old != self.tail.last_number:
            self._old = self.tail.last_number
            self.refresh()
        shown = self._matching_or_all(added)
        count = sum(entry.record is not None for entry in shown)
        if not self._follows:
            self.news += count
        if dropped or not self.hits or self._message_below:
            self._build()
        elif added:
            self.hits += count
            self.total += sum(entry.record is not None for entry in added)
            self._append(shown)
        self.post_message(self.Told())

    def say(self, text: str) -> None:
        """Show a message below the records; an empty text removes it."""
        if text != self._message_below:
            self._message_below = text
            self._build()

    def ask(self, query: LogQuery) -> None:
        """Show only matching records; when a search is cleared, the cursor stays on its record.

        Raises:
            TookTooLongError: a regular expression takes too long; what is shown does not change.
        """
        if query == self.asked:
            return
        if query.filter.has_pattern:
            self._matching(query, self.tail.entries)
        if self.asked.text and not query.text and not self._at_newest:
            self._follows = False
        self.asked = query
        self.news = 0
        # In the middle, so that the record's new neighbours are visible on both sides.
        self._build(line=self.scrollable_content_region.height // 2)
        self.post_message(self.Told())

    def show_module(self, name: str | None) -> None:
        """Take the name of the selected module; a filter by module changes to it."""
        self.module = name
        if self.asked.module and name:
            self.ask(replace(self.asked, module=name))

    @property
    def follows(self) -> bool:
        """Whether new lines are scrolled into view."""
        return self._follows

    @follows.setter
    def follows(self, follows: bool) -> None:
        if follows != self._follows:
            self._follows = follows
            self.news = 0
            self.post_message(self.Told())

    @property
    def _at_newest(self) -> bool:
        """Whether the cursor is at the newest record, shown or not."""
        entries = self.tail.entries
        if not self._rows or not entries:
            return True
        return self._rows[self.cursor].entry.number >= entries[-1].number

    def _matching(self, query: LogQuery, entries: Iterable[Entry]) -> list[Entry]:
        wanted = [e for e in entries if not e.record or query.takes(e.record.level, e.text)]
        if not query.filter.terms:
            return wanted
        chosen = {each.number for each in select(query.filter, _SOURCE, wanted)}
        return [each for each in wanted if each.record is None or each.number in chosen]

    def _matching_or_all(self, entries: Iterable[Entry]) -> list[Entry]:
        try:
            return self._matching(self.asked, entries)
        except KmodtuiError as error:  # a regular expression takes too long for new messages
            self.asked = replace(self.asked, filter=Filter())
            self.notify(str(error), title="Filter cleared", markup=False)
            return self._matching(self.asked, entries)

    # Building the lines

    def _build(self, line: int | None = None) -> None:
        """Wrap all entries again; the cursor stays on its record.

        Args:
            line: line of the screen for the cursor; by default, it stays where it is.
        """
        number, piece, screen_line = self._cursor_place()
        entries = self.tail.entries
        shown = self._matching_or_all(entries)
        self.total = sum(entry.record is not None for entry in entries)
        self.hits = sum(entry.record is not None for entry in shown)
        if head := self.tail.head_words:
            shown.insert(0, Entry(_ABOVE, head))
        if self.total and not self.hits:
            shown.append(Entry(_BELOW, self._no_match_text()))
        if self._message_below:
            shown.append(Entry(_BELOW, self._message_below))
        self._rows = [row for entry in shown for row in self._rows_of(entry)]
        self.virtual_size = Size(0, len(self._rows))
        self._return_to(number, piece, screen_line if line is None else line)
        self.refresh()

    def _append(self, entries: Iterable[Entry]) -> None:
        before = len(self._rows)
        self._rows += [row for entry in entries for row in self._rows_of(entry)]
        count = len(self._rows)
        if count == before:
            return
        self.virtual_size = Size(0, count)
        if self._follows:
            self.cursor = count - 1
            self._keep_cursor_in_view()
            self.refresh()
        elif self.scroll_offset.y + self.scrollable_content_region.height > before:
            self.refresh()  # otherwise the new lines are below the visible ones

    def _rows_of(self, entry: Entry) -> list[_Row]:
        if not self._width:
            return []  # not laid out yet
        return [_Row(entry, piece) for piece in wrapped_entry(entry, self._width)]

    def _cursor_place(self) -> tuple[int, int, int]:
        """Return the number of the cursor's entry, the line in it, and the line of the screen."""
        if not self._rows:
            return _BELOW, 0, 0
        number = self._rows[self.cursor].entry.number
        piece = self.cursor - self._first_of(number)
        return number, piece, self.cursor - round(self.scroll_offset.y)

    def _first_of(self, number: int) -> int:
        """Return the first line of an entry, or of the next one if that entry is not shown."""
        return bisect_left(self._rows, number, key=lambda row: row.entry.number)

    def _return_to(self, number: int, piece: int, line: int) -> None:
        last = max(0, len(self._rows) - 1)
        if self._follows:
            self.cursor = last
            self._keep_cursor_in_view()
            return
        first = min(self._first_of(number), last)
        shown = bool(self._rows) and self._rows[first].entry.number == number
        self.cursor = min(first + piece, self._first_of(number + 1) - 1) if shown else first
        self.scroll_to(y=self.cursor - line, animate=False, force=True)
        self.follows = self.cursor >= last

    def _no_match_text(self) -> str:
        text = f"No match in {counted(self.total, 'message')} for: {self.asked.words}."
        if self.asked.text:
            text += f" {key_of('dashboard.back')} clears the search."
        if self.asked.module:
            text += f" {key_of('log.only_module')} shows the messages of all modules."
        if self.asked.severity.mildest < 7:
            text += f" {key_of('log.severity')} shows less severe messages."
        return clean(text)

    def on_resize(self) -> None:
        """Wrap the lines to the new width."""
        if self.line_width != self._width:
            self._width = self.line_width
            self._build()

    # Lines

    def line_count(self) -> int:
        """Return the number of lines at this width."""
        return len(self._rows)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  wrapped beforehand
        """Return a line."""
        row = self._rows[index]
        return line_parts(
            row.entry,
            row.piece,
            self.asked.filter.words,
            fresh=self._old < row.entry.number < _BELOW,
        )

    # Commands

    def move_cursor(self, index: int) -> None:
        """Move the cursor to a line; on the last line, new lines are followed again."""
        super().move_cursor(index)
        self.follows = self.cursor >= len(self._rows) - 1

    def action_bottom(self) -> None:
        """Go to the newest line and follow new ones."""
        super().action_bottom()
        self._keep_cursor_in_view()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when the user scrolls up; resume at the end."""
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self.follows = self.cursor >= len(self._rows) - 1
        elif new_value < old_value:
            self.follows = False

    def subject(self) -> Subject | None:
        """Return the message under the cursor, with the loaded module that it names."""
        entry = self._rows[self.cursor].entry if self._rows else None
        if entry is None or entry.record is None:
            return None
        named = [name for name in self._loaded() if names_module(entry.text, name)]
        return Subject(SubjectKind.MESSAGE, entry.text, max(named, key=len, default=""))

    def document_row(self, index: int) -> DocumentRow:
        """Return the message that a line belongs to, to be copied or saved."""
        return _document_row(self._rows[index].entry)

    def document_rows(self) -> Iterator[DocumentRow]:
        """Yield the messages that are shown, each as a whole."""
        shown = {row.entry.number: row.entry for row in self._rows}
        yield from (_document_row(entry) for entry in shown.values())

    def why_not(self, command: Command, subject: Subject) -> str:
        """Return why a command cannot be used on a message; empty if it can."""
        if command.id == "log.go" and not subject.module:
            return "the message names no loaded module"
        if command.id == "log.only_module" and self.module is None and not self.asked.module:
            return "no module is selected"
        return ""

    def action_enter(self) -> None:
        """Resume reading a log that is not followed, or show what can be done with a message."""
        self.post_message(self.Entered())

    def action_open_line(self) -> None:
        """Do the same for a double click."""
        self.post_message(self.Entered())

    def action_go(self) -> None:
        """Go to the module that the message names."""
        if (subject := self.subject()) is not None and subject.module:
            self.post_message(self.ModuleWanted(subject.module))

    def action_facet(self) -> None:
        """Cycle through all lines, warnings and worse, errors and worse."""
        self.ask(replace(self.asked, severity=self.asked.severity.next))

    def action_only_module(self) -> None:
        """Show only lines that name the selected module, or all lines again."""
        if not self.asked.module and self.module is None:
            words = "The log can be limited to the module that is selected in the modules pane."
            self.notify(words, title="No module selected", timeout=4)
            return
        module = "" if self.asked.module else self.module or ""
        self.ask(replace(self.asked, module=module))

    def action_next_match(self, step: int) -> None:
        """Go to the next match (1) or the previous one (-1)."""
        if not self.asked.text:
            key = key_of("dashboard.filter")
            self.notify(f"No search text. Press {key} to search.", timeout=3)
            return
        index = self.cursor + step
        current = self._rows[self.cursor].entry if self._rows else None
        while 0 <= index < len(self._rows):
            entry = self._rows[index].entry
            if entry is not current and entry.record is not None:
                self.move_cursor(self._first_of(entry.number))
                return
            index += step
        self.notify(no_match_message(step), timeout=3)


def _document_row(entry: Entry) -> DocumentRow:
    record = entry.record
    if record is None:
        return DocumentRow(entry.text)
    fields: dict[str, Value] = {
        "message": entry.text,
        "time": record.stamp.strip("[ ]"),
        "level": record.level_word,
    }
    return DocumentRow(f"{record.stamp} {record.level_word}: {entry.text}", fields)
