"""The monitor tells each change of the kernel once, exactly, and otherwise nothing."""

from __future__ import annotations

import asyncio
import functools
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kmodtui.demo.moments import Moment, Point
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.uevents import ModuleUevent, NoUevents
from kmodtui.model.symbols.table import SymbolDelta
from kmodtui.services import monitor as monitor_module
from kmodtui.services.monitor import (
    Changed,
    Monitor,
    MonitorEvent,
    ReadingFailed,
    SymbolsRead,
    TableRead,
)
from tests.support.simulated import make_simulated
from tests.support.small_recording import PARTS

NEVER = 3600.0
"""An interval after which no test looks again: what is noticed is noticed by uevent or wish."""

E = TypeVar("E", TableRead, SymbolsRead, Changed, ReadingFailed)


class StagedHost:
    """A simulated host on whose readings a test can act, and whose uevents it can replace."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        self.inner = kernel.host
        self.readings = 0
        self.on_read: Callable[[str, bytes], bytes] = lambda _path, data: data
        self.on_open: Callable[[str], Any] | None = None
        self.source: Any = None

    def read(self, path: str, limit: int = -1) -> bytes:
        if path == "/proc/modules":
            self.readings += 1
        return self.on_read(path, self.inner.read(path, limit))

    def open(self, path: str) -> Any:
        return (self.on_open or self.inner.open)(path)

    def uevents(self) -> Any:
        return self.source or self.inner.uevents()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Watch:
    """A monitor at work, and all that it has told."""

    def __init__(self, host: StagedHost, monitor: TurningMonitor) -> None:
        self.host, self.monitor = host, monitor
        self.events: list[MonitorEvent] = []
        self._more = asyncio.Condition()

    async def run(self) -> None:
        async for event in self.monitor.watch():
            async with self._more:
                self.events.append(event)
                self._more.notify_all()

    async def next(self, kind: type[E]) -> E:
        """Wait for the first event of a kind; forget it and what came before it."""

        def there() -> bool:
            return any(isinstance(event, kind) for event in self.events)

        async with asyncio.timeout(10), self._more:
            await self._more.wait_for(there)
        while not isinstance(event := self.events.pop(0), kind):
            pass
        return event

    async def turns(self, count: int = 1) -> None:
        """Have the kernel read `count` times from now on, and all of it told."""
        for _ in range(count):
            self.monitor.read_now()
            await self.monitor.turned()


class TurningMonitor(Monitor):
    """A monitor of which one can tell when it has nothing left to do."""

    def __init__(self, host: StagedHost) -> None:
        super().__init__(host, interval=NEVER, clock=lambda: 1234.5)
        self._turns = 0
        self._idle = False
        self._turn_over = asyncio.Event()

    async def turned(self) -> None:
        """Wait for the end of a turn that begins after this call."""
        wanted = self._turns + (1 if self._idle else 2)
        async with asyncio.timeout(10):
            while self._turns < wanted:
                self._turn_over.clear()
                await self._turn_over.wait()

    async def _woken(self, uevents: Any) -> bool:
        self._turns += 1
        self._idle = True
        self._turn_over.set()
        try:
            return await super()._woken(uevents)
        finally:
            self._idle = False


@asynccontextmanager
async def watching(
    kernel: SimulatedKernel, host: StagedHost | None = None, *, first: bool = True
) -> AsyncIterator[Watch]:
    host = host or StagedHost(kernel)
    watch = Watch(host, TurningMonitor(host))
    task = asyncio.create_task(watch.run())
    try:
        if first:
            await watch.next(SymbolsRead)
        yield watch
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "QUIET", 0.0)
    monkeypatch.setattr(monitor_module, "SETTLE_STEP", 0.001)


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


def counts(delta: SymbolDelta, side: str = "added") -> dict[str, int]:
    return {owner.owner: len(getattr(owner, side)) for owner in delta.owners}


def symbols_of(*names: str) -> dict[str, int]:
    return {name: PARTS[name].symbols for name in names}


BTRFS = ("btrfs", "blake2b_generic", "zstd_compress", "raid6_pq", "xor", "libcrc32c")

# Nothing and something


async def test_first_it_tells_the_modules_then_the_symbols(kernel: SimulatedKernel) -> None:
    async with watching(kernel, first=False) as watch:
        await watch.next(SymbolsRead)
        await watch.turns()
        assert watch.events == []
    async with watching(kernel, first=False) as watch:
        table = await watch.next(TableRead)
        assert [module.name for module in table.table] == list(kernel.loaded)


async def test_equal_bytes_are_no_event_at_all(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        await watch.turns(5)
        assert watch.events == []


async def test_a_load_by_another_shell_is_one_change_with_all_that_came(
    kernel: SimulatedKernel,
) -> None:
    async with watching(kernel) as watch:
        kernel.load("btrfs")
        told = await watch.next(Changed)
        change = told.change
        assert tuple(module.name for module in change.loaded) == BTRFS
        assert change.unloaded == change.reloaded == ()
        assert change.cycles == {}
        assert counts(change.symbols) == symbols_of(*BTRFS)
        assert change.symbols.removed == 0
        assert (change.number, change.when, change.symbols_missing) == (1, 1234.5, "")
        assert change.memory == sum(PARTS[name].size for name in BTRFS)
        assert [module.name for module in told.table] == list(kernel.loaded)
        assert told.symbols is not None
        assert told.symbols.counts().items() >= symbols_of(*BTRFS).items()
        await watch.turns(2)
        assert watch.events == []


async def test_an_unload_is_one_change_with_all_that_went(kernel: SimulatedKernel) -> None:
    kernel.load("btrfs")
    async with watching(kernel) as watch:
        kernel.unload("btrfs")
        change = (await watch.next(Changed)).change
        assert tuple(module.name for module in change.unloaded) == BTRFS
        assert change.loaded == ()
        assert counts(change.symbols, "removed") == symbols_of(*BTRFS)
        assert change.symbols.added == 0
        assert change.memory == -sum(PARTS[name].size for name in BTRFS)
        await watch.turns()
        assert watch.events == []


async def test_changes_are_numbered(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        for number, act in enumerate((kernel.load, kernel.unload, kernel.load), 1):
            act("dummy")
            assert (await watch.next(Changed)).change.number == number


async def test_a_count_that_changes_is_a_table_and_no_change(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        kernel.hold("ext4", 2)
        await watch.turns()
        (event,) = watch.events
        assert isinstance(event, TableRead)
        assert event.table.by_name["ext4"].refcount == 3


async def test_a_load_that_fails_is_no_change(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        assert kernel.load("nbd", "max_part=999").exit == 1
        await watch.turns(2)
        assert not any(isinstance(event, Changed | ReadingFailed) for event in watch.events)


async def test_without_uevents_the_next_reading_notices(kernel: SimulatedKernel) -> None:
    host = StagedHost(kernel)
    host.source = NoUevents()
    async with watching(kernel, host) as watch:
        kernel.load("dummy")
        watch.monitor.read_now()
        change = (await watch.next(Changed)).change
        assert counts(change.symbols) == symbols_of("dummy")


async def test_without_uevents_it_reads_once_an_interval(kernel: SimulatedKernel) -> None:
    host = StagedHost(kernel)
    host.source = NoUevents()
    async with watching(kernel, host) as watch:
        watch.monitor.interval = 0.005
        watch.monitor.read_now()
        kernel.load("dummy")
        await watch.next(Changed)
        kernel.unload("dummy")
        await watch.next(Changed)


# Between two readings


async def test_what_came_and_went_between_two_readings_is_told(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        kernel.load("dummy")
        kernel.unload("dummy")
        change = (await watch.next(Changed)).change
        assert change.cycles == {"dummy": 1}
        assert change.loaded == change.unloaded == change.reloaded == ()
        assert not change.symbols
        await watch.turns()
        assert not any(isinstance(event, Changed) for event in watch.events)


async def test_a_reload_between_two_readings_is_told(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    async with watching(kernel) as watch:
        kernel.unload("dummy")
        kernel.load("dummy")
        change = (await watch.next(Changed)).change
        assert [module.name for module in change.reloaded] == ["dummy"]
        assert change.loaded == change.unloaded == ()
        assert change.cycles == {"dummy": 1}
        assert not change.symbols
        kernel.unload("dummy")
        change = (await watch.next(Changed)).change
        assert [module.name for module in change.unloaded] == ["dummy"]
        assert change.reloaded == ()


async def test_what_came_and_what_went_can_be_one_change(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    async with watching(kernel) as watch:
        kernel.load("tun")
        kernel.unload("dummy")
        change = (await watch.next(Changed)).change
        assert [module.name for module in change.loaded] == ["tun"]
        assert [module.name for module in change.unloaded] == ["dummy"]
        assert change.memory == PARTS["tun"].size - PARTS["dummy"].size


# On the way in and out


async def test_symbols_that_only_init_needs_are_waited_for_until_they_go(tmp_path: Path) -> None:
    """A module is Live before it lets go of its init memory, also on a kernel without others."""
    kernel = make_simulated(tmp_path, parts={"dummy": PARTS["dummy"], "tun": PARTS["tun"]})
    host = StagedHost(kernel)
    async with watching(kernel, host) as watch:
        assert kernel.loaded == ()
        steps = kernel.modprobe.load("dummy")
        looks = 0

        def trim_at_the_third_look(path: str, data: bytes) -> bytes:
            nonlocal looks
            if path == "/sys/module/dummy/initsize":
                looks += 1
                if looks == 3:
                    assert next(steps) == Moment("dummy", Point.TRIMMED)
            return data

        host.on_read = trim_at_the_third_look
        while next(steps).point is not Point.LIVE:
            pass
        change = (await watch.next(Changed)).change
        assert looks > 3
        assert counts(change.symbols) == symbols_of("dummy")
        assert change.memory == PARTS["dummy"].size


async def test_a_module_in_its_exit_function_is_waited_for(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    host = StagedHost(kernel)
    async with watching(kernel, host) as watch:
        steps = kernel.modprobe.unload(["dummy"])
        assert next(steps).point is Point.UNLOADING
        before = host.readings

        def go_on_at_the_fifth_reading(path: str, data: bytes) -> bytes:
            if path == "/proc/modules" and host.readings == before + 5:
                for _ in steps:
                    pass
            return data

        host.on_read = go_on_at_the_fifth_reading
        watch.monitor.read_now()
        told = await watch.next(Changed)
        assert "dummy" not in told.table.by_name
        assert [module.name for module in told.change.unloaded] == ["dummy"]
        assert counts(told.change.symbols, "removed") == symbols_of("dummy")


async def test_a_module_that_hangs_in_its_init_does_not_hold_up_the_others(
    kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "SETTLE_LIMIT", 0.1)
    async with watching(kernel) as watch:
        hanging = kernel.modprobe.load("nbd")
        assert next(hanging) == Moment("nbd", Point.LOADING)
        kernel.load("dummy")
        told = await watch.next(Changed)
        assert counts(told.change.symbols) == symbols_of("dummy")
        assert told.symbols is not None
        assert "nbd" not in told.symbols.modules
        # It is known to hang now; nobody waits for it a second time.
        monkeypatch.setattr(monitor_module, "SETTLE_LIMIT", NEVER)
        kernel.load("tun")
        assert counts((await watch.next(Changed)).change.symbols) == symbols_of("tun")
        for _ in hanging:
            pass
        change = (await watch.next(Changed)).change
        assert [module.name for module in change.loaded] == ["nbd"]
        assert counts(change.symbols) == symbols_of("nbd")


# Readings that are torn


class Torn(io.RawIOBase):
    """/proc/kallsyms as the kernel hands it out: by row number, while `meanwhile` happens."""

    def __init__(self, host: StagedHost, rows: int, meanwhile: Callable[[], None]) -> None:
        self._host, self._rows, self._meanwhile = host, rows, meanwhile
        self._pieces = self._read_in_two()

    def read(self, size: int = -1, /) -> bytes:
        return next(self._pieces, b"")

    def _read_in_two(self) -> Any:
        yield b"".join(self._lines()[: self._rows])
        self._meanwhile()
        yield b"".join(self._lines()[self._rows :])

    def _lines(self) -> list[bytes]:
        return self._host.inner.read("/proc/kallsyms").splitlines(keepends=True)


def tear_once(host: StagedHost, rows: int, meanwhile: Callable[[], None]) -> threading.Event:
    """Let the next reading of the symbols be one during which `meanwhile` happens."""
    torn = threading.Event()

    def open_torn(path: str) -> Any:
        if torn.is_set():
            return host.inner.open(path)
        torn.set()
        return Torn(host, rows, meanwhile)

    host.on_open = open_torn
    return torn


# Within the kernel's own rows, within the first module's, and between the others'.
@pytest.mark.parametrize("rows", [10, 405, 420, 480, 560])
async def test_a_load_during_the_reading_never_makes_a_wrong_change(
    kernel: SimulatedKernel, rows: int
) -> None:
    host = StagedHost(kernel)
    async with watching(kernel, host) as watch:
        torn = tear_once(host, rows, lambda: kernel.load("tun") and None)
        kernel.load("dummy")
        told = await watch.next(Changed)
        assert torn.is_set()
        assert counts(told.change.symbols) == symbols_of("dummy", "tun")
        assert told.change.symbols.removed == 0


@pytest.mark.parametrize("rows", [10, 405, 420, 480, 560])
async def test_an_unload_during_the_reading_never_makes_a_wrong_change(
    kernel: SimulatedKernel, rows: int
) -> None:
    kernel.load("tun")
    host = StagedHost(kernel)
    async with watching(kernel, host) as watch:
        torn = tear_once(host, rows, lambda: kernel.unload("tun") and None)
        kernel.load("dummy")
        change = (await watch.next(Changed)).change
        assert torn.is_set()
        assert counts(change.symbols) == symbols_of("dummy") | {"tun": 0}
        assert counts(change.symbols, "removed") == symbols_of("tun") | {"dummy": 0}


@pytest.mark.parametrize("rows", [10, 420, 480])
async def test_a_load_during_the_first_reading_is_in_it_as_a_whole(
    kernel: SimulatedKernel, rows: int
) -> None:
    host = StagedHost(kernel)
    host.source = NoUevents()
    torn = tear_once(host, rows, lambda: kernel.load("tun") and None)
    async with watching(kernel, host, first=False) as watch:
        symbols = (await watch.next(SymbolsRead)).symbols
        assert torn.is_set()
        assert symbols.counts() == {
            name: part.symbols for name, part in PARTS.items() if part.boot or name == "tun"
        }


@pytest.mark.parametrize("with_uevents", [True, False])
@pytest.mark.parametrize("rows", [405, 420, 440, 480, 560])
async def test_what_comes_and_goes_during_the_reading_never_makes_a_wrong_change(
    kernel: SimulatedKernel, rows: int, with_uevents: bool
) -> None:
    """The readings of /proc/modules before and after are equal here."""
    host = StagedHost(kernel)
    if not with_uevents:
        host.source = NoUevents()
    async with watching(kernel, host) as watch:
        # Half of a load is seen; the rest of it, and the unload, happen behind the reading.
        steps = kernel.modprobe.load("tun")

        def half_of_it() -> None:
            assert next(steps).point is Point.LOADING

        original = host.read

        def then_gone(path: str, limit: int = -1) -> bytes:
            if path == "/proc/modules" and torn.is_set() and "tun" in kernel.loaded:
                for _ in steps:
                    pass
                kernel.unload("tun")
            return original(path, limit)

        torn = tear_once(host, rows, half_of_it)
        host.read = then_gone  # type: ignore[method-assign]
        kernel.load("dummy")
        watch.monitor.read_now()
        change = (await watch.next(Changed)).change
        assert torn.is_set()
        assert [module.name for module in change.loaded] == ["dummy"]
        assert counts(change.symbols) == symbols_of("dummy")
        assert change.symbols.removed == 0
        assert change.cycles == ({"tun": 1} if with_uevents else {})


class Loop:
    """Another shell that loads and unloads a module during each reading of the symbols."""

    def __init__(self, host: StagedHost, kernel: SimulatedKernel, name: str, times: int) -> None:
        self.times = times
        self._host, self._kernel, self._name = host, kernel, name
        self._tear = 400
        host.on_open = self._open

    def _open(self, path: str) -> Any:
        if not self.times:
            return self._host.inner.open(path)
        self._tear += 7
        return Torn(self._host, self._tear, self._turn)

    def _turn(self) -> None:
        self.times -= 1
        self._kernel.load(self._name)
        self._kernel.unload(self._name)


async def test_a_loop_of_loads_is_counted_and_changes_no_symbols(
    kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "SETTLE_LIMIT", 0.02)
    host = StagedHost(kernel)
    async with watching(kernel, host) as watch:
        loop = Loop(host, kernel, "dummy", 40)
        kernel.load("tun")
        changes = []
        while loop.times or not changes or changes[-1].symbols_missing:
            watch.monitor.read_now()
            changes.append((await watch.next(Changed)).change)
        assert [change.number for change in changes] == list(range(1, len(changes) + 1))
        assert "too fast" in changes[0].symbols_missing
        assert sum(change.cycles.get("dummy", 0) for change in changes) == 40
        assert [m.name for change in changes for m in change.loaded] == ["tun"]
        # What could not be compared at first is made up for, and nothing else ever changed.
        gained = [pair for change in changes for pair in counts(change.symbols).items()]
        assert gained == list(symbols_of("tun").items())
        assert sum(change.symbols.removed for change in changes) == 0


async def test_symbols_that_changed_too_fast_at_first_are_shown_once_it_is_quiet(
    kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "SETTLE_LIMIT", 0.02)
    host = StagedHost(kernel)
    loop = Loop(host, kernel, "dummy", 1000)
    async with watching(kernel, host, first=False) as watch:
        failure = await watch.next(ReadingFailed)
        assert "too fast" in str(failure.error)
        loop.times = 0
        watch.monitor.read_now()
        told = await watch.next(Changed)  # of the loads and unloads since then
        assert "no earlier reading" in told.change.symbols_missing
        assert told.symbols is not None
        assert list(told.symbols.modules) == list(kernel.loaded)
        kernel.load("tun")
        assert counts((await watch.next(Changed)).change.symbols) == symbols_of("tun")


async def test_a_page_of_modules_that_was_missed_does_not_make_rows_flicker(
    kernel: SimulatedKernel,
) -> None:
    host = StagedHost(kernel)
    async with watching(kernel, host) as watch:
        missed = False

        def miss_a_line(path: str, data: bytes) -> bytes:
            nonlocal missed
            if path != "/proc/modules" or missed:
                return data
            missed = True
            return data.split(b"\n", 1)[1]

        host.on_read = miss_a_line
        await watch.turns()
        assert missed
        assert watch.events == []


# Pausing


async def test_while_paused_nothing_is_told_and_afterwards_all_of_it(
    kernel: SimulatedKernel,
) -> None:
    async with watching(kernel) as watch:
        watch.monitor.paused = True
        readings = watch.host.readings
        kernel.load("dummy")  # of which uevents tell
        kernel.load("tun")
        await watch.monitor.turned()
        assert watch.host.readings == readings
        assert watch.events == []
        watch.monitor.paused = False
        change = (await watch.next(Changed)).change
        assert counts(change.symbols) == symbols_of("dummy", "tun")


async def test_a_wish_is_granted_while_paused(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        watch.monitor.paused = True
        kernel.load("dummy")
        watch.monitor.read_now()
        await watch.next(Changed)
        assert watch.monitor.paused


# Who did it


async def test_all_that_one_command_does_is_one_change_with_its_name(
    kernel: SimulatedKernel,
) -> None:
    async with watching(kernel) as watch:
        with watch.monitor.one_change("modprobe -r btrfs") as origin:
            kernel.load("dummy")
            await watch.turns()
            kernel.load("tun")
            await watch.turns()
            assert {type(event) for event in watch.events} == {TableRead}
        change = (await watch.next(Changed)).change
        assert (change.cause, change.origin) == ("modprobe -r btrfs", origin)
        assert counts(change.symbols) == symbols_of("dummy", "tun")


async def test_a_command_that_did_nothing_is_not_the_cause_of_what_comes_later(
    kernel: SimulatedKernel,
) -> None:
    async with watching(kernel) as watch:
        with watch.monitor.one_change("modprobe nonsense"):
            await watch.turns()
        await watch.turns()
        kernel.load("dummy")
        change = (await watch.next(Changed)).change
        assert (change.cause, change.origin) == ("", 0)


async def test_the_same_command_twice_has_two_numbers(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        with watch.monitor.one_change("modprobe dummy") as first:
            pass
        with watch.monitor.one_change("modprobe dummy") as second:
            kernel.load("dummy")
        assert (await watch.next(Changed)).change.origin == second != first


# Uevents that fail


class Announcer:
    """A source of uevents that a test speaks through."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[ModuleUevent, ...] | OSError] = asyncio.Queue()
        self.closed = False
        self.sequence = 0

    def drain(self) -> tuple[ModuleUevent, ...]:
        return ()

    async def wait(self) -> tuple[ModuleUevent, ...]:
        told = await self.queue.get()
        if isinstance(told, OSError):
            raise told
        return told

    def close(self) -> None:
        self.closed = True


