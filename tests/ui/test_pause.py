"""Pausing, and reading at a key."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.ui.stage import opened


async def test_what_happens_while_paused_is_shown_after_it(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.press("p")
        await stage.until(lambda: "PAUSED" in stage.header)
        kernel.load("vfat")
        kernel.hold("ext4", 3)
        await stage.calm(0.4)
        assert "vfat" not in stage.modules
        assert stage.row("ext4")[3] == "1"
        assert "10 modules" in stage.header
        assert "Waiting for a module" in stage.pane_words("symbols")
        await stage.press("p")
        await stage.until(lambda: "vfat" in stage.modules, "4 Change 1", "loaded vfat fat")
        assert stage.row("ext4")[3] == "4"
        assert "PAUSED" not in stage.header


async def test_r_reads_once_while_paused(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await stage.press("p")
        await stage.until(lambda: "PAUSED" in stage.header)
        kernel.hold("ext4", 3)
        await stage.press("r")
        await stage.until(lambda: stage.row("ext4")[3] == "4")
        assert "PAUSED" in stage.header
        kernel.hold("ext4", 3)
        await stage.calm()
        assert stage.row("ext4")[3] == "4"
        await stage.press("f5")
        await stage.until(lambda: stage.row("ext4")[3] == "7")


async def test_keys_work_while_paused(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("p")
        await stage.until(lambda: "PAUSED" in stage.header)
        await stage.select("ext4")
        await stage.until("3 Info: ext4")
        await stage.press("slash", "4")
        await stage.until(lambda: stage.modules == ["ext4"])


async def test_what_one_does_oneself_while_paused_is_shown(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.press("p")
        await stage.until(lambda: "PAUSED" in stage.header)
        await stage.press("plus")
        await stage.until(" of 22 modules")
        await stage.press(*"tun", "enter")
        await stage.until(" y load")
        await stage.press("y")
        await stage.until("Loaded tun")
        await stage.press("enter")
        await stage.until(lambda: "tun" in stage.modules)


async def test_r_reads_at_once_where_the_interval_is_long(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, interval=3600) as stage:
        kernel.hold("ext4", 3)
        await stage.calm()
        assert stage.row("ext4")[3] == "1"
        await stage.press("r")
        await stage.until(lambda: stage.row("ext4")[3] == "4")


async def test_polling_finds_what_no_uevent_tells(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, interval=0.05) as stage:
        kernel.hold("ext4", 3)
        await stage.until(lambda: stage.row("ext4")[3] == "4")
