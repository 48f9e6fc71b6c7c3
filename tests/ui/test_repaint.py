"""What goes over the wire: nothing where nothing changed, a line where a line did."""

from __future__ import annotations

import asyncio

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.ui.stage import SIZES, Stage, opened


async def readings(stage: Stage, number: int) -> None:
    """Let the kernel be read so many times more."""
    host, seen = stage.demo.host, 0
    done = asyncio.Event()
    read = host.read

    def counting(path: str, limit: int = -1) -> bytes:
        nonlocal seen
        seen += path == "/proc/modules"
        if seen > number:
            loop.call_soon_threadsafe(done.set)
        return read(path, limit)

    loop = asyncio.get_running_loop()
    host.read = counting  # type: ignore[method-assign]
    try:
        async with asyncio.timeout(20):
            await done.wait()
    finally:
        del host.read  # type: ignore[method-assign]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_equal_readings_write_nothing(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size, interval=0.01) as stage:
        await stage.select("ext4")
        await stage.calm()
        written = stage.terminal.written
        await readings(stage, 5)
        kernel.folder.write("/proc/modules", kernel.folder.read("/proc/modules"))
        await readings(stage, 5)
        await stage.handled()
        assert stage.terminal.written == written


async def test_a_changed_count_writes_its_row_and_no_other(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(80, 24), interval=3600) as stage:
        await stage.calm()
        row = next(n for n, line in enumerate(stage.lines) if "jbd2" in line)
        stage.terminal.lines_written.clear()
        written = stage.terminal.written
        kernel.hold("jbd2", 1)
        await stage.press("r")
        await stage.until(lambda: stage.row("jbd2")[3] == "2")
        await stage.calm()
        assert stage.terminal.lines_written == {row}
        assert stage.terminal.written - written < 1000


async def test_a_step_of_the_cursor_writes_two_rows_of_its_table(demo: Demo) -> None:
    async with opened(demo, size=(80, 24), interval=3600) as stage:
        await stage.calm()
        rows = [n for n, line in enumerate(stage.lines) if "hello" in line or "evdev" in line]
        stage.terminal.lines_written.clear()
        await stage.press("j")
        await stage.until(lambda: stage.cursor == "evdev")
        await stage.calm()
        assert stage.terminal.lines_written == set(rows)


async def test_an_idle_dashboard_with_a_filter_or_a_dialog_open_is_silent(demo: Demo) -> None:
    async with opened(demo, size=(80, 24), interval=0.01) as stage:
        for key, words in (
            ("slash", "filter modules:"),
            ("plus", " of 22 modules"),
            ("f1", "keys"),
        ):
            await stage.press(key)
            await stage.until(words)
            await stage.calm()
            written = stage.terminal.written
            await readings(stage, 10)
            assert stage.terminal.written == written, words
            await stage.press("escape")
            await stage.until(lambda: stage.screen is stage.dashboard)