async def test_where_uevents_were_lost_it_reads(kernel: SimulatedKernel) -> None:
    host = StagedHost(kernel)
    host.source = Announcer()
    async with watching(kernel, host) as watch:
        kernel.load("dummy")
        host.source.queue.put_nowait(())
        assert counts((await watch.next(Changed)).change.symbols) == symbols_of("dummy")


async def test_a_uevent_that_comes_during_the_reading_makes_it_be_read_again(
    kernel: SimulatedKernel,
) -> None:
    """Another build of a module takes its place: /proc/modules is as before, its rows are not."""
    kernel.load("dummy")
    host = StagedHost(kernel)
    host.source = announcer = Announcer()
    loop = asyncio.get_running_loop()
    reload = (ModuleUevent("remove", "dummy", 2001), ModuleUevent("add", "dummy", 2002))

    def reload_behind_the_reading(path: str) -> Any:
        host.on_open = None
        data = host.inner.read(path)
        kernel.folder.write(path, data.replace(b"\t[dummy]", b"_rebuilt\t[dummy]"))
        kernel.folder.write("/sys/kernel/uevent_seqnum", b"2002\n")
        announcer.sequence = 2002
        loop.call_soon_threadsafe(announcer.queue.put_nowait, reload)
        return io.BytesIO(data)

    async with watching(kernel, host) as watch:
        host.on_open = reload_behind_the_reading
        kernel.load("tun")
        watch.monitor.read_now()
        told = await watch.next(Changed)
        assert [module.name for module in told.change.reloaded] == ["dummy"]
        assert told.symbols is not None
        assert told.symbols.of("dummy").raw.count(b"_rebuilt\t") == PARTS["dummy"].symbols


