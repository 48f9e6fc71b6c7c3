"""The monitor: reports each load and unload of a module once, with the exact symbols.

It reads /proc/modules when a module uevent arrives, when asked to, and otherwise once per
interval. Equal bytes mean that nothing happened, and nothing is reported. When the set of
Live modules changes, it waits until no module is in Loading or Unloading, reads the
symbols consistently (see `services.reading`), and reports one `Change`.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import parse_modules, read_raw
from kmodtui.kernel.sysfs import initsize
from kmodtui.model.history import Change
from kmodtui.model.modules import ModuleTable
from kmodtui.model.reading import Reading, count_cycles, same_modules
from kmodtui.model.symbols.table import SymbolDelta, SymbolTable
from kmodtui.services.arrivals import Arrivals
from kmodtui.services.reading import ATTEMPTS, TOO_FAST, Judge, read_bracketed

SETTLE_STEP = 0.03
"""Seconds between two looks at a module in Loading or Unloading."""

QUIET = 0.15
"""Seconds without another load or unload before a change counts as complete.

One modprobe loads a chain of modules, a few milliseconds apart: that is one change.
"""

SETTLE_LIMIT = 3.0
"""Seconds after which a module that is still in Loading or Unloading counts as stuck."""

_TORN_LIMIT = 3  # readings of /proc/modules that are tried until two are equal


@dataclass(frozen=True, slots=True)
class TableRead:
    """/proc/modules differs from the last reading: a reference count, a state, a module."""

    table: ModuleTable


@dataclass(frozen=True, slots=True)
class SymbolsRead:
    """The symbols were read without a change: for the first time, or again after a failure."""

    symbols: SymbolTable


@dataclass(frozen=True, slots=True)
class Changed:
    """The set of live modules changed.

    Attributes:
        change: what was loaded and unloaded, and its symbols.
        table: the modules after it.
        symbols: the symbol table after it; None where it could not be read, and
            then `change.symbols_missing` says why.
    """

    change: Change
    table: ModuleTable
    symbols: SymbolTable | None


@dataclass(frozen=True, slots=True)
class ReadingFailed:
    """A reading failed. The monitor continues and tries again at the next turn."""

    error: KmodtuiError


MonitorEvent = TableRead | SymbolsRead | Changed | ReadingFailed


@dataclass(frozen=True, slots=True)
class _Cause:
    """A command of kmodtui that changes modules.

    Attributes:
        command: its command line; empty for whatever others do.
        origin: its number, from 1; 0 for others.
    """

    command: str = ""
    origin: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a bracketed read ended with.

    Attributes:
        reading: the modules, and the symbols where they could be read.
        consistent: whether the next change can be compared with it.
        sequence: the number of the last uevent that it accounts for; None if unknown.
    """

    reading: Reading
    consistent: bool
    sequence: int | None


