"""The screen of a kernel without loadable modules."""

from __future__ import annotations

import re

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.screens.no_modules import NoModulesScreen
from tests.ui.stage import SIZES, opened


@pytest.fixture(autouse=True)
def _no_modules(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/modules")


def symbols(lines: list[str]) -> list[str]:
    """Names in the lines of the symbol browser."""
    return [line.split()[1] for line in lines if line.split()]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_it_says_why_and_shows_the_kernels_own_symbols(
    demo: Demo, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size, ready=False) as stage:
        await stage.until("no loadable modules", "/proc/modules does not exist", "CONFIG_MODULES")
        await stage.until("Symbols of the kernel", "405 symbols")
        assert "d Demo" in stage.footer
        await stage.until(lambda: "no modules" in stage.header)
        assert symbols(stage.part("#symbol-browser"))[:2] == [
            "fixed_percpu_data",
            "__per_cpu_start",
        ]


async def test_a_terminal_that_is_too_small_says_how_large_it_wants_to_be(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        await stage.resize(20, 5)
        await stage.until("20×5", "too small")
        await stage.resize(80, 24)
        await stage.until("405 symbols")


async def test_the_symbols_can_be_moved_through_and_filtered(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        await stage.press("G")
        await stage.until("jiffies")
        await stage.press("slash")
        await stage.type("function_39")
        await stage.until("/function_39 · 11 of 405 symbols")
        names = symbols(stage.part("#symbol-browser"))
        assert len(names) == 11
        assert all(re.search("function_39", name) for name in names)
        await stage.press("enter", "escape")
        await stage.until(lambda: "/function_39" not in stage.text, "405 symbols")
        await stage.press("escape")
        await stage.calm()
        assert stage.app.is_running


async def test_letters_behind_a_slash_are_no_commands(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        stage.send("slash", *"dq")
        await stage.until("/dq · 0 of 405 symbols")
        assert stage.app.is_running


async def test_d_leaves_for_the_demo(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        await stage.press("d")
        await stage.until(lambda: stage.app.return_value is not None)
        assert stage.app.return_value == "demo"


async def test_help_and_palette_work_there(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        await stage.press("question_mark")
        await stage.until("kmodtui: keys, columns and flags")
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, NoModulesScreen))
        await stage.press("ctrl+p")
        await stage.until("Open the demo, a recorded Debian system")
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, NoModulesScreen))


async def test_without_symbols_either_it_says_why(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/kallsyms")
    async with opened(demo, ready=False) as stage:
        await stage.until("There is no /proc/kallsyms")
        kernel.folder.write("/proc/kallsyms", b"")


async def test_brackets_in_its_filter_are_text(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        await stage.press("slash")
        await stage.type("[/x]")
        await stage.until("/[/x] · 0 of 405 symbols")


async def test_hidden_addresses_are_said(demo: Demo, kernel: SimulatedKernel) -> None:
    rows = kernel.folder.read("/proc/kallsyms")
    kernel.folder.write("/proc/kallsyms", re.sub(rb"(?m)^[0-9a-f]{16}", b"0" * 16, rows))
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols, addresses hidden")


async def test_its_header_tells_that_root_is_held_for_addresses(demo: Demo) -> None:
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols", lambda: "root: off" in stage.header)
        await stage.press("B")
        await stage.until("All symbols of /proc/kallsyms")
        await stage.press("tab", "A")
        await stage.until("Read symbol addresses")
        await stage.press("y")
        await stage.until(lambda: stage.app.machine.sessions.reading)
        await stage.press("q")
        await stage.until(lambda: "root: reading (demo)" in stage.header)