async def test_a_source_of_uevents_that_breaks_is_done_without(kernel: SimulatedKernel) -> None:
    host = StagedHost(kernel)
    host.source = announcer = Announcer()
    async with watching(kernel, host) as watch:
        kernel.load("dummy")
        announcer.queue.put_nowait(OSError(9, "Bad file descriptor"))
        await watch.next(Changed)
        assert announcer.closed
        kernel.unload("dummy")
        watch.monitor.read_now()
        await watch.next(Changed)


# Files that cannot be read


async def test_symbols_that_cannot_be_read_are_said_to_be_missing(kernel: SimulatedKernel) -> None:
    async with watching(kernel) as watch:
        original = kernel.folder.read("/proc/kallsyms")

        def unreadable(path: str) -> Any:
            raise PermissionError(13, "Permission denied", path)

        watch.host.on_open = unreadable
        kernel.load("dummy")
        told = await watch.next(Changed)
        assert [module.name for module in told.change.loaded] == ["dummy"]
        assert "may not read" in told.change.symbols_missing
        assert not told.change.symbols
        assert told.symbols is None
        # They come back, but what happened meanwhile must not be charged to the next change.
        watch.host.on_open = None
        kernel.load("tun")
        told = await watch.next(Changed)
        assert "no earlier reading" in told.change.symbols_missing
        assert not told.change.symbols
        assert told.symbols is not None
        assert len(told.symbols) > original.count(b"\n")
        kernel.unload("tun")
        change = (await watch.next(Changed)).change
        assert change.symbols_missing == ""
        assert counts(change.symbols, "removed") == symbols_of("tun")


