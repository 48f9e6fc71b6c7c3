"""The command log: every change as a command, saved as a script."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.screens.command_log import CommandLogScreen
from tests.ui.stage import opened
from tests.ui.test_loading import confirm


async def test_changes_are_commands_and_observations_and_are_saved_as_a_script(
    demo: Demo, kernel: SimulatedKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(demo) as stage:
        await stage.press("at")
        await stage.until("Nothing has been changed")
        await stage.press("escape")
        await confirm(stage, "dummy numdummies=2")
        await stage.press("enter", "U")
        await stage.until("Undo the load of dummy", "y unload")
        await stage.press("y")
        # What is loaded before the change was seen would belong to it.
        await stage.until("Unloaded dummy", "Enter close", lambda: stage.changes == 2)
        await stage.press("enter", "at")
        await stage.until(lambda: isinstance(stage.screen, CommandLogScreen), "2 commands")
        await stage.until("done  modprobe -- dummy numdummies=2", "undoes the load of dummy")
        await stage.other_shell(lambda: kernel.load("tun"))
        await stage.until("1 observed", "observed  tun was loaded (by another program)")
        await stage.press("greater_than_sign")
        await stage.until("Save: Command log", ".sh (shell script)")
        await stage.type("log.sh")
        await stage.press("enter")
        await stage.until(lambda: "Saved" in stage.toasts)
        await stage.press("y", "G", "k", "k", "k", "enter")
        await stage.until(lambda: "as Ansible tasks" in stage.toasts)
        tasks = stage.app.clipboard
    file = tmp_path / "log.sh"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    active = [line for line in file.read_text().splitlines() if line[:1] not in ("#", "")]
    assert active == ["set -e", "modprobe -- dummy numdummies=2", "modprobe -r -- dummy"]
    assert "#   tun was loaded" in file.read_text()
    assert '      - "numdummies=2"\n' in tasks
