"""The events of the timeline, one line each, oldest first; the first line is the start."""

from __future__ import annotations

import time

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import DocumentRow, Value
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import ALL
from kmodtui.model.filter.sources import EventSource
from kmodtui.model.history import Change, Timeline, Totals
from kmodtui.model.text import clean, counted, human_size
from kmodtui.model.timeline.event import EventKind, TimelineEvent
from kmodtui.model.timeline.event_list import EventList
from kmodtui.model.timeline.summary import summary
from kmodtui.services.filtering import select
from kmodtui.ui.filters import filter_typed
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.lines.event_items import Item, items_of, place_of
from kmodtui.ui.widgets.lines.view import Line, LineView, Part, fit

WORDS = {
    EventKind.MODULES: ("modules", "strong"),
    EventKind.FAILURE: ("failed", "bad"),
    EventKind.PARAMETER: ("parameter", "accent"),
    EventKind.DEVICE: ("device", "info"),
    EventKind.LOG: ("log", "dim"),
    EventKind.COMMAND: ("command", "strong"),
    EventKind.START: ("start", "strong"),
    EventKind.LOST: ("gap", "warn"),
}
"""The word in front of an event, and its style."""

_SOURCE = EventSource()

_SYMBOLS = 10
_SOME_NAMES = 16
"""Cells for names that make a word in front of them worth while."""


