"""Panes: going from one to the other, zoom, narrow terminals, other sizes."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from kmodtui.services.root.access import NoRoot
from tests.ui.stage import SIZES, opened

PANES = ["modules", "tree", "info", "symbols"]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_numbers_go_straight_to_a_pane(demo: Demo, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as stage:
        for number, name in ((4, "symbols"), (2, "tree"), (3, "info"), (1, "modules")):
            await stage.press(str(number))
            await stage.until(lambda name=name: stage.focused_pane == name)
            assert stage.pane(name).startswith(f"╭─ {number} ")


@pytest.mark.parametrize("forward", ["tab", "l", "right"])
async def test_keys_go_round_the_panes(demo: Demo, forward: str) -> None:
    backward = {"tab": "shift+tab", "l": "h", "right": "left"}[forward]
    async with opened(demo) as stage:
        for name in [*PANES[1:], PANES[0], PANES[1]]:
            await stage.press(forward)
            await stage.until(lambda name=name: stage.focused_pane == name)
        for name in (PANES[0], PANES[3], PANES[2]):
            await stage.press(backward)
            await stage.until(lambda name=name: stage.focused_pane == name)


async def test_the_pane_with_the_keys_is_to_be_seen(demo: Demo) -> None:
    async with opened(demo) as stage:
        quiet = stage.colour_of("3 Info")
        bright = stage.colour_of("1 Modules")
        assert quiet != bright
        await stage.press("3")
        await stage.until(lambda: stage.colour_of("3 Info") == bright)
        assert stage.colour_of("1 Modules") == quiet


async def test_z_gives_a_pane_the_whole_screen_and_takes_it_back(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("2", "z")
        await stage.until(lambda: "1 Modules" not in stage.text)
        assert len(stage.part("#tree")) == 38
        assert stage.app.focused is not None
        await stage.press("z")
        await stage.until("1 Modules", "2 Dependencies", "3 Info", "4 Change")
        assert stage.focused_pane == "tree"


async def test_the_zoom_follows_to_another_pane_and_escape_leaves_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("z", "4")
        await stage.until("4 Change", lambda: "1 Modules" not in stage.text)
        await stage.press("escape")
        await stage.until("1 Modules", "4 Change")


async def test_escape_leaves_one_thing_a_press(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash", *"ext", "enter", "z")
        await stage.until("/ext · 1 of 10", lambda: "3 Info" not in stage.text)
        await stage.press("escape")
        await stage.until("3 Info", "/ext · 1 of 10")
        await stage.press("escape")
        await stage.until(lambda: len(stage.modules) == 10)


async def test_a_narrow_terminal_shows_one_pane_and_the_names_of_the_others(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        assert stage.lines[1].split("  ")[0].strip() == "[1 Modules]"
        assert "2 Tree" in stage.lines[1]
        assert "╭─ 3 Info" not in stage.text
        await stage.press("3")
        await stage.until("[3 Info]", "╭─ 3 Info: hello")
        assert "╭─ 1 Modules" not in stage.text
        await stage.press("tab")
        await stage.until("[4 Symbols]", "╭─ 4 Change")
        await stage.press("2")
        await stage.until("╭─ 2 Dependencies ")


async def test_no_name_of_a_pane_is_cut_off_in_a_short_line(demo: Demo) -> None:
    async with opened(demo, size=(40, 12), root=NoRoot("Nobody wants root.")) as stage:
        assert stage.lines[1].rstrip() == "[1 Modules] 2 Tree  3 Info  4 Symbols"
        await stage.press("L")
        await stage.until("[L Log]")
        assert stage.lines[1].split() == ["1", "2", "3", "4", "[L", "Log]"]
        await stage.press("4")
        await stage.until("[4 Symbols]")
        assert stage.lines[1].split() == ["1", "2", "3", "[4", "Symbols]", "L"]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_at_80_by_24_no_line_is_cut_without_an_ellipsis(demo: Demo, number: int) -> None:
    demo.kernel.load("btrfs")
    async with opened(demo, size=(80, 24)) as stage:
        await stage.select("btrfs")
        await stage.press(str(number))
        await stage.calm()
        frame = stage.pane(PANES[number - 1]).splitlines()
        assert {len(line) for line in frame} == {80}
        assert all(line[0] in "╭│╰" and line[-1] in "╮│╯" for line in frame)


async def test_the_footer_and_the_filter_stand_below_the_panes_at_every_size(demo: Demo) -> None:
    for size in SIZES:
        async with opened(demo, size=size) as stage:
            assert "q Quit" in stage.footer
            await stage.press("slash", "e")
            await stage.until("filter modules: e")
            assert "filter modules: e" in stage.lines[-3]
            assert "q Quit" in stage.footer


@pytest.mark.parametrize("size", [(20, 5), (39, 30), (120, 9)], ids=str)
async def test_too_small_a_terminal_says_so_and_recovers(demo: Demo, size: tuple[int, int]) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.resize(*size)
        await stage.until(lambda: "too small" in " ".join(stage.text.split()))
        await stage.press("j")
        await stage.resize(120, 40)
        await stage.until("1 Modules", "3 Info", lambda: "too small" not in stage.text)
        assert len(stage.modules) == 10
        assert stage.cursor == "crc16"


async def test_it_opens_in_a_terminal_that_is_too_small(demo: Demo) -> None:
    async with opened(demo, size=(20, 5), ready=False) as stage:
        await stage.until(lambda: "too small" in " ".join(stage.text.split()))
        await stage.resize(80, 24)
        await stage.until(lambda: len(stage.modules) == 10)
        assert stage.cursor == "hello"


async def test_the_cursor_stays_on_its_module_through_every_size(demo: Demo) -> None:
    demo.kernel.load("btrfs")
    async with opened(demo) as stage:
        await stage.select("crc32c_generic")
        for size in ((80, 14), (200, 50), (60, 12), (120, 40), (99, 20), (100, 24)):
            await stage.resize(*size)
            await stage.until(lambda: "crc32c_generic".startswith(stage.cursor.rstrip("…") or "-"))
        assert stage.focused_pane == "modules"


async def test_a_narrow_terminal_that_becomes_wide_shows_every_pane(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.press("4")
        await stage.resize(120, 40)
        await stage.until("1 Modules", "2 Dependencies", "3 Info", "4 Change")
        assert stage.focused_pane == "symbols"
        await stage.resize(80, 24)
        await stage.until("[4 Symbols]", lambda: "1 Modules" not in stage.pane("symbols"))


async def test_a_click_goes_to_a_pane_and_a_row(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage._pilot.click("#module-lines", offset=(5, 5))
        await stage.until(lambda: stage.cursor == stage.modules[5])
        await stage._pilot.click("#info-lines", offset=(5, 2))
        await stage.until(lambda: stage.focused_pane == "info")
        assert "taint" in stage.highlighted("#info-lines") or stage.highlighted("#info-lines")


@pytest.mark.parametrize("key", ["tab", "shift+tab"])
async def test_tab_ends_the_typing_of_a_filter_and_keeps_it(demo: Demo, key: str) -> None:
    async with opened(demo) as stage:
        await stage.press("slash", *"ext", key)
        await stage.until(lambda: "filter modules:" not in stage.text, "/ext · 1 of 10")
        await stage.press("1", "j", "s")
        await stage.until("/ext · 1 of 10 · name ▴")


async def test_a_click_elsewhere_ends_the_typing_of_a_filter_and_keeps_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash", *"ext")
        await stage.until("filter modules: ext")
        await stage._pilot.click("#info-lines", offset=(5, 2))
        await stage.until(lambda: "filter modules:" not in stage.text, "/ext · 1 of 10")
        assert stage.focused_pane == "info"


async def test_a_key_goes_through_the_layouts_and_others_resize_a_pane(demo: Demo) -> None:
    async with opened(demo) as stage:

        def width(name: str) -> int:
            return len(stage.pane(name).splitlines()[0])

        def height(name: str) -> int:
            return len(stage.part(f"#{name}"))

        assert (width("modules"), height("modules")) == (60, 22)
        await stage.press("|")
        await stage.until(lambda: height("modules") > 30)
        assert width("modules") > 70
        await stage.press("|")
        await stage.until(lambda: width("symbols") > 70)
        assert stage.focused_pane == "modules"
        await stage.press("|")
        await stage.until("y read")
        await stage.press("y")
        await stage.until("L Kernel log", lambda: height("log") > 20)
        assert stage.focused_pane == "modules"
        await stage.press("|")
        await stage.until(lambda: height("modules") == 22)
        assert width("modules") == 60
        await stage.press("3", "[", "[", "}", "}", "}", "}", "}")
        await stage.until(lambda: height("info") > height("modules"))
        assert width("info") < 60 < width("modules")
        assert "2 Dependencies" in stage.pane("tree").splitlines()[0]
        await stage.press("z", "|")
        await stage.until("1 Modules", "3 Info", lambda: height("modules") > 30)
        await stage.resize(80, 24)
        await stage.press("|")
        await stage.until(lambda: "one pane is shown at a time." in stage.toasts)