class Monitor:
    """Watches one host. `watch` is the loop; the other methods control it."""

    def __init__(
        self,
        host: Host,
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to watch `host`, reading at least every `interval` seconds."""
        self.interval = interval
        self._host = host
        self._clock = clock
        self._wake = asyncio.Event()
        self._asked = False  # for the next reading
        self._was_asked = False  # for the current one
        self._paused = False
        self._causes: list[_Cause] = []
        self._cause = _Cause()
        self._origins = itertools.count(1)
        self._stuck: frozenset[str] = frozenset()
        self._table: ModuleTable | None = None
        self._settled: ModuleTable | None = None
        self._base: Reading | None = None  # the last consistent one
        self._moved: set[str] = set()  # modules that were loaded or unloaded since then
        self._behind = False  # the symbols of the last change were not compared
        self._changes = 0
        self._failure = ""
        self._problem = ""  # why the first symbols could not be read
        self._at_rest = False
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def paused(self) -> bool:
        """Whether readings are suspended."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        if not paused:
            self.read_now()

    @contextmanager
    def one_change(self, command: str) -> Iterator[int]:
        """Report everything that happens within the context as one change.

        Yields the number of this command: the change has it as its `origin`. Tables are
        reported as they change; the change follows when the context ends.

        Args:
            command: the command line that is being run.
        """
        cause = _Cause(command, next(self._origins))
        self._causes.append(cause)
        try:
            yield cause.origin
        finally:
            self._causes.remove(cause)
            self._cause = cause
            self.read_now()

    def read_now(self) -> None:
        """Ask for a reading at once, also while paused."""
        self._asked = True
        self._wake.set()

    async def watch(self) -> AsyncIterator[MonitorEvent]:
        """Yield events without end, the table first.

        Cancel the task, or close the iterator, to stop.
        """
        # Before the first reading, so that nothing is missed in between.
        uevents = Arrivals(self._host.uevents())
        try:
            while True:
                self._at_rest = False
                try:
                    for step in (self._read_table, self._follow):
                        for event in await step(uevents):
                            yield event
                    self._failure = ""
                except KmodtuiError as error:
                    # A lasting failure is reported once.
                    if error.message != self._failure:
                        self._failure = error.message
                        yield ReadingFailed(error)
                while not await self._woken(uevents):
                    pass
        finally:
            await uevents.close()

    async def _woken(self, uevents: Arrivals) -> bool:
        """Wait for a uevent, a request or a changed /proc/modules; return whether to read."""
        uevents.next.add_done_callback(self._rouse)
        if not self._paused:
            self._set_alarm()
        try:
            await self._wake.wait()
        finally:
            uevents.next.remove_done_callback(self._rouse)
            if self._alarm is not None:
                self._alarm.cancel()
        self._wake.clear()
        self._was_asked, self._asked = self._asked, False
        uevents.arrived()
        return self._was_asked or not self._paused

    def _set_alarm(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(self.interval, self._look)

    def _look(self) -> None:
        """Wake the task, unless /proc/modules is unchanged.

        On a quiet machine this is all that runs: no task and no thread wakes up. The read
        takes a third of a millisecond; a thread for it would cost more than it saves.
        """
        with suppress(KmodtuiError):
            raw = read_raw(self._host) if self._at_rest else None
            if self._table is not None and raw == self._table.raw:
                self._set_alarm()
                return
        self._wake.set()

    def _rouse(self, _uevents: object) -> None:
        self._wake.set()

    async def _read_table(self, _uevents: Arrivals) -> list[MonitorEvent]:
        """Read /proc/modules; report it if it differs from the last time."""
        raw = read_raw(self._host)
        for _ in range(_TORN_LIMIT):
            if self._table is not None and raw == self._table.raw:
                return []
            # The kernel returns a page per read: a load or unload between two pages
            # repeats a line, or skips one.
            before, raw = raw, await asyncio.to_thread(read_raw, self._host)
            if raw == before:
                break
        return self._show(parse_modules(raw))

    def _show(self, table: ModuleTable) -> list[MonitorEvent]:
        """Make a table the current one; report it if it differs."""
        if self._table is not None and table.raw == self._table.raw:
            return []
        self._table = table
        return [TableRead(table)]

    async def _follow(self, uevents: Arrivals) -> list[MonitorEvent]:
        """Report what changed since the last settled reading."""
        if self._table is None:
            return []
        if self._settled is None:
            return await self._first_symbols(uevents)
        if self._causes:
            return []  # the command is still running
        if self._table.live != self._settled.live or uevents.both or self._behind:
            return await self._settle(uevents, self._settled)
        if self._base is None and self._was_asked:
            return await self._first_symbols(uevents)  # they could not be read before
        self._cause = _Cause()  # the command has ended without a change
        self._at_rest = True
        return []

    async def _first_symbols(self, uevents: Arrivals) -> list[MonitorEvent]:
        """Read what the first change will be compared with."""
        outcome = await self._bracketed_reading(uevents, before=None)
        reading = outcome.reading
        self._settled = reading.table
        self._base = reading if reading.symbols is not None else None
        self._behind = not outcome.consistent
        uevents.forget(outcome.sequence)
        events = self._show(reading.table)
        if reading.symbols is not None:
            self._problem = ""
            return [*events, SymbolsRead(reading.symbols)]
        if reading.problem != self._problem:  # otherwise it has been reported
            self._problem = reading.problem
            events.append(ReadingFailed(UnreadableError(reading.problem)))
        return events

    async def _settle(self, uevents: Arrivals, before: ModuleTable) -> list[MonitorEvent]:
        """Wait for quiet, read the symbols and return the change.

        Modules are compared with what was reported last, symbols with the last consistent
        reading: where one change could not be compared, the next one makes up for it.
        """
        noticed = asyncio.get_running_loop().time()
        when = self._clock()
        outcome = await self._bracketed_reading(uevents, before)
        reading = outcome.reading
        arrived = [(event.action, event.name) for event in uevents.until(outcome.sequence)]
        cycles = count_cycles(before.live, reading.table.live, arrived)
        self._moved |= {name for _, name in arrived}
        uevents.forget(outcome.sequence)
        change = reading.since(Reading(before), cycles)
        missing = reading.problem
        if self._base is None and not missing:
            missing = "There is no earlier reading of the symbols to compare with."
        delta = SymbolDelta()
        if self._base is not None and reading.symbols is not None:
            delta = reading.since(self._base, dict.fromkeys(self._moved, 1)).symbols
        change = replace(
            change,
            number=self._changes + 1,
            when=when,
            symbols=delta,
            took=asyncio.get_running_loop().time() - noticed,
            symbols_missing=missing,
            cause=self._cause.command,
            origin=self._cause.origin,
        )
        self._cause = _Cause()
        self._settled = reading.table
        if outcome.consistent:
            self._base = reading if reading.symbols is not None else None
            self._moved.clear()
        was_behind, self._behind = self._behind, not outcome.consistent
        events = self._show(reading.table)
        if change.loaded or change.unloaded or cycles or change.symbols:
            self._changes += 1
            events.append(Changed(change, reading.table, reading.symbols))
        elif was_behind and reading.symbols is not None:
            events.append(SymbolsRead(reading.symbols))
        return events

    async def _bracketed_reading(self, uevents: Arrivals, before: ModuleTable | None) -> _Outcome:
        """Return the modules and the symbols of one moment, with only Live modules' symbols.

        Waits for quiet first: for modules on their way in or out, and for modules that are
        new against `before` to drop their init memory. Where there is no quiet within
        SETTLE_LIMIT, reads anyway; each read is checked, and after some that were
        inconsistent the modules are returned without symbols.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + SETTLE_LIMIT
        table, quiet_since = ModuleTable(), loop.time()
        judge = Judge(self._base, static=not self._host.live)
        attempts = 0
        while True:
            previous = table
            table = parse_modules(await asyncio.to_thread(read_raw, self._host))
            if uevents.arrived() or not same_modules(previous, table):
                quiet_since = loop.time()
            new = table.live - before.live if before is not None else frozenset()
            in_time = loop.time() < limit
            restless = before is not None and loop.time() - quiet_since < QUIET
            if in_time and (restless or await asyncio.to_thread(self._in_motion, table, new)):
                await asyncio.sleep(SETTLE_STEP)
                continue
            start = len(uevents.events)
            known = self._base.symbols if self._base is not None else None
            read = await asyncio.to_thread(read_bracketed, self._host, known)
            uevents.arrived()
            proven = read.undisturbed
            if not proven and read.last is not None:
                proven = await uevents.caught_up(read.last)
            accepted = judge.accepts(
                read,
                proven=proven,
                disturbed=uevents.during(read.first, read.last, start),
                moved=self._moved | uevents.moved,
            )
            untrimmed = not in_time and any(self._untrimmed(name) for name in new)
            attempts += not in_time
            if (accepted and not untrimmed) or attempts >= ATTEMPTS:
                break
        # A module that is stuck in its init or exit function is expected to stay so.
        self._stuck = frozenset(table.by_name) - table.live
        if accepted and not untrimmed:
            reading = await asyncio.to_thread(read.reading, self._host, self._clock())
            return _Outcome(reading, True, read.last)
        # Inconsistent: the modules of the moment before the read, and the uevents until then.
        return _Outcome(Reading(read.before, None, TOO_FAST), False, read.first)

    def _untrimmed(self, name: str) -> bool:
        """Whether a module holds its init memory still.

        A module is Live a moment before the kernel trims its symbol table to what stays;
        `initsize` falls to 0 in the same step.
        """
        return bool(initsize(self._host, name))

    def _in_motion(self, table: ModuleTable, new: frozenset[str]) -> bool:
        """Whether a module is in Loading or Unloading, or a new one holds its init memory."""
        if frozenset(table.by_name) - table.live - self._stuck:
            return True
        return any(map(self._untrimmed, new))