class EventLines(LineView):
    """A line for the start, for each change of the modules, and for each event of another kind.

    Attributes:
        timeline: the changes of the modules; a *point* is a place between them.
        events: every event, in order.
        kind: the only kind that is shown; None for all.
        marks: points of the timeline.
    """

    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="event-lines")
        self.menu_first = "timeline.switch"
        self.timeline = Timeline()
        self.events = EventList()
        self.kind: EventKind | None = None
        self.marks: tuple[int, ...] = ()
        self._filter = ALL
        self._items: list[Item] = [0]
        self._symbols_width = _SYMBOLS
        self._days = False

    def show(self, timeline: Timeline, events: EventList) -> None:
        """Show a timeline; a cursor on the newest event follows the newest event."""
        # The timeline drops its oldest events: the lines of the others move up.
        moved = timeline.forgotten - self.timeline.forgotten
        self.marks = tuple(mark - moved for mark in self.marks if mark >= moved)
        item = self.item
        if isinstance(item, int):
            item = max(0, item - moved)
        at_end = self.cursor >= len(self._items) - 1
        self.timeline, self.events = timeline, events
        self._symbols_width = max([_SYMBOLS, *(_symbols_width(e.change) for e in timeline.events)])
        self._days = _clock_day(timeline.began) != _clock_day(time.time())
        self._arrange(item, at_end=at_end)

    def show_kind(self, kind: EventKind | None) -> None:
        """Show only one kind of events, or all."""
        self.kind = kind
        self._arrange(self.item, at_end=False)

    @property
    def filter_text(self) -> str:
        """The filter of the events as it was typed."""
        return self._filter.text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        chosen = filter_typed(self, text, FilterKind.EVENTS)
        select(chosen, _SOURCE, self.events.events)  # before anything changes: it can fail
        self._filter = chosen
        self._arrange(self.item, at_end=False)

    def _wanted(self) -> frozenset[int] | None:
        """Return the numbers of the events that match the filter; None without one."""
        if not self._filter.terms:
            return None
        try:
            found = select(self._filter, _SOURCE, self.events.events)
        except KmodtuiError:  # a regular expression takes too long for new events
            self._filter = ALL
            return None
        return frozenset(event.number for event in found)

    def _arrange(self, item: Item, *, at_end: bool) -> None:
        self._items = items_of(self.timeline, self.events, self.kind, self._wanted())
        if at_end:
            self.cursor = len(self._items) - 1
        else:
            self.cursor = place_of(item, self._items)
        self.lines_changed()

    @property
    def item(self) -> Item:
        """What is under the cursor: a point, or an event of another kind."""
        return self._items[min(self.cursor, len(self._items) - 1)]

    @property
    def point(self) -> int:
        """The point at the cursor: of an event of another kind, that of the change before it."""
        items = self._items[: self.cursor + 1]
        return next((each for each in reversed(items) if isinstance(each, int)), 0)

    def toggle_mark(self, point: int) -> None:
        """Mark a point or unmark it; a third mark replaces the oldest one."""
        if point in self.marks:
            self.marks = tuple(mark for mark in self.marks if mark != point)
        else:
            self.marks = (*self.marks, point)[-2:]
        self.refresh()

    def line_count(self) -> int:
        """Return the number of lines; 0 before the first read."""
        return len(self._items) if self.timeline.began else 0

    def line(self, index: int, width: int) -> Line:
        """Return a line."""
        item = self._items[index]
        columns = EventColumns(width, self._symbols_width, self._time_width)
        if not isinstance(item, int):
            return self._other(item, width)
        totals = self.timeline.totals_at(item)
        change = self.timeline.events[item - 1].change if item else None
        if change:
            what = _what(change, columns.what)
        else:
            what = (("start  ", "strong"), (_start_text(self.timeline), "dim"))
        return (
            ("◆ " if item in self.marks else "  ", "accent"),
            (fit(self._clock(self.timeline.when(item)), self._time_width), "dim"),
            *_fitted(what, columns.what),
            *(_symbols(change, columns.symbols) if change else ((" " * columns.symbols, ""),)),
            *columns.totals(totals),
        )

    def subject(self) -> Subject | None:
        """Return the event under the cursor, or the start."""
        if not self.line_count():
            return None
        item = self.item
        if not isinstance(item, int):
            name = f"{item.number}, {clock(item.when)}"
            return Subject(SubjectKind.EVENT, name, item.modules[0] if item.modules else "")
        if not item:
            return Subject(SubjectKind.EVENT, "start")
        change = self.timeline.events[item - 1].change
        return Subject(SubjectKind.EVENT, f"{change.number}, {clock(change.when)}")

    def _other(self, event: TimelineEvent, width: int) -> Line:
        word, style = WORDS[event.kind]
        room = max(8, width - 2 - self._time_width)
        return (
            ("  ", ""),
            (fit(self._clock(event.when), self._time_width), "dim"),
            *_fitted(((f"{word}  ", style), (summary(event), "")), room),
        )

    @property
    def _time_width(self) -> int:
        return 16 if self._days else 10

    def _clock(self, when: float) -> str:
        return f"{_clock_day(when)} {clock(when)}" if self._days else clock(when)

    def document_row(self, index: int) -> DocumentRow:
        """Return an event to be copied or saved."""
        plain = super().document_row(index)
        if not index:
            return plain
        change = self.timeline.events[index - 1].change
        fields: dict[str, Value] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(change.when)),
            "loaded": tuple(module.name for module in change.loaded),
            "unloaded": tuple(module.name for module in change.unloaded),
            "reloaded": tuple(module.name for module in change.reloaded),
            "command": change.cause or None,
            "symbols_added": change.symbols.added,
            "symbols_removed": change.symbols.removed,
        }
        return DocumentRow(plain.text, fields)

    def head(self, width: int) -> str:
        """Return the column heads."""
        columns = EventColumns(width, self._symbols_width, self._time_width)
        head = "  " + fit("time", self._time_width) + fit("loaded + and unloaded −", columns.what)
        head += fit("symbols", columns.symbols, right=True)
        if columns.total:
            head += fit("total", 11, right=True)
        if columns.memory:
            head += fit("memory", 11, right=True)
        return head


class EventColumns:
    """The columns that are shown at a width, and the cells of those that vary."""

    def __init__(self, width: int, symbols: int, time_width: int) -> None:
        self.symbols = symbols if width >= 48 else _SYMBOLS
        more = self.symbols - _SYMBOLS
        self.total = width >= 60 + more
        self.memory = width >= 72 + more
        fixed = 2 + time_width + self.symbols + 11 * (self.total + self.memory)
        self.what = max(8, width - fixed)

    def totals(self, totals: Totals) -> tuple[Part, ...]:
        """Return the totals at a point, as far as there are columns for them."""
        symbols = "?" if totals.symbols is None else f"{totals.symbols:,}"
        parts: list[Part] = []
        if self.total:
            parts.append((fit(symbols, 11, right=True), ""))
        if self.memory:
            parts.append((fit(human_size(totals.memory), 11, right=True), "dim"))
        return tuple(parts)


