"""The monitor: notices what the kernel's modules do and says so, once, and exactly.

It reads /proc/modules when a module uevent arrives, when it is asked to, and
otherwise once per interval. Equal bytes mean that nothing has happened and
nothing is said. When the set of live modules changes it waits until the kernel
has settled, reads /proc/kallsyms between two equal readings of /proc/modules,
and gives out one `Change`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.proc_modules import parse_modules, read_raw
from kmodtui.kernel.sysfs import initsize
from kmodtui.kernel.uevents import ModuleUevent
from kmodtui.model.history import Change
from kmodtui.model.modules import ModuleTable
from kmodtui.model.symbols import SymbolTable, difference

SETTLE_STEP = 0.03
"""Seconds between two looks at a module that is on its way in or out."""

QUIET = 0.15
"""Seconds without another module coming or going before a change is taken to be complete.

One modprobe loads a chain of modules, a few milliseconds apart: that is one change.
"""

SETTLE_LIMIT = 3.0
"""Seconds after which a module that is still Loading or Unloading is taken to hang."""


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
    """The set of live modules changed; `symbols` is the table after it."""

    change: Change
    table: ModuleTable
    symbols: SymbolTable


@dataclass(frozen=True, slots=True)
class ReadingFailed:
    """A reading failed; the monitor goes on and tries again at the next turn."""

    error: KmodtuiError


MonitorEvent = TableRead | SymbolsRead | Changed | ReadingFailed


@dataclass
class _Heard:
    """What uevents have told since the last settled reading."""

    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def note(self, events: tuple[ModuleUevent, ...]) -> None:
        for event in events:
            (self.added if event.action == "add" else self.removed).add(event.name)

    @property
    def both(self) -> set[str]:
        return self.added & self.removed

    def forget(self) -> None:
        self.added.clear()
        self.removed.clear()


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
        self._paused = False
        self._causes: list[str] = []
        self._cause = ""
        self._heard = _Heard()
        self._stuck: frozenset[str] = frozenset()
        self._table: ModuleTable | None = None
        self._settled = ModuleTable()
        self._symbols: SymbolTable | None = None
        self._changes = 0
        self._failure = ""

    @property
    def paused(self) -> bool:
        """Whether readings are suspended."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._wake.set()

    @contextmanager
    def one_change(self, cause: str) -> Iterator[None]:
        """Make one change of everything that happens meanwhile, however long it takes.

        Modules are shown as they come and go; the change follows when the context ends.

        Args:
            cause: the command line that is at work.
        """
        self._causes.append(cause)
        try:
            yield
        finally:
            self._causes.remove(cause)
            self._cause = cause
            self._wake.set()

    def read_now(self) -> None:
        """Ask for a reading at once, also while paused."""
        self._wake.set()

    async def watch(self) -> AsyncIterator[MonitorEvent]:
        """Yield what happens, for ever.

        The first event is the table. Cancel the task, or close the iterator, to end.
        """
        # Listening begins before the first reading, so that nothing falls between.
        uevents = self._host.uevents()
        hearing = asyncio.ensure_future(uevents.wait())
        try:
            async for event in self._turn():
                yield event
            while True:
                asked = asyncio.ensure_future(self._wake.wait())
                await asyncio.wait(
                    {hearing, asked},
                    timeout=None if self._paused else self.interval,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                asked.cancel()
                was_asked = self._wake.is_set()
                self._wake.clear()
                if hearing.done():
                    self._heard.note(hearing.result())
                    hearing = asyncio.ensure_future(uevents.wait())
                if self._paused and not was_asked:
                    continue
                async for event in self._turn():
                    yield event
        finally:
            hearing.cancel()
            uevents.close()

    async def _turn(self) -> AsyncIterator[MonitorEvent]:
        """Read once; say what is different from the last time."""
        try:
            raw = await asyncio.to_thread(read_raw, self._host)
        except KmodtuiError as error:
            failure = error
        except OSError as error:
            failure = UnreadableError(f"/proc/modules cannot be read: {error.strerror or error}.")
        else:
            self._failure = ""
            if self._table is None or raw != self._table.raw:
                self._table = parse_modules(raw)
                yield TableRead(self._table)
            if self._symbols is None:
                async for event in self._first_symbols():
                    yield event
            elif self._causes:
                pass  # it is not over yet
            elif self._table.live != self._settled.live or self._heard.both:
                async for event in self._settle(self._symbols):
                    yield event
            return
        if failure.message != self._failure:
            self._failure = failure.message
            yield ReadingFailed(failure)

    async def _first_symbols(self) -> AsyncIterator[MonitorEvent]:
        """Read what the first change will be compared with."""
        try:
            table, symbols = await self._bracketed_reading(compare_with=None)
        except UnreadableError as error:
            self._symbols = SymbolTable()
            self._settled = self._table or ModuleTable()
            yield ReadingFailed(error)
            return
        if self._table is None or table.raw != self._table.raw:
            self._table = table
            yield TableRead(table)
        self._settled, self._symbols = table, symbols
        self._heard.forget()
        yield SymbolsRead(symbols)

    async def _settle(self, symbols_before: SymbolTable) -> AsyncIterator[MonitorEvent]:
        """Wait for quiet, read the symbols and give out the change."""
        noticed = asyncio.get_running_loop().time()
        when = self._clock()
        before, missing = self._settled, ""
        try:
            table, symbols = await self._bracketed_reading(compare_with=before)
        except UnreadableError as error:
            table = parse_modules(await asyncio.to_thread(read_raw, self._host))
            symbols, missing = symbols_before, error.message
        if self._table is None or table.raw != self._table.raw:
            self._table = table
            yield TableRead(table)
        both = self._heard.both
        self._heard.forget()
        came = tuple(m for m in table if m.name in table.live - before.live)
        went = tuple(m for m in before if m.name in before.live - table.live)
        stayed = before.live & table.live
        change = Change(
            number=self._changes + 1,
            when=when,
            came=came,
            went=went,
            reloaded=tuple(m for m in table if m.name in stayed & both),
            passing=tuple(sorted(both - before.live - table.live)),
            symbols=difference(symbols_before, symbols),
            took=asyncio.get_running_loop().time() - noticed,
            symbols_missing=missing,
            cause=self._cause,
        )
        self._cause = ""
        self._settled, self._symbols = table, symbols
        if came or went or change.reloaded or change.passing:
            self._changes += 1
            yield Changed(change, table, symbols)

    async def _bracketed_reading(
        self, compare_with: ModuleTable | None
    ) -> tuple[ModuleTable, SymbolTable]:
        """Return the modules and the symbols of one moment, with only Live modules' symbols.

        The kernel gives no snapshot: a load during the reading would skip or
        double rows. So the reading counts only between two equal readings of
        /proc/modules. Modules that are new against `compare_with` are waited for
        until they have let go of their init memory.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + SETTLE_LIMIT
        table, quiet_since = ModuleTable(), loop.time()
        while True:
            previous = table
            table = parse_modules(await asyncio.to_thread(read_raw, self._host))
            if not _same_lives(previous, table):
                quiet_since = loop.time()
            new = table.live - compare_with.live if compare_with else frozenset()
            in_time = loop.time() < limit
            restless = compare_with is not None and loop.time() - quiet_since < QUIET
            if in_time and (restless or await asyncio.to_thread(self._in_motion, table, new)):
                await asyncio.sleep(SETTLE_STEP)
                continue
            symbols = await asyncio.to_thread(read_symbols, self._host, self._symbols)
            again = await asyncio.to_thread(read_raw, self._host)
            if not in_time or _same_lives(parse_modules(again), table):
                break
        # What hangs in its init or exit is not waited for a second time.
        self._stuck = frozenset(table.by_name) - table.live
        return table, symbols.without(self._stuck)

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
