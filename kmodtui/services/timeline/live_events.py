"""The events of a running system, of every kind, gathered while kmodtui runs."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing, suppress

from kmodtui.errors import KmodtuiError
from kmodtui.model.history import Change, Event, Totals
from kmodtui.model.modules import ModuleTable, canonical
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.model.text import clean, decode
from kmodtui.model.timeline.collector import Collector
from kmodtui.model.timeline.event import DeviceAction, DeviceChanged, Started, TimelineEvent
from kmodtui.model.timeline.event_list import EventList
from kmodtui.services.kernel_log import Batch, HiddenLogError, directly, open_log
from kmodtui.services.machine import Machine
from kmodtui.services.planning.reports import CommandEnded
from kmodtui.services.timeline.command_store import StoredCommands
from kmodtui.services.timeline.parameter_watch import ParameterWatch
from kmodtui.services.timeline.writes import Writes
from kmodtui.services.topic import Topic

INTERVAL = 5.0
"""Seconds between two looks for commands of other processes."""

SLOW = 60.0
"""Seconds between two readings of the parameters if no program writes to one."""

_MOST_FILES = 64  # modules of one change whose files are looked for
_MOST_DEVICES = 4096  # devices whose modules are remembered


class LiveEvents:
    """Every event since the start, and whoever follows them.

    Attributes:
        events: those that are kept.
        table: the last reading of the modules.
        log_problem: why the kernel log is not read, as a sentence; empty if it is.
        changed: published with `events` when there are new ones.
        added: published with the new ones.
    """

    def __init__(self, machine: Machine, failed: Callable[[BaseException], object]) -> None:
        """Prepare to gather; `failed` is called with every failure."""
        self.events = EventList()
        self.log_problem = ""
        self.changed: Topic[EventList] = Topic()
        self.added: Topic[tuple[TimelineEvent, ...]] = Topic()
        self._machine = machine
        self._failed = failed
        self._collector = Collector()
        self.table = ModuleTable()
        self._parameters = ParameterWatch(machine.host)
        self._modules_of: OrderedDict[str, str] = OrderedDict()
        self._reads_log = False
        self._due = asyncio.Event()
        machine.command_began.subscribe(self._command_began)
        machine.command_ended.subscribe(self._command_ended)

    def _add(self, events: Iterable[TimelineEvent]) -> None:
        new = tuple(events)
        if not new:
            return
        self.events = self.events.with_events(new)
        try:
            self.added.publish(new)
            self.changed.publish(self.events)
        except Exception as error:
            # What cannot be shown once must not end the gathering.
            self._failed(error)

    # What others report

    def start(self, table: ModuleTable, symbols: SymbolTable | None) -> None:
        """Report that watching has begun."""
        host, facts = self._machine.host, self._machine.facts
        boot = ""
        with suppress(OSError):
            boot = clean(decode(host.read("/proc/sys/kernel/random/boot_id", 64)).strip())
        detail = Started(
            facts.hostname or "",
            facts.release or "",
            boot,
            Totals.of(table, symbols),
            table.modules,
        )
        self.table = table
        self._add([self._collector.started(time.time(), detail)])

    def take_table(self, table: ModuleTable) -> None:
        """Take a new reading of the modules."""
        if table.by_name.keys() != self.table.by_name.keys():
            self._due.set()
        self.table = table
        self._collector.modules_are(table.by_name)

    async def take_change(self, event: Event, table: ModuleTable) -> None:
        """Report a change of the modules, with the files of those that were loaded."""
        self.take_table(table)
        files = await asyncio.to_thread(self._files, event.change)
        self._add([self._collector.change(event, files)])

    def _files(self, change: Change) -> Mapping[str, str]:
        found = {}
        for module in (*change.loaded, *change.reloaded)[:_MOST_FILES]:
            with suppress(KmodtuiError, OSError):
                if path := self._machine.file_of(module.name):
                    found[module.name] = path
        return found

    def take_log(self, batch: Batch) -> None:
        """Take messages that somebody else reads, if this process may not read the log itself."""
        if self._reads_log:
            return
        if batch.fresh or self._collector.knows_log:
            self._add(self._collector.log(batch.records, time.time()))
        else:
            self._collector.skip_log(batch.records)

    def _command_began(self, _command: str) -> None:
        self._collector.command_begins()

    def _command_ended(self, ended: CommandEnded) -> None:
        self._add(self._collector.command_ended(ended.when, ended.run, ended.modules))

    # What is followed here

    async def follow(
        self, *, paused: Callable[[], bool] = lambda: False, interval: float = INTERVAL
    ) -> None:
        """Follow the log, the devices, the parameters and other processes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in (
                self._follow_log(),
                self._follow_devices(),
                self._follow_parameters(paused),
                self._follow_commands(interval),
            ):
                tasks.create_task(work)

    async def _follow_log(self) -> None:
        try:
            log = open_log(self._machine.host)
        except HiddenLogError as hidden:
            self.log_problem = hidden.message
            self._failed(hidden)
            return
        self._reads_log = True
        try:
            async with aclosing(directly(log)) as batches:
                async for batch in batches:
                    if batch.fresh:
                        events = self._collector.log(batch.records, time.time(), unbroken=True)
                        self._add(events)
                    else:
                        self._collector.skip_log(batch.records)
        except KmodtuiError as error:
            self._reads_log = False
            self.log_problem = error.message
            self._add([self._collector.lost(time.time(), error.message)])

    async def _follow_devices(self) -> None:
        source = self._machine.host.device_uevents()
        if source is None:
            return
        try:
            while True:
                found = await source.wait()
                now = time.time()
                if found is None:
                    words = "Events of devices were lost: there were too many at once."
                    self._add([self._collector.lost(now, words)])
                    continue
                self._add(self._collector.device(now, each, self._module(each)) for each in found)
        except OSError as error:
            words = f"Events of devices cannot be received any more: {error.strerror}."
            self._add([self._collector.lost(time.time(), words)])
        finally:
            source.close()

    def _module(self, device: DeviceChanged) -> str:
        """Return the module of a device's driver, or of the nearest one above it."""
        if device.action in (DeviceAction.DISAPPEARED, DeviceAction.UNBOUND):
            return self._modules_of.pop(device.path, "")
        parts = device.path.split("/")
        for length in range(len(parts), 3, -1):
            with suppress(OSError):
                link = f"{'/'.join(parts[:length])}/driver/module"
                module = canonical(self._machine.host.readlink(link).rsplit("/", 1)[-1])
                self._modules_of[device.path] = module
                if len(self._modules_of) > _MOST_DEVICES:
                    self._modules_of.popitem(last=False)
                return module
        return ""

    async def _follow_parameters(self, paused: Callable[[], bool]) -> None:
        """Read the parameters when modules were loaded or a program has written to one."""
        host = self._machine.host
        watched: dict[str, int] = {}
        writes = None
        if host.live:
            with suppress(OSError):
                writes = Writes(self._due.set)
        try:
            while True:
                self._due.clear()
                if not paused():
                    values = await asyncio.to_thread(self._parameters.read, self.table.by_name)
                    self._add(self._collector.parameters(values, time.time()))
                    now = {name: instance for name, (instance, found) in values.items() if found}
                    if writes is not None:
                        for name in now:
                            if now[name] != watched.get(name):
                                writes.watch(host.locate(f"/sys/module/{name}/parameters"))
                                self._due.set()  # it may have been written to meanwhile
                        watched = now
                with suppress(TimeoutError):
                    async with asyncio.timeout(SLOW):
                        await self._due.wait()
        finally:
            if writes is not None:
                writes.close()

    async def _follow_commands(self, interval: float) -> None:
        """Report the commands of other processes of kmodtui on this machine."""
        if not self._machine.host.live or self._machine.host.badge:
            return
        commands = StoredCommands()
        while True:
            # One system call, unless there is something to read.
            self._add(self._collector.command_of_other(*each) for each in commands.read())
            await asyncio.sleep(interval)
