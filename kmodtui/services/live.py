"""The live system: the one place for what is known of a running system at this moment.

Screens and panes show it and never ask each other. Each part that changes has a
`Topic`: whoever shows that part subscribes to it, in one line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.kptr import read_hiding
from kmodtui.kernel.proc_modules import has_module_support
from kmodtui.model.history import Change, Event, Timeline, Totals
from kmodtui.model.modules import ModuleTable, taint_flags
from kmodtui.model.symbols.address import Hiding
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.services.index_watch import index_changes
from kmodtui.services.kernel_log import HiddenLogError
from kmodtui.services.live_usage import LiveUsage
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import (
    Changed,
    Monitor,
    MonitorEvent,
    ReadingFailed,
    SymbolsRead,
    TableRead,
)
from kmodtui.services.timeline.live_events import LiveEvents
from kmodtui.services.topic import Topic, Value


@dataclass(frozen=True, slots=True)
class Status:
    """What the header shows of a system.

    Attributes:
        modules: how many are loaded; None before the first reading.
        memory: bytes of all of them.
        taint: the kernel's taint flags; empty for none.
        root: the state of the root session, in words.
        paused: whether reading is suspended.
        stopped: whether reading has ended because of an internal error.
    """

    modules: int | None = None
    memory: int = 0
    taint: str = ""
    root: str = ""
    paused: bool = False
    stopped: bool = False


class LiveSystem:
    """Modules, symbols, timeline and status of one system, kept up to date by `run`.

    Attributes:
        machine: the system.
        has_modules: whether its kernel supports loadable modules.
        table: the last reading of /proc/modules.
        symbols: the last reading of /proc/kallsyms, with addresses if they were read as root;
            None before the first.
        addresses_read: whether `symbols` has addresses that the kernel hides from this process.
        symbols_problem: why there are no symbols, as a sentence; empty if there are.
        hiding: the settings that decide whether this process sees addresses.
        usage: what uses the modules beside other modules.
        timeline: every change of the modules since the start.
        events: every event of any kind since the start.
        new: modules that were loaded while kmodtui runs and were not selected since.
        marked: modules that were marked for the next command.
        status: what the header shows.
        table_read: published when /proc/modules has other contents.
        symbols_read: published when there are other symbols, or addresses of them.
        changed: published when the set of live modules has changed.
        timeline_changed: published when the timeline has begun or has one more event.
        index_read: published when the release's index has been read, also again after depmod.
        status_changed: published when the status differs.
        tainted: published with the taint flags that the kernel has set since the last reading.
        refreshed: published when a person asked to read everything now.
        failed: published with every failure, expected or not.
    """

    def __init__(self, machine: Machine, monitor: Monitor) -> None:
        self.machine = machine
        self.has_modules = has_module_support(machine.host)
        self.table = ModuleTable()
        self.symbols: SymbolTable | None = None
        self.addresses_read = False
        self.symbols_problem = ""
        self.hiding: Hiding = read_hiding(machine.host)
        self.timeline = Timeline()
        self.new: set[str] = set()
        self.marked: set[str] = set()
        self.status = Status()
        self.table_read: Topic[ModuleTable] = Topic()
        self.symbols_read: Topic[SymbolTable] = Topic()
        self.changed: Topic[Event] = Topic()
        self.timeline_changed: Topic[Timeline] = Topic()
        self.index_read: Topic[None] = Topic()
        self.status_changed: Topic[Status] = Topic()
        self.tainted: Topic[str] = Topic()
        self.refreshed: Topic[None] = Topic()
        self.failed: Topic[BaseException] = Topic()
        self.usage = LiveUsage(machine, self.failed.publish)
        self.events = LiveEvents(machine, self._events_failed)
        self._monitor = monitor
        self._table_was_read = False
        self._status_was_read = False
        self._stopped = False
        self._shown: Callable[[], Awaitable[object]] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._following_index = False
        self._following_usage = False
        self.read_status()

    # Following the system

    async def run(self, shown: Callable[[], Awaitable[object]] | None = None) -> None:
        """Follow the system until cancelled. Failures are published and end nothing else.

        Args:
            shown: returns once the modules are on the screen: only then are the symbols read.
        """
        self._shown = shown
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._follow_root())
            if self.has_modules:
                self._tasks.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            async for event in self._monitor.watch():
                try:
                    await self._take(event)
                except Exception as error:
                    # What cannot be shown once must not end the watching.
                    self.failed.publish(error)
        except Exception as error:
            self._stopped = True
            self.read_status()
            self.failed.publish(error)

    async def _take(self, event: MonitorEvent) -> None:
        match event:
            case TableRead(table):
                self._take_table(table)
                shown, self._shown = self._shown, None
                if shown is not None:
                    await shown()
            case SymbolsRead(symbols):
                self._take_symbols(symbols)
                self._begin_timeline()
                self._begin_following_index()
            case Changed(change, table, symbols):
                self.table = table
                if symbols is not None:
                    self._take_symbols(symbols)
                await self._take_change(change, symbols)
            case ReadingFailed(error):
                self.symbols_problem = str(error)
                self.failed.publish(error)
                if self._table_was_read:  # otherwise it would begin without any modules
                    self._begin_timeline()
                self._begin_following_index()

    def _publish(self, topic: Topic[Value], value: Value) -> None:
        """Publish a value; a subscriber that fails keeps nothing else from being published."""
        try:
            topic.publish(value)
        except Exception as error:
            self.failed.publish(error)

    def _take_table(self, table: ModuleTable) -> None:
        self.table = table
        self._table_was_read = True
        self.new.intersection_update(table.by_name)
        self.marked.intersection_update(table.by_name)
        self.read_status()
        self.events.take_table(table)
        self._publish(self.table_read, table)
        self.usage.read_again()

    def _take_symbols(self, symbols: SymbolTable) -> None:
        self.symbols = symbols
        self.addresses_read = False
        self.symbols_problem = ""
        self._publish(self.symbols_read, symbols)

    def take_addresses(self, symbols: SymbolTable) -> None:
        """Use a reading of the same symbols that has their addresses."""
        self.symbols = symbols
        self.addresses_read = True
        self._publish(self.symbols_read, symbols)

    async def _take_change(self, change: Change, symbols: SymbolTable | None) -> None:
        try:
            stays = await self._left_behind(change)
        except KmodtuiError as error:
            self.failed.publish(error)
            stays = {}
        self.new |= {module.name for module in (*change.loaded, *change.reloaded)}
        self.timeline = self.timeline.with_event(change, self.table, symbols, stays)
        event = Event(change, Totals.of(self.table, symbols), stays)
        self._publish(self.changed, event)
        self._publish(self.timeline_changed, self.timeline)
        await self.events.take_change(event, self.table)
        if change.loaded or change.cycles:
            await self._note_seen(change.cycles)

    async def _note_seen(self, others: Iterable[str] = ()) -> None:
        """Note which modules have been loaded, so that no profile calls them unused."""
        from kmodtui.services.seen import note_seen

        names = (*self.table.by_name, *others)
        await asyncio.to_thread(note_seen, self.machine.host, names)

    async def _left_behind(self, change: Change) -> dict[str, str]:
        """Return what stays loaded although the module that brought it is gone, with the reason."""
        unloaded = tuple(module.name for module in change.unloaded)
        remaining = frozenset(self.table.by_name)
        if not unloaded or await self.machine.index() is None:
            return {}
        from kmodtui.model.plan.unload import left_behind

        lookup = await asyncio.to_thread(self.machine.lookup)
        return left_behind(unloaded, remaining, lookup, self.table)

    def _begin_timeline(self) -> None:
        if not self.timeline.began:
            self.timeline = Timeline.begin(time.time(), self.table, self.symbols)
            self.events.start(self.table, self.symbols)
            self._publish(self.timeline_changed, self.timeline)

    def _begin_following_index(self) -> None:
        # Only now: modules and symbols come first on the screen.
        if self._tasks is not None and not self._following_index:
            self._following_index = True
            self._tasks.create_task(self._follow_index())
            self._tasks.create_task(self._follow_events())

    async def _follow_index(self) -> None:
        """Read the release's index, and again whenever depmod has written it."""
        try:
            index = await self.machine.index()
            self._publish(self.index_read, None)
            await self._note_seen()
            if not self._following_usage and self._tasks is not None:
                # Only now: the uses of modules are found with the aliases of the index.
                self._following_usage = True
                self._tasks.create_task(self.usage.follow())
            folder = index.folder if index else f"/lib/modules/{self.machine.release}"
            async for _ in index_changes(self.machine.host, folder):
                self.machine.forget_index()
                await self.machine.index()
                self._publish(self.index_read, None)
        except Exception as error:
            self._following_index = False
            self.failed.publish(error)

    async def _follow_events(self) -> None:
        try:
            await self.events.follow(paused=lambda: self.paused)
        except* Exception as errors:
            for error in errors.exceptions:
                self.failed.publish(error)

    def _events_failed(self, error: BaseException) -> None:
        """Report a failure; a log that only root may read is what most systems have."""
        if not isinstance(error, HiddenLogError):
            self.failed.publish(error)

    async def _follow_root(self) -> None:
        """Keep the status of the root session up to date, whoever starts or ends the session."""
        async for reason in self.machine.sessions.changes():
            try:
                self.read_status()
                if reason is not None:
                    self.failed.publish(reason)
            except Exception as error:
                self.failed.publish(error)

    # What a person asks for

    async def read_symbols(self) -> None:
        """Read the symbols of a kernel without modules, which is not watched."""
        try:
            symbols = await asyncio.to_thread(read_symbols, self.machine.host)
        except KmodtuiError as error:
            self.symbols_problem = str(error)
        else:
            self._take_symbols(symbols)

    def read_status(self) -> None:
        """Update what the header shows."""
        status = Status(
            modules=len(self.table) if self._table_was_read else None,
            memory=self.table.total_size,
            taint=taint_flags(self.machine.tainted()),
            root=self.machine.privilege_words,
            paused=self._monitor.paused,
            stopped=self._stopped,
        )
        if status != self.status:
            added = "".join(flag for flag in status.taint if flag not in self.status.taint)
            self.status = status
            self._publish(self.status_changed, status)
            if added and self._status_was_read:
                self._publish(self.tainted, added)
        self._status_was_read = True

    def read_hiding(self) -> None:
        """Check again whether addresses are hidden, and by which setting."""
        self.hiding = read_hiding(self.machine.host)

    def read_now(self) -> None:
        """Read everything at once, also while paused."""
        self._monitor.read_now()
        # Equal bytes of /proc/modules say nothing about taint, root and parameters.
        self.read_status()
        self.usage.read_again()
        self._publish(self.refreshed, None)

    @property
    def paused(self) -> bool:
        """Whether reading is suspended."""
        return self._monitor.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._monitor.paused = paused
        self.read_status()

    def one_change(self, command: str) -> AbstractContextManager[int]:
        """Report everything that happens within the context as one change.

        The context gives the number that the change has as its `origin`.
        """
        return self._monitor.one_change(command)
