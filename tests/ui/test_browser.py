"""The browser of all symbols: there at once, found as it is typed, looked up like an oops."""

from __future__ import annotations

import re

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.modules import TAINTS
from kmodtui.ui.dialogs.legend import TAINT_FLAGS
from kmodtui.ui.screens.browser import BrowserScreen
from tests.ui.stage import SIZES, Stage, opened


def names(stage: Stage) -> list[str]:
    """The names in the list, from the top; none where there is no list."""
    if not isinstance(stage.screen, BrowserScreen):
        return []
    return [line.split()[1] for line in stage.part("#all-symbols") if len(line.split()) > 1]


def rows(kernel: SimulatedKernel) -> list[str]:
    return kernel.folder.read("/proc/kallsyms").decode().splitlines()


async def in_browser(stage: Stage) -> None:
    await stage.press("B")
    await stage.until("All symbols of /proc/kallsyms", lambda: names(stage))


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_it_shows_every_symbol_in_the_kernels_order(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await in_browser(stage)
        every = [row.split()[2] for row in rows(kernel)]
        await stage.until(f"{len(every):,} symbols")
        shown = names(stage)
        assert shown == every[: len(shown)]
        assert len(shown) > 10
        await stage.press("tab", "G")
        await stage.until(lambda: every[-1] in stage.highlighted("#all-symbols"))


async def test_what_is_typed_is_found_and_letters_are_no_commands(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        stage.send("B", *"ext4_alloc")
        await stage.until(lambda: names(stage) and all("ext4_alloc" in n for n in names(stage)))
        hits = sum("ext4_alloc" in row.split()[2] for row in rows(kernel))
        await stage.until(f"{hits:,} of {len(rows(kernel)):,} symbols")
        await stage.press("escape")
        await stage.until(f" {len(rows(kernel)):,} symbols")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert stage.app.is_running


async def test_the_list_moves_while_the_line_has_the_keys(demo: Demo) -> None:
    async with opened(demo) as stage:
        await in_browser(stage)
        await stage.press("down", "down")
        await stage.until(lambda: names(stage)[2] in stage.highlighted("#all-symbols"))
        await stage.press("up")
        await stage.until(lambda: names(stage)[1] in stage.highlighted("#all-symbols"))


async def test_by_module_by_type_and_by_facet_with_keys(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await in_browser(stage)
        await stage.type("=crc16_open_0")
        await stage.until(lambda: names(stage) == ["crc16_open_0"])
        await stage.press("tab", "m")
        await stage.until("search: =crc16_open_0 m:crc16")
        await stage.press("slash", *["backspace"] * 30)
        await stage.type("m:crc16")
        of_module = [row for row in rows(kernel) if row.endswith("[crc16]")]
        await stage.until(lambda: names(stage) == [row.split()[2] for row in of_module])
        await stage.press("tab", "t")
        letter = of_module[0].split()[1]
        kept = [row.split()[2] for row in of_module if row.split()[1] == letter]
        await stage.until(lambda: names(stage) == kept)
        await stage.press("t", "f")
        code = [row.split()[2] for row in of_module if row.split()[1] in "tTwW"]
        await stage.until(lambda: names(stage) == code, "only functions")


async def test_an_address_finds_the_symbol_that_contains_it(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.append(
        "/proc/kallsyms",
        b"ffffffffd1000100 t first_fn\t[odd]\nffffffffd1000180 t second_fn\t[odd]\n",
    )
    async with opened(demo, size=(120, 40)) as stage:
        await in_browser(stage)
        await stage.type("ffffffffd100011f")
        await stage.until(lambda: names(stage) == ["first_fn+0x1f/0x80"], "1 of ")
        await stage.press("enter", "enter")
        await stage.until("0x1f of 0x80 bytes from the start", "128 bytes to the next symbol")
        await stage.press("escape", "escape")
        await stage.type("second_fn+0x4/0x10 [odd]")
        await stage.until(lambda: names(stage) == ["second_fn+0x4"])
        await stage.press("escape")
        await stage.type("nothing+0x4/0x10")
        await stage.until("There is no symbol nothing in this kernel")


async def test_a_pattern_that_is_none_and_one_that_never_ends_are_told(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.append("/proc/kallsyms", b"ffffffffd1000100 t " + b"a" * 300 + b"!\t[odd]\n")
    async with opened(demo) as stage:
        await in_browser(stage)
        await stage.type("re:[")
        await stage.until("[ is not a valid regular expression")
        await stage.press("escape")
        await stage.type("re:(a+)+$")
        await stage.until("took too long and was cancelled")
        await stage.press("escape")
        await stage.type("re:^a+!$")
        await stage.until(lambda: [name[:9] for name in names(stage)] == ["a" * 9])


async def test_enter_twice_tells_everything_about_a_symbol(demo: Demo) -> None:
    async with opened(demo) as stage:
        await in_browser(stage)
        await stage.type("=crc16_open_0")
        await stage.until(lambda: names(stage) == ["crc16_open_0"])
        await stage.press("enter", "enter")
        await stage.until(
            "Symbol crc16_open_0", "T  function, exported", "unknown: only root can read"
        )
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, BrowserScreen))


async def test_it_follows_the_kernel_while_it_is_open(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, interval=0.05) as stage:
        await in_browser(stage)
        await stage.type("m:vfat")
        await stage.until("No symbol matches “m:vfat”")
        kernel.load("vfat")
        await stage.until(lambda: any("vfat" in name for name in names(stage)))
        kernel.unload("vfat")
        await stage.until("No symbol matches “m:vfat”")


async def test_the_cursor_stays_on_its_symbol_when_others_come(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, interval=0.05) as stage:
        await in_browser(stage)
        await stage.type("_init_")
        await stage.until(lambda: len(names(stage)) > 5)
        await stage.press(*["down"] * 5)
        on = stage.highlighted("#all-symbols")
        kernel.load("vfat")
        await stage.until("vfat_init_0")
        await stage.until(lambda: stage.highlighted("#all-symbols").split()[:2] == on.split()[:2])


@pytest.mark.parametrize("key", ["a", "f2"])
async def test_the_legend_answers_what_everybody_asks(demo: Demo, key: str) -> None:
    async with opened(demo, size=(200, 120)) as stage:
        await stage.press(key)
        await stage.until("Legend: types, signs, flags")
        words = stage.words
        for answer in (
            "function (text: code)",
            "EXPORT_SYMBOL_GPL stay lower case",
            "kernel: all symbols",
            "kernel.kptr_restrict",
            "↻ reloaded",
            "± a module: loaded and unloaded again",
            *(f"{flag} {words_of_flag}" for flag, words_of_flag in TAINT_FLAGS.items()),
        ):
            assert answer in words
        assert TAINT_FLAGS.keys() == TAINTS.keys()
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_without_a_table_it_says_what_it_waits_for_and_then_shows_it(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.remove("/proc/modules")
    async with opened(demo, ready=False) as stage:
        await stage.until("405 symbols")
        await stage.press("B")
        await stage.until("All symbols of /proc/kallsyms")
        await stage.type("function_39")
        await stage.until("11 of ")
        await stage.press("escape", "escape")
        await stage.until("no loadable modules")
        assert re.search("405 symbols", stage.text)


async def test_an_idle_browser_writes_nothing(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, interval=0.02) as stage:
        await in_browser(stage)
        await stage.type("alloc")
        await stage.until("search: alloc")
        await stage.calm(0.5)
        written = stage.terminal.written
        kernel.hold("ext4", 1)
        await stage.calm(0.3)
        assert stage.terminal.written == written


async def test_brackets_that_are_typed_are_text(demo: Demo) -> None:
    async with opened(demo) as stage:
        await in_browser(stage)
        await stage.type("[/x]")
        await stage.until("No symbol matches “[/x]”")


@pytest.mark.parametrize("keys", [["f1"], ["tab", "question_mark"]], ids=" ".join)
async def test_the_keys_are_shown_and_it_comes_back(demo: Demo, keys: list[str]) -> None:
    async with opened(demo) as stage:
        await in_browser(stage)
        await stage.press(*keys)
        await stage.until("kmodtui: keys, columns and flags")
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, BrowserScreen))
