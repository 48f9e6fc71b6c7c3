"""A watched module file: each rebuild is noticed, checked and loaded; problems are explained."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kmodtui.demo import Demo
from kmodtui.model.watch.build import Moved
from kmodtui.model.watch.state import Stage, WatchState
from kmodtui.services.machine import Machine
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.watch import examination as service
from kmodtui.services.watch.changes import is_source_file
from kmodtui.services.watch.watch import Watch
from tests.support.rebuilds import FILE, OOPS, WARNING, module
from tests.support.simulated import make_demo
from tests.support.small_recording import VERMAGIC

PATIENCE = 30


class Desk:
    """A developer who rebuilds mine.ko in the demo."""

    def __init__(self, demo: Demo, tmp_path: Path) -> None:
        self.demo = demo
        self.kernel = demo.kernel
        self.machine = Machine(demo.host, DemoRoot(demo))
        self.states: list[WatchState] = []
        self.tmp_path = tmp_path
        self.changed = asyncio.Event()
        self.watch: Watch

    def take(self, state: WatchState) -> None:
        self.states.append(state)
        self.changed.set()

    def write(self, data: bytes) -> None:
        """Replace the file, as a linker does."""
        self.kernel.folder.write(FILE, data)

    @property
    def file(self) -> Path:
        return Path(self.kernel.folder.locate(FILE))

    async def until(self, wanted: Callable[[WatchState], bool]) -> WatchState:
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.watch.state):
                self.changed.clear()
                await self.changed.wait()
        return self.watch.state

    async def stage(self, stage: Stage, number: int = 0) -> WatchState:
        def reached(state: WatchState) -> bool:
            right = state.rebuild is not None and number in (0, state.rebuild.number)
            return state.stage is stage and (right or stage is Stage.WAITING)

        return await self.until(reached)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(make_demo(tmp_path), tmp_path)


@asynccontextmanager
async def watching(desk: Desk, *parameters: str, **options: Any) -> AsyncIterator[Watch]:
    desk.watch = Watch(desk.machine, FILE, parameters, publish=desk.take, **options)
    running = asyncio.create_task(desk.watch.run())
    try:
        yield desk.watch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await desk.machine.close()


async def test_a_key_loads_the_first_build_and_each_rebuild(desk: Desk) -> None:
    desk.write(module(f=16))
    async with watching(desk, "loud=3") as watch:
        state = await desk.stage(Stage.READY)
        assert state.rebuild
        assert state.rebuild.plan
        assert state.rebuild.plan.command_lines == (f"insmod {FILE} loud=3",)
        assert state.rebuild.difference is None
        watch.load()
        await desk.stage(Stage.LOADED)
        assert "mine" in desk.kernel.loaded

        desk.write(module(f=20, g=8))
        state = await desk.stage(Stage.READY, 2)
        assert state.rebuild
        assert state.rebuild.difference
        changes = [(each.moved, each.name) for each in state.rebuild.difference.symbols]
        assert changes == [(Moved.ADDED, "g"), (Moved.GROWN, "f")]
        watch.load()
        state = await desk.stage(Stage.LOADED, 2)
        assert state.rebuild
        assert state.rebuild.plan
        assert state.rebuild.plan.command_lines == ("rmmod -- mine", f"insmod {FILE} loud=3")
        assert state.rebuild.seconds is not None


async def test_ten_rebuilds_are_ten_reloads_and_ten_differences(desk: Desk) -> None:
    desk.write(module(f=1))
    async with watching(desk, automatic=True, confirmed=True):
        await desk.stage(Stage.LOADED, 1)
        for number in range(2, 12):
            desk.write(module(f=number))
            await desk.stage(Stage.LOADED, number)
    loaded = [state.rebuild for state in desk.states if state.stage is Stage.LOADED]
    changes = {
        each.number: [(c.before, c.after) for c in each.difference.symbols]
        for each in loaded
        if each is not None and each.difference is not None
    }
    assert changes == {number: [(number - 1, number)] for number in range(2, 12)}
    assert desk.watch.state.loads == 11


async def test_nothing_is_loaded_automatically_before_a_key_confirmed_it(desk: Desk) -> None:
    desk.write(module(f=1))
    async with watching(desk, automatic=True) as watch:
        await desk.stage(Stage.READY)
        assert "mine" not in desk.kernel.loaded
        watch.load()
        await desk.stage(Stage.LOADED)
        desk.write(module(f=2))
        state = await desk.stage(Stage.LOADED, 2)
        assert state.rebuild
        assert state.rebuild.automatic


async def test_a_half_written_file_is_waited_for(desk: Desk) -> None:
    whole = module(f=16)
    desk.write(whole)
    async with watching(desk, automatic=True, confirmed=True):
        await desk.stage(Stage.LOADED)
        new = module(f=24)
        with desk.file.open("wb") as file:
            file.write(new[: len(new) // 2])
            file.flush()
            state = await desk.stage(Stage.INCOMPLETE)
            assert "mine" in desk.kernel.loaded
            file.write(new[len(new) // 2 :])
        state = await desk.stage(Stage.LOADED, 2)
        assert state.rebuild
    stages = [state.stage for state in desk.states]
    assert Stage.BROKEN not in stages


async def test_a_file_that_stays_half_written_is_a_broken_build(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "COMPLETE", 0.1)
    desk.write(module(f=16))
    async with watching(desk, automatic=True, confirmed=True):
        await desk.stage(Stage.LOADED)
        desk.write(module(f=24)[:300])
        state = await desk.stage(Stage.BROKEN, 2)
        assert state.rebuild
        assert state.rebuild.problem
        assert state.rebuild.problem.cause.startswith(f"{FILE} is truncated")
        assert state.loaded
        desk.write(b"#!/bin/sh\n")
        state = await desk.until(
            lambda now: bool(
                now.rebuild and now.rebuild.problem and "not an ELF" in now.rebuild.problem.cause
            )
        )
        desk.write(module(f=25))
        await desk.until(lambda now: now.stage is Stage.LOADED and now.loads == 2)


async def test_a_build_for_another_kernel_is_not_loaded(desk: Desk) -> None:
    desk.write(module(f=16))
    async with watching(desk, automatic=True, confirmed=True):
        await desk.stage(Stage.LOADED)
        desk.write(module(f=16, vermagic=VERMAGIC.replace("6.1", "5.10")))
        state = await desk.stage(Stage.REFUSED, 2)
        assert state.rebuild
        assert state.rebuild.problem
        assert state.rebuild.problem.title == "It was built for another kernel"
        assert "headers" in state.rebuild.problem.remedy or state.rebuild.problem.remedy
        assert state.loaded


async def test_after_an_init_that_fails_the_earlier_build_can_be_loaded(desk: Desk) -> None:
    first = module(f=16)
    desk.write(first)
    async with watching(desk, "loud=3", automatic=True, confirmed=True) as watch:
        await desk.stage(Stage.LOADED)
        desk.kernel.init_errors["mine"] = lambda _: errno.ENODEV
        desk.write(module(f=24))
        state = await desk.stage(Stage.FAILED, 2)
        assert (state.loaded, state.old is not None) == (False, True)
        assert state.rebuild
        assert state.rebuild.problem
        assert state.rebuild.problem.cause
        del desk.kernel.init_errors["mine"]
        watch.load_old()
        state = await desk.stage(Stage.LOADED)
        assert state.rebuild
        assert state.rebuild.old
        recorded = desk.kernel.recording("mine")
        assert recorded
        assert recorded.file
        assert recorded.file.read_bytes() == first
        assert desk.machine.done.given("mine") == ("loud=3",)
    # It is the file of the loaded module now.
    assert desk.demo.host.read(watch.kept) == first


async def test_a_module_that_is_held_is_tried_again_on_a_key(desk: Desk) -> None:
    desk.write(module(f=16))
    async with watching(desk, automatic=True, confirmed=True) as watch:
        await desk.stage(Stage.LOADED)
        desk.kernel.hold("mine")
        desk.write(module(f=24))
        state = await desk.stage(Stage.REFUSED, 2)
        assert state.rebuild
        assert state.rebuild.problem
        assert "in use" in state.rebuild.problem.cause
        assert state.loaded
        desk.kernel.hold("mine", -1)
        watch.load()
        await desk.until(lambda now: now.stage is Stage.LOADED and now.loads == 2)


async def test_a_warning_of_the_module_stops_loading_automatically(desk: Desk) -> None:
    desk.write(module(f=16))
    async with watching(desk, automatic=True, confirmed=True) as watch:
        await desk.stage(Stage.LOADED)
        await desk.until(lambda now: now.follows_log)
        desk.kernel.folder.write("/proc/sys/kernel/tainted", b"512\n")
        for line in WARNING:
            desk.kernel.printk(4, line)
        state = await desk.until(lambda now: bool(now.troubles))
        assert state.troubles[0].place == "f+0x4"
        assert state.troubles[0].source == "/home/me/drv/mine.c:12"
        assert state.troubles[0].taint == "W"
        assert not state.automatic
        desk.write(module(f=24))
        await desk.stage(Stage.READY, 2)
        watch.load()
        state = await desk.stage(Stage.LOADED, 2)
        assert not state.troubles


async def test_an_oops_during_the_load_is_its_outcome(desk: Desk) -> None:
    def init(_: Mapping[str, str]) -> int:
        for line in OOPS:
            desk.kernel.printk(1, line)
        return errno.EFAULT

    desk.write(module(f=16))
    desk.kernel.init_errors["mine"] = init
    async with watching(desk, automatic=True, confirmed=True):
        state = await desk.stage(Stage.FAILED)
        assert state.rebuild
        assert state.rebuild.problem
        assert state.rebuild.problem.title == "The load ended in an oops"
        assert "Reboot" in state.rebuild.problem.remedy
        assert not state.automatic
        assert state.troubles[0].place == "f+0x4"


async def test_make_runs_when_a_source_changes(desk: Desk) -> None:
    folder = desk.tmp_path / "src"
    folder.mkdir()
    built = desk.tmp_path / "built.ko"
    built.write_bytes(module(f=16))
    (folder / "Makefile").write_text(f"all:\n\t@test ! -e bad.c\n\t@cp {built} {desk.file}\n")
    os.makedirs(desk.file.parent, exist_ok=True)
    async with watching(desk, automatic=True, confirmed=True, make=str(folder)):
        await desk.stage(Stage.LOADED, 1)
        (folder / "bad.c").write_text("x")
        state = await desk.stage(Stage.BROKEN, 2)
        assert state.rebuild
        assert state.rebuild.problem
        assert state.rebuild.problem.title == "make failed"
        assert state.loaded
        built.write_bytes(module(f=32))
        (folder / "bad.c").unlink()
        state = await desk.until(lambda now: now.stage is Stage.LOADED and now.loads == 2)


async def test_a_file_that_does_not_exist_yet_is_waited_for(desk: Desk) -> None:
    os.makedirs(desk.file.parent, exist_ok=True)
    async with watching(desk, automatic=True, confirmed=True):
        await desk.until(lambda now: "does not exist yet" in now.note)
        desk.write(module(f=16))
        await desk.stage(Stage.LOADED)
        desk.file.unlink()
        await desk.until(lambda now: "does not exist yet" in now.note)
        desk.write(module(f=16))
        await desk.until(lambda now: "is loaded as it is" in now.note)
        assert desk.watch.state.loads == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("hello.c", True), ("sub/hello.h", True), ("Makefile", True), ("Kbuild", True),
        ("hello.o", False), ("hello.ko", False), ("hello.mod.c", False), (".hello.ko.cmd", False),
        (".git/x.c", False), ("Module.symvers", False),
    ],
)  # fmt: skip
def test_what_make_writes_is_not_a_source(path: str, source: bool) -> None:
    assert is_source_file(path) is source
