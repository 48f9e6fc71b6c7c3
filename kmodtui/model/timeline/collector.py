"""Makes numbered events from reports: each report is one event, and none is reported twice.

Messages of the kernel log arrive from several sources: the log itself, the helper that reads
it for a command, and the pane of the log. Their sequence numbers say which are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from kmodtui.model.history import Event, without_rows
from kmodtui.model.log.record import LogRecord
from kmodtui.model.text import counted
from kmodtui.model.timeline.event import (
    CommandRun,
    Detail,
    DeviceChanged,
    EventKind,
    FailedLoad,
    Lost,
    ModulesChanged,
    ParameterChanged,
    Started,
    TimelineEvent,
)
from kmodtui.model.timeline.messages import failed_load, modules_named

Parameters = Mapping[str, tuple[int, Mapping[str, str]]]
"""By module: the inode number of its directory in /sys, and its values by parameter."""

TOGETHER = 2.0
"""Seconds within which messages about one refused module belong together."""

HELD = 10_000
"""Messages that are held back while a command of kmodtui runs."""

_SEEN = 20_000
_UNLOADED = 200


class Collector:
    """Numbers the events, and knows what has been reported already."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._loaded: frozenset[str] = frozenset()
        self._unloaded: deque[str] = deque(maxlen=_UNLOADED)
        self._seen: set[int] = set()
        self._order: deque[int] = deque()
        self._floor: int | None = None  # messages up to this number are older than the start
        self._next: int | None = None  # the number after the last one of an unbroken source
        self._running = 0
        self._held: list[tuple[LogRecord, float]] = []
        self._overflow = 0
        self._refused: dict[str, tuple[float, set[str]]] = {}
        self._parameters: Parameters | None = None

    def _event(
        self, when: float, kind: EventKind, modules: Iterable[str], detail: Detail
    ) -> TimelineEvent:
        return TimelineEvent(next(self._numbers), when, kind, tuple(modules), detail)

    # Modules

    def modules_are(self, names: Iterable[str]) -> None:
        """Take the names of the loaded modules, by which messages are recognized."""
        loaded = frozenset(name.lower() for name in names)
        self._unloaded.extend(self._loaded - loaded)
        self._loaded = loaded

    def started(self, when: float, detail: Started) -> TimelineEvent:
        """Return the event of the start."""
        self.modules_are(module.name for module in detail.loaded)
        return self._event(when, EventKind.START, (), detail)

    def change(self, event: Event, files: Mapping[str, str]) -> TimelineEvent:
        """Return the event of a load or unload."""
        change = event.change
        modules = (*change.loaded, *change.unloaded, *change.reloaded)
        names = dict.fromkeys((*(module.name for module in modules), *change.cycled))
        self._unloaded.extend(name.lower() for name in names)
        detail = ModulesChanged(replace(event, change=without_rows(change)), files)
        return self._event(change.when, EventKind.MODULES, names, detail)

    # Messages

    @property
    def knows_log(self) -> bool:
        """Whether it is known which messages are older than the start."""
        return self._floor is not None

    def skip_log(self, records: Sequence[LogRecord]) -> None:
        """Take messages, given in order, that are older than the start and not reported."""
        if records:
            last = records[-1].seq
            self._floor = last if self._floor is None else max(last, self._floor)
            self._next = last + 1

    def log(
        self, records: Iterable[LogRecord], when: float, *, unbroken: bool = False
    ) -> list[TimelineEvent]:
        """Return the events of messages that were not reported before.

        Args:
            records: in order.
            when: the time of their arrival.
            unbroken: whether the source yields every message, so that a gap is a loss.
        """
        events: list[TimelineEvent] = []
        for record in records:
            if unbroken:
                if self._next is not None and record.seq > self._next:
                    lost = counted(record.seq - self._next, "message")
                    words = f"{lost} lost: overwritten in the log buffer before being read."
                    events.append(self.lost(when, words))
                self._next = record.seq + 1
            if not self._is_new(record):
                continue
            if not self._running:
                events += self._message(record, when)
            elif len(self._held) < HELD:
                self._held.append((record, when))
            else:
                self._overflow += 1
        return events

    def _is_new(self, record: LogRecord) -> bool:
        if record.seq in self._seen or (self._floor is not None and record.seq <= self._floor):
            return False
        self._seen.add(record.seq)
        self._order.append(record.seq)
        if len(self._order) > _SEEN:
            oldest = self._order.popleft()
            self._seen.discard(oldest)
            self._floor = max(oldest, -1 if self._floor is None else self._floor)
        return True

    def _message(self, record: LogRecord, when: float) -> list[TimelineEvent]:
        failure = failed_load(record)
        if failure is not None:
            name, found = failure
            since, texts = self._refused.get(name, (0.0, set()))
            if when - since > TOGETHER or record.text in texts:
                self._refused = {
                    key: value
                    for key, value in self._refused.items()
                    if when - value[0] <= TOGETHER
                }
                self._refused[name] = (when, {record.text})
                detail = FailedLoad(found.title, found.cause, found.remedy, (record,))
                return [self._event(when, EventKind.FAILURE, (name,) if name else (), detail)]
            texts.add(record.text)
            return [self._event(when, EventKind.LOG, (name,) if name else (), record)]
        modules = modules_named(record.text, self._known)
        return [self._event(when, EventKind.LOG, modules, record)] if modules else []

    @property
    def _known(self) -> set[str]:
        return {*self._loaded, *self._unloaded}

    # Commands of kmodtui

    def command_begins(self) -> None:
        """Hold messages back from now on: they may belong to the command."""
        self._running += 1

    def command_ended(
        self, when: float, run: CommandRun, modules: Sequence[str]
    ) -> list[TimelineEvent]:
        """Return the event of a command with its messages, and of those that are others'."""
        self._running -= 1
        own = {record.seq for record in run.records}
        for record in run.records:
            self._is_new(record)
        events = [self._event(when, EventKind.COMMAND, modules, run)]
        if self._running:
            self._held = [each for each in self._held if each[0].seq not in own]
            return events
        held, self._held = self._held, []
        for record, arrived in held:
            if record.seq not in own:
                events += self._message(record, arrived)
        if self._overflow:
            lost = counted(self._overflow, "message")
            self._overflow = 0
            words = f"{lost} lost: too many were logged while a command ran."
            events.append(self.lost(when, words))
        return events

    def command_of_other(
        self, when: float, run: CommandRun, modules: Sequence[str]
    ) -> TimelineEvent:
        """Return the event of a command that another process of kmodtui ran."""
        return self._event(when, EventKind.COMMAND, modules, run)

    # Parameters, devices and gaps

    def parameters(self, now: Parameters, when: float) -> list[TimelineEvent]:
        """Return the values that changed since the last call; of a new load, none has."""
        before, self._parameters = self._parameters, now
        events = []
        for module, (instance, values) in now.items():
            known = (before or {}).get(module)
            if known is None or known[0] != instance:
                continue
            for name, value in values.items():
                if name in known[1] and known[1][name] != value:
                    detail = ParameterChanged(name, known[1][name], value)
                    events.append(self._event(when, EventKind.PARAMETER, (module,), detail))
        return events

    def device(self, when: float, change: DeviceChanged, module: str) -> TimelineEvent:
        """Return the event of a device; `module` is that of its driver, or empty."""
        return self._event(when, EventKind.DEVICE, (module,) if module else (), change)

    def lost(self, when: float, words: str) -> TimelineEvent:
        """Return an event that says what was lost, or cannot be watched."""
        return self._event(when, EventKind.LOST, (), Lost(words))