async def test_symbols_that_were_never_readable_are_told_once_and_modules_go_on(
    kernel: SimulatedKernel,
) -> None:
    kernel.folder.remove("/proc/kallsyms")
    host = StagedHost(kernel)

    def gone(path: str) -> Any:
        raise FileNotFoundError(2, "No such file or directory", path)

    host.on_open = gone
    async with watching(kernel, host, first=False) as watch:
        failure = await watch.next(ReadingFailed)
        assert "CONFIG_KALLSYMS" in str(failure.error)
        await watch.turns(2)
        assert watch.events == []
        kernel.load("dummy")
        told = await watch.next(Changed)
        assert [module.name for module in told.change.loaded] == ["dummy"]
        assert "CONFIG_KALLSYMS" in told.change.symbols_missing
        # An empty table would say that the module has no symbols.
        assert told.symbols is None


async def test_symbols_that_could_not_be_read_at_first_are_read_when_asked_for(
    kernel: SimulatedKernel,
) -> None:
    host = StagedHost(kernel)

    def unreadable(path: str) -> Any:
        raise PermissionError(13, "Permission denied", path)

    host.on_open = unreadable
    async with watching(kernel, host, first=False) as watch:
        await watch.next(ReadingFailed)
        await watch.turns()
        host.on_open = None
        watch.monitor.read_now()
        assert len((await watch.next(SymbolsRead)).symbols)
        kernel.load("dummy")
        change = (await watch.next(Changed)).change
        assert counts(change.symbols) == symbols_of("dummy")


