"""The live system: one place for the state of a running system, and everybody hears of changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.proc_modules import read_raw
from kmodtui.model.history import Event
from kmodtui.model.usage import Usage
from kmodtui.services.live import LiveSystem
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.usage import usage_of
from tests.support.simulated import make_demo


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


class Following:
    """A live system that is followed, and what it has published."""

    def __init__(self, demo: Demo) -> None:
        machine = Machine(demo.host, DemoRoot(demo))
        self.live = LiveSystem(machine, Monitor(demo.host, interval=0.02))
        self.changes: list[Event] = []
        self.failures: list[BaseException] = []
        self.published: list[str] = []
        self._news = asyncio.Event()
        self.live.changed.subscribe(self.changes.append)
        self.live.failed.subscribe(self.failures.append)
        for name in (
            "table_read",
            "symbols_read",
            "changed",
            "timeline_changed",
            "index_read",
            "status_changed",
            "refreshed",
            "failed",
        ):
            getattr(self.live, name).subscribe(lambda _, name=name: self._note(name))

    def _note(self, name: str) -> None:
        self.published.append(name)
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def following(demo: Demo) -> AsyncIterator[Following]:
    async with running(Following(demo)) as follower:
        yield follower


@asynccontextmanager
async def running(follower: Following) -> AsyncIterator[Following]:
    task = asyncio.create_task(follower.live.run())
    try:
        await follower.until(lambda: "index_read" in follower.published)
        yield follower
    finally:
        task.cancel()
        await asyncio.wait({task})
        await follower.live.machine.close()


async def test_it_holds_modules_symbols_and_the_beginning_of_the_timeline(demo: Demo) -> None:
    async with following(demo) as follower:
        live = follower.live
        assert [module.name for module in live.table] == list(demo.kernel.loaded)
        assert live.symbols is not None
        assert live.timeline.began
        assert live.status.modules == len(live.table)
        first = dict.fromkeys(follower.published)
        expected = ["status_changed", "table_read", "symbols_read", "timeline_changed"]
        assert list(first)[:4] == expected


async def test_symbols_are_read_once_the_modules_are_shown(demo: Demo) -> None:
    follower = Following(demo)
    drawing, drawn = asyncio.Event(), asyncio.Event()

    async def shown() -> None:
        drawing.set()
        await drawn.wait()

    task = asyncio.create_task(follower.live.run(shown))
    await drawing.wait()
    assert follower.live.table.modules
    assert "symbols_read" not in follower.published
    demo.kernel.load("dummy")  # what happens meanwhile is not lost
    drawn.set()
    await follower.until(lambda: "dummy" in follower.live.table.by_name)
    await follower.until(lambda: follower.live.symbols)
    task.cancel()
    await asyncio.wait({task})
    await follower.live.machine.close()


async def test_a_change_by_another_shell_is_published_with_all_that_belongs_to_it(
    demo: Demo,
) -> None:
    async with following(demo) as follower:
        live = follower.live
        demo.kernel.load("btrfs")
        await follower.until(lambda: follower.changes)
        (event,) = follower.changes
        assert event.change.origin == 0
        assert {module.name for module in event.change.loaded} == live.new >= {"btrfs"}
        assert live.symbols is not None
        assert len(live.symbols.of("btrfs"))
        assert [kept.change.number for kept in live.timeline.events] == [1]


async def test_what_stays_loaded_after_an_unload_is_part_of_the_change(demo: Demo) -> None:
    demo.kernel.load("btrfs")
    async with following(demo) as follower:
        demo.kernel.unload("btrfs")
        await follower.until(lambda: follower.changes)
        assert follower.changes[0].still_loaded == {"crc32c_generic": "softdep of libcrc32c"}
        assert follower.live.timeline.events[0].still_loaded == follower.changes[0].still_loaded


async def test_a_command_recognizes_its_own_change_by_its_number(demo: Demo) -> None:
    async with following(demo) as follower:
        with follower.live.one_change("modprobe dummy") as first:
            demo.kernel.load("dummy")
        await follower.until(lambda: len(follower.changes) == 1)
        demo.kernel.unload("dummy")
        await follower.until(lambda: len(follower.changes) == 2)
        with follower.live.one_change("modprobe dummy") as second:
            demo.kernel.load("dummy")
        await follower.until(lambda: len(follower.changes) == 3)
        assert [event.change.origin for event in follower.changes] == [first, 0, second]
        assert first != second


async def test_marks_and_highlights_go_with_their_module(demo: Demo) -> None:
    async with following(demo) as follower:
        live = follower.live
        demo.kernel.load("dummy")
        await follower.until(lambda: "dummy" in live.new)
        live.marked |= {"dummy", "ext4"}
        demo.kernel.unload("dummy")
        await follower.until(lambda: len(follower.changes) == 2)
        assert live.marked == {"ext4"}
        assert live.new == set()


async def test_addresses_last_until_the_next_reading(demo: Demo) -> None:
    rows = demo.kernel.folder.read("/proc/kallsyms")
    demo.kernel.folder.write("/proc/kallsyms", re.sub(rb"(?m)^[0-9a-f]{16}", b"0" * 16, rows))
    async with following(demo) as follower:
        live = follower.live
        assert live.symbols is not None
        assert live.symbols.addresses_hidden
        live.take_addresses(parse_symbols(rows))
        assert live.addresses_read
        assert not live.symbols.addresses_hidden
        demo.kernel.load("dummy")
        await follower.until(lambda: follower.changes)
        assert not live.addresses_read


async def test_a_pause_and_what_it_ends_with_are_in_the_status(demo: Demo) -> None:
    async with following(demo) as follower:
        live = follower.live
        live.paused = True
        assert live.status.paused
        live.paused = False
        assert not live.status.paused
        assert "refreshed" not in follower.published
        live.read_now()
        assert "refreshed" in follower.published


async def test_symbols_that_cannot_be_read_are_a_failure_and_the_timeline_begins(
    demo: Demo,
) -> None:
    demo.kernel.folder.remove("/proc/kallsyms")
    async with following(demo) as follower:
        live = follower.live
        assert live.symbols is None
        assert "/proc/kallsyms" in live.symbols_problem
        assert live.timeline.began
        assert all(isinstance(failure, KmodtuiError) for failure in follower.failures)


async def test_the_timeline_does_not_begin_before_the_modules_could_be_read(demo: Demo) -> None:
    modules = demo.kernel.folder.read("/proc/modules")
    follower = Following(demo)
    demo.kernel.folder.remove("/proc/modules")
    task = asyncio.create_task(follower.live.run())
    try:
        await follower.until(lambda: follower.failures)
        assert not follower.live.timeline.began
        demo.kernel.folder.write("/proc/modules", modules)
        await follower.until(lambda: follower.live.timeline.began)
        assert follower.live.timeline.totals.modules == len(demo.kernel.loaded)
    finally:
        task.cancel()
        await asyncio.wait({task})
        await follower.live.machine.close()


async def test_an_error_of_a_subscriber_is_published_and_ends_nothing(demo: Demo) -> None:
    async with following(demo) as follower:

        def broken(_event: Event) -> None:
            raise RuntimeError("this is a bug")

        follower.live.changed.subscribe(broken)
        demo.kernel.load("dummy")
        await follower.until(lambda: follower.failures)
        assert str(follower.failures[0]) == "this is a bug"
        demo.kernel.unload("dummy")
        await follower.until(lambda: len(follower.changes) == 2)
        assert not follower.live.status.stopped


async def test_an_error_of_a_subscriber_keeps_nothing_else_from_being_published(
    demo: Demo,
) -> None:
    async with following(demo) as follower:

        def broken(_value: object) -> None:
            raise RuntimeError("this is a bug")

        follower.live.changed.subscribe(broken)
        follower.live.status_changed.subscribe(broken)
        follower.published.clear()
        demo.kernel.load("dummy")
        await follower.until(lambda: "timeline_changed" in follower.published)
        assert "table_read" in follower.published
        assert len(follower.failures) == 2


async def test_an_error_in_watching_is_published_and_in_the_status(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(demo) as follower:

        async def broken(self: Monitor, _uevents: object) -> None:
            raise RuntimeError("this is a bug")

        monkeypatch.setattr(Monitor, "_follow", broken)
        follower.live.read_now()
        await follower.until(lambda: follower.live.status.stopped)
        await follower.until(lambda: follower.failures)


async def test_a_kernel_without_modules_is_not_watched_and_its_symbols_are_read_once(
    demo: Demo,
) -> None:
    demo.kernel.folder.remove("/proc/modules")
    follower = Following(demo)
    live = follower.live
    assert not live.has_modules
    await live.read_symbols()
    assert live.symbols is not None
    assert follower.published == ["symbols_read"]


async def test_uses_are_read_again_when_a_count_changes_and_not_while_nothing_does(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings, polls = 0, 0

    def counted_usage(*arguments: Any, **options: Any) -> Usage:
        nonlocal readings
        readings += 1
        return usage_of(*arguments, **options)

    def counted_poll(host: Host) -> bytes:
        nonlocal polls
        polls += 1
        follower._news.set()
        return read_raw(host)

    monkeypatch.setattr("kmodtui.services.usage.usage_of", counted_usage)
    monkeypatch.setattr("kmodtui.services.monitor.read_raw", counted_poll)
    mount = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
    demo.kernel.folder.write("/proc/self/mountinfo", mount)
    follower = Following(demo)
    async with running(follower):
        usage = follower.live.usage
        await follower.until(lambda: "ext4" in usage.now.by_module)
        demo.kernel.folder.write("/proc/self/mountinfo", b"")
        demo.kernel.hold("ext4", 1)
        await follower.until(lambda: not usage.now.by_module)
        readings, polls = 0, 0
        await follower.until(lambda: polls == 5)
        assert readings == 0
