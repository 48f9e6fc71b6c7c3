"""Reads a recording of the timeline, however it ended."""

from __future__ import annotations

import json
import os
import stat
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.model.history import Change, Event, Timeline
from kmodtui.model.modules import LoadedModule
from kmodtui.model.text import clean, counted
from kmodtui.model.timeline.event import EventKind, ModulesChanged, Started, TimelineEvent
from kmodtui.model.timeline.event_json import read_event
from kmodtui.model.timeline.event_list import EventList
from kmodtui.services.timeline.frames import MAGIC, FrameReader
from kmodtui.services.timeline.recorder import older

MAX_EVENTS = 100_000
"""The newest events that are kept."""

MAX_FILE = 64 * 1024 * 1024
"""Bytes of each file that are read."""

_MAX_OLDER = 100
_LARGEST = 4 * 1024 * 1024  # bytes of one line


@dataclass(frozen=True)
class Recording:
    """The events of a recording.

    Attributes:
        path: of its newest file, safe to show.
        events: in order, numbered from 1.
        timeline: the changes of the modules.
        notes: what is missing, in sentences.
        start: the system when it began; None if that is missing.
    """

    path: str
    events: tuple[TimelineEvent, ...]
    timeline: Timeline
    notes: tuple[str, ...] = ()
    start: Started | None = None

    @property
    def event_list(self) -> EventList:
        """The events as a list of the timeline."""
        return EventList(self.events, Counter(), Counter(event.kind for event in self.events))

    @property
    def modules(self) -> frozenset[str]:
        """The names of all modules that were ever loaded."""
        names = {module.name for module in self.timeline.modules}
        for event in self.events:
            detail = event.detail
            if isinstance(detail, Started):
                names |= {module.name for module in detail.loaded}
            elif isinstance(detail, ModulesChanged):
                change = detail.event.change
                moved = (*change.loaded, *change.unloaded, *change.reloaded)
                names |= {*(module.name for module in moved), *change.cycles}
        return frozenset(names)


def read_recording(path: Path) -> Recording:
    """Return the events in a recording, with its older files.

    Raises:
        KmodtuiError: the file cannot be read, or is not a recording.
    """
    shown = clean(str(path))
    events: deque[TimelineEvent] = deque(maxlen=MAX_EVENTS)
    malformed = read = 0
    last = missing = 0  # the number of the last event; those between two that were read
    damaged = False
    for file in _files(path):
        reader = FrameReader(_content(file))
        for line in reader.lines():
            event = _event(line)
            if event is None:
                malformed += 1
                continue
            read += 1
            if event.kind is EventKind.START:
                last = 0
            elif event.number:
                missing += max(0, event.number - last - 1) if last else 0
                last = event.number
            events.append(event)
        damaged = damaged or reader.damaged
    notes = []
    if missing:
        are = "event is" if missing == 1 else "events are"
        notes.append(f"{shown} is damaged: what is whole is shown, {missing:,} {are} missing.")
    elif damaged:
        notes.append(f"{shown} is damaged: what is whole is shown.")
    if malformed:
        notes.append(f"{counted(malformed, 'malformed line')} skipped.")
    if read > len(events):
        notes.append(f"{counted(read - len(events), 'older event')} dropped.")
    return _Builder(shown, tuple(notes)).build(events)


def _event(line: bytes) -> TimelineEvent | None:
    try:
        return read_event(json.loads(line)) if len(line) <= _LARGEST else None
    except (ValueError, RecursionError):
        return None


def _files(path: Path) -> list[Path]:
    """Return the files of a recording, the oldest first."""
    found = [path]
    for number in range(1, _MAX_OLDER):
        before = older(path, number)
        if not before.is_file():
            break
        found.insert(0, before)
    return found


def _content(path: Path) -> bytes:
    shown = clean(str(path))
    try:
        # Without O_NONBLOCK, opening a named pipe would block.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise KmodtuiError(f"{shown} is not a regular file.")
            data = file.read(MAX_FILE)
    except FileNotFoundError:
        raise UnreadableError(f"There is no file {shown}.") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UnreadableError(f"{shown} cannot be read: {why}.") from error
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise UnreadableError(
            f"{shown} is not a recording of kmodtui.", "kmodtui record -o FILE writes one."
        )
    return data[len(MAGIC) :]


class _Builder:
    """Makes one timeline of what may be several recordings in one file."""

    def __init__(self, path: str, notes: tuple[str, ...]) -> None:
        self._path, self._notes = path, notes
        self._events: list[TimelineEvent] = []
        self._changes: list[Event] = []
        self._loaded: dict[str, LoadedModule] = {}
        self._start: TimelineEvent | None = None

    def build(self, events: deque[TimelineEvent]) -> Recording:
        """Return the recording."""
        for event in events:
            for each in self._with_gap(event):
                self._add(each)
        start = self._start.detail if self._start is not None else None
        first = self._events[0].when if self._events else time.time()
        if isinstance(start, Started):
            timeline = Timeline(first, start.loaded, start.totals)
        else:
            timeline = Timeline(first)
        changes = tuple(self._changes)
        timeline = replace(timeline, events=changes, bare=len(changes))
        return Recording(
            self._path,
            tuple(self._events),
            timeline,
            self._notes,
            start if isinstance(start, Started) else None,
        )

    def _with_gap(self, event: TimelineEvent) -> Iterator[TimelineEvent]:
        """Yield an event; before another start, what changed while nothing was recorded."""
        detail = event.detail
        if not isinstance(detail, Started):
            yield event
            return
        now = {module.name: module for module in detail.loaded}
        if self._start is None:
            self._start, self._loaded = event, now
            yield event
            return
        change = Change(
            0,
            event.when,
            loaded=tuple(m for name, m in now.items() if name not in self._loaded),
            unloaded=tuple(m for name, m in self._loaded.items() if name not in now),
            symbols_missing="It happened while nothing was recorded.",
        )
        if change.loaded or change.unloaded:
            names = tuple(module.name for module in (*change.loaded, *change.unloaded))
            moved = ModulesChanged(Event(change, detail.totals))
            yield TimelineEvent(0, event.when, EventKind.MODULES, names, moved)
        if event.when != self._start.when:  # otherwise it is repeated in the next file
            self._start_again(event)
            yield event

    def _start_again(self, event: TimelineEvent) -> None:
        first = self._start
        assert first is not None
        # The first one stays that of the recording: only its time is compared.
        self._start = replace(first, when=event.when)

    def _add(self, event: TimelineEvent) -> None:
        detail = event.detail
        if isinstance(detail, ModulesChanged):
            change = replace(detail.event.change, number=len(self._changes) + 1)
            happened = replace(detail.event, change=change)
            self._changes.append(happened)
            detail = replace(detail, event=happened)
            for module in change.unloaded:
                self._loaded.pop(module.name, None)
            self._loaded |= {m.name: m for m in (*change.loaded, *change.reloaded)}
        number = len(self._events) + 1
        self._events.append(TimelineEvent(number, event.when, event.kind, event.modules, detail))
