"""An experiment with keys: nothing runs before y, and the report grows stage by stage."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.experiment import report as model
from kmodtui.services import experiment
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.screens.experiment import ExperimentScreen
from tests.support.elf import make_module
from tests.support.small_recording import VERMAGIC
from tests.ui.stage import Stage, opened


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "UNUSED_LIMIT", 0.3)
    monkeypatch.setattr(experiment, "_STEP", 0.01)


async def plan(stage: Stage, name: str, keys: str = "y start") -> None:
    await stage.press("x")
    await stage.until(lambda: isinstance(stage.screen, ModulePicker))
    await stage.until("Experiment: load, inspect, unload, inspect")
    await stage.type(name)
    await stage.until(name)
    await stage.press("enter")
    await stage.until(lambda: isinstance(stage.screen, ExperimentScreen), keys)


async def test_btrfs_is_loaded_looked_at_and_unloaded(demo: Demo, kernel: SimulatedKernel) -> None:
    before = kernel.loaded
    async with opened(demo, size=(120, 60)) as stage:
        await plan(stage, "btrfs")
        assert stage.words.count("insmod ") == 6
        assert "# modprobe -r -- btrfs" in stage.words
        assert "nothing on your machine is changed" in stage.words
        assert kernel.loaded == before
        await stage.press("y")
        await stage.until("None. Modules, symbols, devices", "Enter close")
        for number, title in enumerate(
            ("Before", "Load", "Added", "Unload", "After", "Differences"), 1
        ):
            assert f"✓ {number} {title}" in stage.words
        assert "+6 modules · +369 symbols" in stage.words
        assert "btrfs +240" in stage.words
        assert "Btrfs loaded, crc32c=crc32c-generic" in stage.words
        assert stage.words.count("0 symbols of btrfs in /proc/kallsyms") == 2
        assert kernel.loaded == before
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
        # Whoever watches has seen two changes, each with its cause.
        await stage.until(lambda: len(stage.app.live.timeline) == 2)
        causes = [event.change.cause for event in stage.app.live.timeline.events]
        assert causes == ["modprobe -- btrfs", "modprobe -r -- btrfs"]


async def test_a_file_is_loaded_looked_at_and_unloaded(demo: Demo, kernel: SimulatedKernel) -> None:
    strings = (b"license=GPL", b"name=mine", b"vermagic=" + VERMAGIC.encode())
    path = "/home/me/build/other.ko"
    kernel.folder.write(path, make_module(strings))
    before = kernel.loaded
    async with opened(demo, size=(120, 60)) as stage:
        await stage.press("x")
        await stage.until("Experiment: load, inspect, unload, inspect")
        await stage.type(path)
        await stage.until(path)
        await stage.press("enter")
        await stage.until("p: plan to insert it")
        await stage.press("p")
        await stage.until(lambda: isinstance(stage.screen, ExperimentScreen), "y start")
        assert f"# insmod {path}" in stage.words
        assert "# rmmod -- mine" in stage.words
        await stage.press("y")
        # The taint stays, as on any kernel.
        await stage.until("Enter close", "Unloaded mine")
        assert kernel.loaded == before


async def test_the_verdict_is_in_view_where_the_report_is_longer_than_the_screen(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is drawn last is drawn once all else has been scrolled.
    check_again = experiment._Run._check_again

    async def calmly(run: experiment._Run, before: model.Observation) -> None:
        run._enter(model.Stage.CHECK_AGAIN)
        await stage.calm()
        await check_again(run, before)

    monkeypatch.setattr(experiment._Run, "_check_again", calmly)
    async with opened(demo, size=(80, 24)) as stage:
        await plan(stage, "btrfs")
        await stage.press("y")
        await stage.until("None. Modules, symbols, devices", "Enter close")


async def test_nothing_runs_without_a_yes(demo: Demo, kernel: SimulatedKernel) -> None:
    before = kernel.loaded
    async with opened(demo) as stage:
        await plan(stage, "dummy")
        await stage.press("enter", "x", "space")
        await stage.calm()
        assert isinstance(stage.screen, ExperimentScreen)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert kernel.loaded == before
        assert len(stage.app.live.timeline) == 0


async def test_what_stays_is_told_with_its_reason(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await plan(stage, "binder_linux")
        await stage.press("y")
        await stage.until("1 difference from the state before", "Enter close")
        assert "✗ 4 Unload" in stage.words
        assert "! 6 Differences" in stage.words
        assert "module binder_linux it cannot be unloaded: it has no exit function" in stage.words


async def test_a_load_that_fails_is_explained_and_leaves_nothing(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    before = kernel.loaded
    async with opened(demo) as stage:
        await plan(stage, "nbd max_part=100000")
        await stage.press("y")
        await stage.until("None. Modules, symbols, devices", "Enter close")
        assert "✗ 2 Load" in stage.words
        assert "Invalid argument for nbd" in stage.words
        assert kernel.loaded == before


async def test_a_module_that_is_loaded_already_is_refused(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("x")
        await stage.until(lambda: isinstance(stage.screen, ModulePicker))
        await stage.type("ext4")
        await stage.press("enter")
        await stage.until(lambda: "ext4 is already loaded" in stage.toasts + stage.text)
        assert not isinstance(stage.screen, ExperimentScreen)


async def test_without_root_its_plan_is_shown_and_not_carried_out(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, root=NoRoot("kmodtui was started with --read-only.")) as stage:
        await plan(stage, "tun", keys="Esc close")
        assert stage.part("#dialog-keys")[0].strip() == "kmodtui was started with --read-only."
        await stage.press("y", "enter")
        await stage.calm()
        assert isinstance(stage.screen, ExperimentScreen)
        assert not kernel.log
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_who_stops_waiting_is_told_what_may_be_left(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await plan(stage, "tun")
        kernel.init_errors["tun"] = lambda _: kernel.hold("tun") or 0
        experiment.UNUSED_LIMIT = 60
        await stage.press("y")
        await stage.until("▸ 4", "unloading…")
        await stage.press("escape")
        await stage.until(
            lambda: "tun may still be loaded: select it and press - to unload" in stage.toasts
        )
        assert stage.screen is stage.dashboard
        assert "tun" in kernel.loaded


async def test_a_fault_in_the_middle_is_told_without_its_words(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("an unexpected thing")

    monkeypatch.setattr(experiment, "left_behind", broken)
    async with opened(demo, faults=["an unexpected thing"]) as stage:
        await plan(stage, "dummy")
        await stage.press("y")
        await stage.until("Internal error (a bug in kmodtui).", "Enter close")
        assert "✗ 5 After" in stage.words
        assert "unexpected" not in stage.text
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
