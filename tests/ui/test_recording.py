"""Recording the timeline from the dashboard, and the archive of a bug report."""

from __future__ import annotations

import tarfile
from pathlib import Path

from kmodtui.demo import Demo
from kmodtui.services.timeline.recording import read_recording
from kmodtui.ui.dialogs.save import SaveDialog
from tests.ui.stage import Stage, opened


async def save_as(stage: Stage, action: str, path: Path) -> None:
    """Start one of the commands, and give it a file."""
    await stage.dashboard.run_action(action)
    await stage.until(lambda: isinstance(stage.screen, SaveDialog))
    await stage.press("ctrl+u")
    await stage.type(str(path))
    await stage.until(str(path))
    await stage.press("enter")


async def test_the_timeline_is_recorded_until_the_command_is_given_again(
    demo: Demo, tmp_path: Path
) -> None:
    path = tmp_path / "mine.kmodtui-record"
    async with opened(demo) as stage:
        await save_as(stage, "record", path)
        await stage.until(lambda: "Recording the timeline" in stage.toasts)
        # The recording has read what is loaded once the file has its first event.
        await stage.until(lambda: path.stat().st_size > 100)
        demo.kernel.load("vfat")
        before = path.stat().st_size
        await stage.until(lambda: path.stat().st_size > before)
        await stage.dashboard.run_action("record")
        await stage.until(lambda: "Recording ended" in stage.toasts)
    kinds = [event.kind for event in read_recording(path).events]
    assert kinds[0] == "start"
    assert "modules" in kinds


async def test_a_bug_report_is_saved_about_the_selected_module(demo: Demo, tmp_path: Path) -> None:
    path = tmp_path / "mine.tar.gz"
    async with opened(demo) as stage:
        await save_as(stage, "report", path)
        await stage.until(lambda: "Bug report saved" in stage.toasts)
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"INDEX.txt", "doctor.txt", "modules.json", "hello/why.txt"} <= set(names)
