"""What the dashboard says of root: whether it is held, how it is had, why it is not to be had."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from kmodtui import __version__
from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.scope import Scope
from kmodtui.privileged import elevation, installation
from kmodtui.privileged.elevation import AlreadyRoot
from kmodtui.services import experiment as experiment_service
from kmodtui.services.machine import Machine
from kmodtui.services.root import local as root_service
from kmodtui.services.root.access import AS_ROOT
from kmodtui.services.root.local import LocalRoot
from tests.ui.helpers_that_fail import RootThrough
from tests.ui.stage import Stage, opened


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_service, "UNUSED_LIMIT", 0.3)
    monkeypatch.setattr(experiment_service, "_STEP", 0.01)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let root be this machine's, and its helper a file that everybody can write to."""
    own = tmp_path / "own" / "helper.py"
    own.parent.mkdir()
    own.write_text(f'VERSION = "{__version__}"\n')
    own.chmod(0o666)
    monkeypatch.setattr(installation, "OWN", own)
    monkeypatch.setattr(root_service, "detect", lambda _: AlreadyRoot())
    return own


async def test_the_plan_tells_who_else_could_write_to_the_helper(demo: Demo, local: Path) -> None:
    async with opened(demo, root=LocalRoot()) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload")
        await stage.until(
            lambda: "is writable without root privileges: whoever can write there" in stage.words,
            lambda: "kmodtui helper install prevents that." in stage.words,
        )


