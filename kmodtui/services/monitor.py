"""The monitor: notices what the kernel's modules do and says so, once, and exactly.

It reads /proc/modules when a module uevent arrives, when it is asked to, and
otherwise once per interval. Equal bytes mean that nothing has happened and
nothing is said. When the set of live modules changes it waits until the kernel
has settled, reads /proc/kallsyms between two equal readings of /proc/modules,
and gives out one `Change`.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.proc_modules import parse_modules, read_raw
from kmodtui.kernel.sysfs import initsize
from kmodtui.model.history import Change
from kmodtui.model.modules import ModuleTable
from kmodtui.model.symbols import SymbolDelta, SymbolTable, difference
from kmodtui.services.arrivals import Arrivals

SETTLE_STEP = 0.03
"""Seconds between two looks at a module that is on its way in or out."""

QUIET = 0.15
"""Seconds without another module coming or going before a change is taken to be complete.

One modprobe loads a chain of modules, a few milliseconds apart: that is one change.
"""

SETTLE_LIMIT = 3.0
"""Seconds after which a module that is still Loading or Unloading is taken to hang."""

_TORN_LIMIT = 3  # on a machine that never stands still, one reading is as good as another


@dataclass(frozen=True, slots=True)
class TableRead:
    """/proc/modules has other bytes than before: a count, a state, a module."""

    table: ModuleTable


@dataclass(frozen=True, slots=True)
class SymbolsRead:
    """The symbol table to compare with has been read for the first time."""

    symbols: SymbolTable


@dataclass(frozen=True, slots=True)
class Changed:
    """The set of live modules changed.

    Attributes:
        change: what came and went.
        table: the modules after it.
        symbols: the symbol table after it; None where it could not be read, and
            then `change.symbols_missing` says why.
    """

    change: Change
    table: ModuleTable
    symbols: SymbolTable | None


@dataclass(frozen=True, slots=True)
class ReadingFailed:
    """A reading failed; the monitor goes on and tries again at the next turn."""

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
class _Reading:
    """What was read in one moment.

    Attributes:
        table: the modules.
        symbols: those of the kernel and of the Live modules; None where they cannot be read.
        missing: why they cannot be read; empty where they can.
        both: names of modules that uevents told to have come and gone since the last reading.
    """

    table: ModuleTable
    symbols: SymbolTable | None
    missing: str
    both: frozenset[str]


class Monitor:
    """Watches one host. `watch` is the loop; the other methods steer it."""

    def __init__(
        self,
        host: Host,
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to watch `host`, reading every `interval` seconds where nothing wakes it."""
        self.interval = interval
        self._host = host
        self._clock = clock
        self._wake = asyncio.Event()
        self._asked = False
        self._paused = False
        self._causes: list[_Cause] = []
        self._cause = _Cause()
        self._origins = itertools.count(1)
        self._stuck: frozenset[str] = frozenset()
        self._table: ModuleTable | None = None
        self._settled: ModuleTable | None = None
        self._symbols: SymbolTable | None = None
        self._changes = 0
        self._failure = ""
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
        """Yield what happens, for ever.

        The first event is the table. Cancel the task, or close the iterator, to end.
        """
        # Listening begins before the first reading, so that nothing falls between.
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
                    # Of a failure that lasts, only the first is told.
                    if error.message != self._failure:
                        self._failure = error.message
                        yield ReadingFailed(error)
                while not await self._woken(uevents):
                    pass
        finally:
            await uevents.close()

    async def _woken(self, uevents: Arrivals) -> bool:
        """Wait for a uevent, a wish or a look that finds other bytes; return whether to read."""
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
        was_asked, self._asked = self._asked, False
        uevents.arrived()
        return was_asked or not self._paused

    def _set_alarm(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(self.interval, self._look)

    def _look(self) -> None:
        """Wake the task, unless all is as it was.

        This is all that happens on a machine where nothing does: no task wakes and no
        thread. To read a third of a millisecond's worth in one would cost more than it saves.
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
        """Read /proc/modules; say if it is different from the last time."""
        raw = read_raw(self._host)
        for _ in range(_TORN_LIMIT):
            if self._table is not None and raw == self._table.raw:
                return []
            # The kernel hands out a page at a time: what comes or goes between two
            # pages doubles a line, or hides one.
            before, raw = raw, await asyncio.to_thread(read_raw, self._host)
            if raw == before:
                break
        return self._show(parse_modules(raw))

    def _show(self, table: ModuleTable) -> list[MonitorEvent]:
        """Take a table for the present one; say so if it is different."""
        if self._table is not None and table.raw == self._table.raw:
            return []
        self._table = table
        return [TableRead(table)]

    async def _follow(self, uevents: Arrivals) -> list[MonitorEvent]:
        """Say what has become of the modules since they were settled last."""
        if self._table is None:
            return []
        if self._settled is None:
            return await self._first_symbols(uevents)
        if self._causes:
            return []  # it is not over yet
        if self._table.live != self._settled.live or uevents.both:
            return await self._settle(uevents, self._settled)
        self._cause = _Cause()  # what is over has changed nothing
        self._at_rest = True
        return []

    async def _first_symbols(self, uevents: Arrivals) -> list[MonitorEvent]:
        """Read what the first change will be compared with."""
        reading = await self._bracketed_reading(uevents, before=None)
        self._settled, self._symbols = reading.table, reading.symbols
        events = self._show(reading.table)
        if reading.symbols is None:
            return [*events, ReadingFailed(UnreadableError(reading.missing))]
        return [*events, SymbolsRead(reading.symbols)]

    async def _settle(self, uevents: Arrivals, before: ModuleTable) -> list[MonitorEvent]:
        """Wait for quiet, read the symbols and tell the change."""
        noticed = asyncio.get_running_loop().time()
        when = self._clock()
        symbols_before = self._symbols
        reading = await self._bracketed_reading(uevents, before)
        table, missing = reading.table, reading.missing
        if symbols_before is None and not missing:
            missing = "There is no earlier reading of the symbols to compare with."
        came = table.live - before.live
        went = before.live - table.live
        stayed = before.live & table.live
        change = Change(
            number=self._changes + 1,
            when=when,
            came=tuple(m for m in table if m.name in came),
            went=tuple(m for m in before if m.name in went),
            reloaded=tuple(m for m in table if m.name in stayed & reading.both),
            passing=tuple(sorted(reading.both - before.live - table.live)),
            symbols=difference(symbols_before, reading.symbols)
            if symbols_before is not None and reading.symbols is not None
            else SymbolDelta(),
            took=asyncio.get_running_loop().time() - noticed,
            symbols_missing=missing,
            cause=self._cause.command,
            origin=self._cause.origin,
        )
        self._cause = _Cause()
        self._settled, self._symbols = table, reading.symbols
        events = self._show(table)
        if change.came or change.went or change.reloaded or change.passing:
            self._changes += 1
            events.append(Changed(change, table, reading.symbols))
        return events

    async def _bracketed_reading(self, uevents: Arrivals, before: ModuleTable | None) -> _Reading:
        """Return the modules and the symbols of one moment, with only Live modules' symbols.

        The kernel gives no snapshot: a load during the reading would skip or
        double rows. So the reading counts only between two equal readings of
        /proc/modules, if no uevent tells of something that came and went between
        them, and if it says of the modules that stayed what it said before.
        Modules that are new against `before` are waited for until they have let
        go of their init memory.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + SETTLE_LIMIT
        table, quiet_since = ModuleTable(), loop.time()
        while True:
            previous = table
            table = parse_modules(await asyncio.to_thread(read_raw, self._host))
            if not _same_lives(previous, table):
                quiet_since = loop.time()
            new = table.live - before.live if before is not None else frozenset()
            in_time = loop.time() < limit
            restless = before is not None and loop.time() - quiet_since < QUIET
            if in_time and (restless or await asyncio.to_thread(self._in_motion, table, new)):
                await asyncio.sleep(SETTLE_STEP)
                continue
            uevents.arrived()
            symbols, missing = await self._read_symbols()
            again = parse_modules(await asyncio.to_thread(read_raw, self._host))
            if uevents.arrived() and in_time:
                continue
            if not in_time or (
                _same_lives(again, table)
                and (symbols is None or self._plausible(symbols, before, table, uevents.both))
            ):
                break
        # What hangs in its init or exit is not waited for a second time.
        self._stuck = frozenset(table.by_name) - table.live
        both = frozenset(uevents.both)
        uevents.forget()
        return _Reading(table, symbols and symbols.without(self._stuck), missing, both)

    async def _read_symbols(self) -> tuple[SymbolTable | None, str]:
        """Return the symbols, or why there are none."""
        try:
            return await asyncio.to_thread(read_symbols, self._host, self._symbols), ""
        except UnreadableError as error:
            return None, str(error)

    def _plausible(
        self, symbols: SymbolTable, before: ModuleTable | None, table: ModuleTable, both: set[str]
    ) -> bool:
        """Whether the symbols can be of one moment: a Live module's never change."""
        if before is None or self._symbols is None:
            return True
        if symbols.modules.keys() - self._symbols.modules.keys() - table.by_name.keys():
            return False  # it has gone meanwhile
        stayed = (before.live & table.live) - both
        changed = difference(self._symbols, symbols).owners
        return not any(delta.owner in stayed or not delta.owner for delta in changed)

    def _in_motion(self, table: ModuleTable, new: frozenset[str]) -> bool:
        """Whether a module is still coming or going, or a new one holds its init memory.

        A module is Live a moment before the kernel trims its symbol table to
        what stays; `initsize` falls to 0 in the same step.
        """
        if frozenset(table.by_name) - table.live - self._stuck:
            return True
        return any(initsize(self._host, name) for name in new)


def _same_lives(one: ModuleTable, other: ModuleTable) -> bool:
    """Whether two readings show the same modules in the same states and sizes.

    Reference counts may differ: they say nothing about symbols, and on a busy
    machine they never stand still.
    """
    return [(m.name, m.state, m.size) for m in one] == [(m.name, m.state, m.size) for m in other]
