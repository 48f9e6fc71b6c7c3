"""A few screens as pictures: whoever changes how kmodtui looks, looks at it.

After a change that is meant, `pytest tests/ui/test_pictures.py --snapshot-update`
draws them anew; they are SVG, in `__snapshots__`, to be looked at in a browser.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.services.monitor import Changed, Monitor, MonitorEvent
from kmodtui.ui import app
from kmodtui.ui.widgets.panes import modules as modules_pane
from tests.ui.stage import Stage, opened

NOON = 1_764_504_000.0
"""12:00:00 UTC on 30 November 2025."""


class StillMonitor(Monitor):
    """A monitor for which every change happens at noon and takes as long."""

    async def watch(self) -> AsyncIterator[MonitorEvent]:
        async for event in super().watch():
            if isinstance(event, Changed):
                event = replace(event, change=replace(event.change, when=NOON, took=0.21))
            yield event


class Picture(SingleFileSnapshotExtension):
    file_extension = "svg"
    _write_mode = WriteMode.TEXT


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(app, "Monitor", StillMonitor)
    monkeypatch.setattr(modules_pane, "FLASH_SECONDS", 0.01)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def drawn(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Picture)


async def picture(stage: Stage) -> str:
    await stage.calm()
    svg = stage.app.export_screenshot(title="kmodtui", simplify=True)
    # Each export has an id of its own; where the fonts come from does not matter.
    svg = re.sub(r"terminal-\d+-", "", svg)
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_dashboard(demo: Demo, drawn: SnapshotAssertion, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as stage:
        await stage.select("ext4")
        await stage.until(lambda: size[0] == 80 or "3 Info: ext4" in stage.text)
        assert await picture(stage) == drawn


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_after_a_load_by_another_shell(
    demo: Demo, kernel: SimulatedKernel, drawn: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await stage.other_shell(lambda: kernel.load("btrfs"))
        await stage.press("4")
        await stage.until("4 Change 1")
        assert await picture(stage) == drawn


async def test_the_plan_of_an_unload(
    demo: Demo, kernel: SimulatedKernel, drawn: SnapshotAssertion
) -> None:
    kernel.load("btrfs")
    async with opened(demo, size=(80, 24)) as stage:
        await stage.select("btrfs")
        await stage.press("minus")
        await stage.until("y unload")
        assert await picture(stage) == drawn


async def test_the_screen_without_modules(
    demo: Demo, kernel: SimulatedKernel, drawn: SnapshotAssertion
) -> None:
    kernel.folder.remove("/proc/modules")
    async with opened(demo, size=(80, 24), ready=False) as stage:
        await stage.until("405 symbols")
        assert await picture(stage) == drawn