def clock(when: float) -> str:
    """Return the time of day."""
    return time.strftime("%H:%M:%S", time.localtime(when))


def full_time(when: float) -> str:
    """Return date and time of day."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _clock_day(when: float) -> str:
    return time.strftime("%m-%d", time.localtime(when))


def _start_text(timeline: Timeline) -> str:
    text = counted(timeline.totals.modules, "module")
    if timeline.forgotten:
        text += f", {counted(timeline.forgotten, 'earlier event')} dropped"
    return text


def _what(change: Change, width: int) -> tuple[Part, ...]:
    """Return the modules that were loaded and unloaded, as many whole names as fit.

    `+` and `−` are explained by the column head. The rarer signs are replaced by a word
    where there is room for it.
    """
    groups = [
        (sign, word, style, names)
        for sign, word, style, names in (
            ("+", "+", "good", [module.name for module in change.loaded]),
            ("−", "−", "bad", [module.name for module in change.unloaded]),
            ("↻", "reloaded", "accent", [change.with_times(m.name) for m in change.reloaded]),
            ("±", "loaded+unloaded", "accent", list(map(change.with_times, change.cycled))),
        )
        if names
    ]
    names_width = sum(len(" ".join(names)) for *_, names in groups)
    words_width = sum(len(word) + 3 for _, word, _, _ in groups)
    in_words = words_width + names_width <= width or (
        # Not all names fit behind signs either.
        len(groups) * 4 + names_width > width >= words_width + len(groups) * _SOME_NAMES
    )
    labels = [word if in_words else sign for sign, word, _, _ in groups]
    free = width - sum(len(label) + 3 for label in labels)
    parts: list[Part] = []
    for label, (_, _, style, names) in zip(labels, groups, strict=True):
        text = _names(names, free // len(groups))
        parts += [(f"{label} ", style), (f"{text}  ", "")]
    return tuple(parts)


def _names(names: list[str], width: int) -> str:
    """Return as many names as fit, and how many are left out."""
    for shown in range(len(names), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        text = clean(" ".join(names[:shown])) + more
        if len(text) <= width or shown == 1:
            return text
    return ""


def _fitted(parts: tuple[Part, ...], width: int) -> tuple[Part, ...]:
    """Return parts that are exactly `width` cells wide together, with a space at the end."""
    fitted: list[Part] = []
    free = width - 1
    for text, style in parts:
        if free <= 0:
            break
        piece = fit(text, min(free, len(text)))
        fitted.append((piece, style))
        free -= len(piece)
    return (*fitted, (" " * (max(0, free) + 1), ""))


def _symbols(change: Change, width: int) -> tuple[Part, ...]:
    """Return how many symbols were added and removed, in `width` cells."""
    if change.symbols_missing:
        return ((fit("unknown", width, right=True), "warn"),)
    gained, lost = change.symbols.added, change.symbols.removed
    if gained and lost:
        if _symbols_width(change) <= width:
            removed = f"−{lost:,}"
            added = fit(f"+{gained:,} ", width - len(removed), right=True)
            return ((added, "good"), (removed, "bad"))
        return ((fit(f"±{max(gained, lost):,}", width, right=True), "accent"),)
    if not gained and not lost:
        return ((fit("0", width, right=True), "dim"),)
    text, style = (f"+{gained:,}", "good") if gained else (f"−{lost:,}", "bad")
    return ((fit(text, width, right=True), style),)


def _symbols_width(change: Change) -> int:
    gained, lost = change.symbols.added, change.symbols.removed
    return len(f" +{gained:,} −{lost:,}") if gained and lost else _SYMBOLS