async def test_the_plan_tells_of_an_installed_helper_of_another_version(
    demo: Demo, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = local.with_name("kmodtui-helper")
    installed.write_text('VERSION = "0.0.1"\n')
    monkeypatch.setattr(installation.mismatch, "__defaults__", (installed,))
    async with opened(demo, size=(80, 24), root=LocalRoot()) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload")
        await stage.until(
            lambda: f"has version 0.0.1, this kmodtui {__version__}" in stage.words,
            lambda: "Update it with: kmodtui helper install." in stage.words,
        )


async def test_the_header_never_stops_to_say_that_kmodtui_runs_as_root(demo: Demo) -> None:
    class Root(RootThrough):
        state = AS_ROOT

    async with opened(demo, size=(80, 24), root=Root(demo)) as stage:
        assert stage.header.rstrip().endswith(" · running as root")
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload")
        await stage.press("y")
        await stage.until("Unloaded hello")
        await stage.press("enter")
        await stage.until(lambda: " · running as root · helper running" in stage.header)
        await stage.press("D")
        await stage.until(lambda: stage.header.rstrip().endswith(" · running as root"))


async def read_addresses(stage: Stage) -> None:
    await stage.press("A")
    await stage.until("Read symbol addresses")
    await stage.press("y")


async def experiment(stage: Stage) -> None:
    await stage.press("x")
    await stage.until("Experiment: load, inspect, unload, inspect")
    await stage.type("dummy")
    await stage.press("enter")
    await stage.until("y start")
    await stage.press("y")
    await stage.until("Enter close")
    await stage.press("enter")
    await stage.until(lambda: stage.screen is stage.dashboard)


async def unload(stage: Stage) -> None:
    await stage.select("hello")
    await stage.press("minus")
    await stage.until("y unload")
    await stage.press("y")
    await stage.until("Unloaded hello")
    await stage.press("enter")
    await stage.until(lambda: stage.screen is stage.dashboard)


ENDS = {
    "idle": ("Root session ended", "the helper had no request for a while", "root: off (idle)"),
    "": (
        "privileged helper failed",
        "has ended unexpectedly.",
        "root: off (helper exited)",
    ),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("use", [unload, experiment, read_addresses])
async def test_wherever_root_was_had_its_end_is_told_with_the_reason(
    demo: Demo, use: Callable[[Stage], Awaitable[None]], end: str
) -> None:
    async with opened(demo, root=(root := RootThrough(demo))) as stage:
        await use(stage)
        word = "reading" if use is read_addresses else "on"
        await stage.until(lambda: f"root: {word} (a test)" in stage.header)
        await stage.press("t")
        await stage.until("Timeline")
        root.sessions[0].end(end)
        title, reason, header = ENDS[end]
        await stage.until(lambda: reason in stage.toasts, lambda: title in stage.toasts)
        assert "The next change starts the helper again." in stage.toasts
        assert header in stage.header  # of the timeline, and of what it lies on
        await stage.press("t")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert header in stage.header
        await unload(stage) if use is not unload else await experiment(stage)
        await stage.until(lambda: "root: on (a test)" in stage.header)
        assert len(root.sessions) == 2


async def test_what_an_answer_was_waited_for_is_told_once(demo: Demo) -> None:
    async with opened(demo, root=RootThrough(demo, first="on_result")) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload")
        await stage.press("y")
        await stage.until("The privileged helper failed", "may or may not have taken effect")
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.until(lambda: "root: off (helper exited)" in stage.header)
        assert not stage.toasts


async def test_root_had_in_the_browser_is_in_the_header_behind_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("B")
        await stage.until("All symbols of /proc/kallsyms")
        await stage.press("tab")
        await read_addresses(stage)
        await stage.until(lambda: stage.dashboard.machine.sessions.reading)
        await stage.until("All symbols of /proc/kallsyms")
        await stage.press("q")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.until(lambda: "root: reading (demo)" in stage.header)


async def test_a_session_that_reads_is_not_used_to_change_something(demo: Demo) -> None:
    async with opened(demo, root=(root := RootThrough(demo))) as stage:
        await stage.press("A")
        await stage.until("Read symbol addresses", "This session can only read")
        await stage.press("y")
        await stage.until(lambda: "root: reading (a test)" in stage.header)
        (reading,) = root.sessions
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload", root.sentence)  # it may ask again
        await stage.press("y")
        await stage.until("Unloaded hello")
        await stage.press("enter")
        await stage.until(lambda: "root: on (a test)" in stage.header)
        assert len(root.sessions) == 2
        assert reading.operations == {"kallsyms"}
        assert "kallsyms" not in root.sessions[1].operations

        # What may change the machine may also read, and D ends both.
        await stage.press("A")
        await stage.until("Read symbol addresses", root.held)
        await stage.press("y")
        await stage.until(lambda: "kallsyms" in root.sessions[1].operations)
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.press("D")
        await stage.until(lambda: "root: off" in stage.header)
        assert stage.dashboard.machine.sessions.all_open == []


async def test_a_session_that_reads_refuses_to_change_something(demo: Demo) -> None:
    session = await demo.start_channel(Scope.READ)
    assert "kallsyms" in session.hello.operations
    assert not {"load", "unload", "insert", "delete"} & set(session.hello.operations)
    refused = await session.unload(["hello"])
    assert (refused.code, refused.message) == ("invalid", "This session can only read.")
    assert (await session.kallsyms()).ok
    await session.close()


async def test_an_answer_that_nobody_asked_for_is_shown(demo: Demo) -> None:
    async with opened(demo, root=(root := RootThrough(demo))) as stage:
        await unload(stage)
        await stage.until(lambda: "root: on (a test)" in stage.header)
        root.sessions[0].say({"serial": 99, "id": 7, "data": ""})
        await stage.until(
            lambda: "which kmodtui did not expect" in stage.toasts,
            lambda: "Root session ended" in stage.toasts,
            lambda: "root: off (unexpected answer)" in stage.header,
        )


async def test_two_who_need_root_at_once_share_one_session(demo: Demo) -> None:
    machine = Machine(demo.host, root := RootThrough(demo))
    one, other = await asyncio.gather(machine.channel(nullcontext), machine.channel(nullcontext))
    assert one is other
    assert len(root.sessions) == 1
    await machine.close()


async def test_without_any_way_to_root_everything_is_looked_at_and_nothing_changed(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevation, "_DIRECTORIES", ())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    async with opened(demo, root=LocalRoot()) as stage:
        assert "root: denied" in stage.header
        await stage.other_shell(lambda: kernel.load("btrfs"))
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("Unload hello", "Esc close")
        assert "none of sudo, doas, run0 and pkexec is installed." in stage.words
        assert "Log in as root, or install sudo" in stage.words
        await stage.press("y", "escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert "hello" in kernel.loaded