async def test_a_failure_that_lasts_is_told_once_and_its_end_is_noticed(
    kernel: SimulatedKernel,
) -> None:
    async with watching(kernel) as watch:
        for _ in range(2):
            kernel.folder.remove("/proc/modules")
            await watch.turns(3)
            failure = await watch.next(ReadingFailed)
            assert "no /proc/modules" in str(failure.error)
            assert watch.events == []
            kernel.hold("ext4")  # which writes the file again
            await watch.turns()
            (event,) = watch.events
            assert isinstance(event, TableRead)
            watch.events.clear()


async def test_a_file_that_vanishes_while_a_change_settles_is_survived(
    kernel: SimulatedKernel,
) -> None:
    async with watching(kernel) as watch:
        left = 4

        def vanish(path: str, data: bytes) -> bytes:
            nonlocal left
            if path == "/proc/modules":
                left -= 1
                if left == 0:
                    raise FileNotFoundError(2, "No such file or directory", path)
            return data

        watch.host.on_read = vanish
        kernel.load("dummy")
        await watch.next(ReadingFailed)
        watch.monitor.read_now()
        assert counts((await watch.next(Changed)).change.symbols) == symbols_of("dummy")


async def test_a_line_that_makes_no_sense_is_handed_on_and_holds_nothing_up(
    kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "SETTLE_LIMIT", NEVER)
    kernel.append("/proc/modules", b"garbage\n")
    kernel.append("/proc/kallsyms", b"ffff t stray\t[garbage]\n")
    async with watching(kernel, first=False) as watch:
        assert (await watch.next(TableRead)).table.malformed == ("garbage",)
        await watch.next(SymbolsRead)
        kernel.load("dummy")
        assert counts((await watch.next(Changed)).change.symbols) == symbols_of("dummy")


# The end


async def test_closing_it_leaves_nothing_behind(kernel: SimulatedKernel) -> None:
    host = StagedHost(kernel)
    host.source = announcer = Announcer()
    events = Monitor(host, interval=NEVER).watch()
    assert isinstance(await anext(events), TableRead)
    assert isinstance(await anext(events), SymbolsRead)
    await events.aclose()  # type: ignore[attr-defined]
    assert announcer.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("moment", ["waiting", "settling"])
async def test_cancelling_it_leaves_nothing_behind(
    kernel: SimulatedKernel, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = StagedHost(kernel)
    host.source = announcer = Announcer()
    async with watching(kernel, host) as watch:
        if moment == "settling":
            monkeypatch.setattr(monitor_module, "QUIET", NEVER)
            monkeypatch.setattr(monitor_module, "SETTLE_LIMIT", NEVER)
            settling, before = asyncio.Event(), host.readings
            tell = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, settling.set)

            def at_the_fifth_reading(path: str, data: bytes) -> bytes:
                if host.readings == before + 5:
                    tell()
                return data

            host.on_read = at_the_fifth_reading
            kernel.load("dummy")
            watch.monitor.read_now()
            async with asyncio.timeout(10):
                await settling.wait()
    assert announcer.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
