"""The pane of loaded modules: order, filter, and a cursor that stays on its module."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.demo import Demo
from kmodtui.ui.widgets.panes.module_columns import Longest, ModuleColumns
from tests.ui.stage import SIZES, Stage, opened

KIB = {"KiB": 1, "MiB": 1024}


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_modules_stand_in_the_order_of_the_kernel(demo: Demo, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as stage:
        assert stage.modules == list(demo.kernel.loaded)
        assert stage.row("virtio_net")[1:4] == ["72.0", "KiB", "0"]
        assert "OE" in stage.row("hello")
        assert "10 modules" in stage.header


def by_size(row: list[str]) -> float:
    return -float(row[1].replace(",", "")) * KIB[row[2]]


ORDERS = {
    "name": lambda row: row[0],
    "size": by_size,
    "refs": lambda row: -int(row[3]),
    "state": lambda row: row[4],
    "taint": lambda row: "OE" not in row,
    "used by": lambda row: -len(row[5:]) if "OE" not in row else 0,
}


async def test_each_press_of_s_sorts_by_the_next_column_and_capital_s_turns_it_round(
    demo: Demo,
) -> None:
    demo.kernel.load("vfat")
    async with opened(demo, size=(200, 50)) as stage:
        unsorted = list(demo.kernel.loaded)
        for column, key in ORDERS.items():
            await stage.press("s")
            await stage.until(lambda column=column: f"{column} " in stage.part("#modules")[-1])
            assert [key(row) for row in stage.rows] == sorted(map(key, stage.rows)), column
            falling = stage.modules
            await stage.press("S")
            await stage.until(lambda seen=falling: stage.modules != seen)
            assert [key(row) for row in stage.rows] == sorted(map(key, stage.rows), reverse=True), (
                column
            )
        await stage.press("s")
        await stage.until(lambda: stage.modules == unsorted)


async def test_the_filter_narrows_the_list_with_every_letter(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash", "f", "a")
        await stage.until(lambda: stage.modules == ["net_failover", "failover"])
        assert "filter modules: fa" in stage.text
        await stage.press("backspace", "backspace")
        await stage.press("c")
        await stage.until(lambda: stage.modules == ["crc16", "mbcache", "crc32c_generic"])
        await stage.press("enter")
        await stage.until_gone("filter modules:")
        assert stage.modules == ["crc16", "mbcache", "crc32c_generic"]
        assert "/c · 3 of 10" in stage.pane("modules")


async def test_dash_and_underscore_are_one_in_the_filter(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("virtio-net")
        await stage.until(lambda: stage.modules == ["virtio_net"])


async def test_a_filter_that_nothing_fits_says_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("xyz")
        none = "No loaded module matches “xyz”. Esc clears the filter."
        await stage.until(lambda: none in stage.pane_words("modules"))
        assert stage.modules[0] == "No"


async def test_escape_while_typing_clears_the_filter_and_does_nothing_else(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("ext4")
        await stage.until(lambda: stage.modules == ["ext4"])
        await stage.press("escape")
        await stage.until(lambda: len(stage.modules) == 10)
        assert stage.cursor == "ext4"
        assert stage.focused_pane == "modules"


async def test_escape_clears_a_kept_filter_and_never_quits(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("ext4")
        await stage.press("enter")
        await stage.until(lambda: stage.modules == ["ext4"])
        await stage.press("escape")
        await stage.until(lambda: len(stage.modules) == 10)
        await stage.press("escape", "escape", "escape")
        await stage.calm()
        assert stage.app.is_running
        assert stage.app.screen is stage.dashboard


@pytest.mark.parametrize("text", ["[", "[/", "[/bold]", "[red]x", "]", "\\["])
async def test_brackets_in_a_filter_are_a_text_like_any_other(demo: Demo, text: str) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type(text)
        await stage.until(f"/{text} · 0 of 10")


async def cursor_on_ext4(stage: Stage) -> None:
    await stage.select("ext4")
    await stage.until("3 Info: ext4")


async def test_the_cursor_stays_on_its_module_when_another_shell_loads(demo: Demo) -> None:
    async with opened(demo) as stage:
        await cursor_on_ext4(stage)
        await stage.other_shell(lambda: demo.kernel.load("btrfs"))
        assert stage.modules[0] == "btrfs"
        assert stage.cursor == "ext4"
        assert "3 Info: ext4" in stage.text


async def test_the_cursor_stays_on_its_module_when_another_shell_unloads(demo: Demo) -> None:
    demo.kernel.load("btrfs")
    async with opened(demo) as stage:
        await cursor_on_ext4(stage)
        await stage.other_shell(lambda: demo.kernel.unload("btrfs"))
        assert "btrfs" not in stage.modules
        assert stage.cursor == "ext4"


async def test_the_cursor_stays_on_its_module_through_sort_and_filter(demo: Demo) -> None:
    async with opened(demo) as stage:
        await cursor_on_ext4(stage)
        for column in ORDERS:
            await stage.press("s")
            await stage.until(f"{column} ▾" if column not in ("name", "state") else f"{column} ▴")
            assert stage.cursor == "ext4"
        await stage.press("slash", "4")
        await stage.until(lambda: stage.modules == ["ext4"])
        assert stage.cursor == "ext4"
        await stage.press("escape")
        await stage.until(lambda: len(stage.modules) == 10)
        assert stage.cursor == "ext4"


async def test_the_cursor_stays_on_its_module_when_a_count_changes(demo: Demo) -> None:
    async with opened(demo) as stage:
        await cursor_on_ext4(stage)
        demo.kernel.hold("ext4", 4)
        await stage.until(lambda: stage.row("ext4")[3] == "5")
        assert stage.cursor == "ext4"


async def test_when_its_module_goes_the_cursor_is_on_a_module_that_is_there(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("virtio_net")
        await stage.other_shell(lambda: demo.kernel.unload("virtio_net"))
        assert stage.cursor in demo.kernel.loaded
        await stage.until(lambda: f"3 Info: {stage.cursor}" in stage.text)


async def test_a_module_that_came_is_marked_until_it_was_looked_at(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.until(lambda: "● vfat" in stage.pane("modules"))
        assert "● fat" in stage.pane("modules")
        assert "● hello" not in stage.pane("modules")
        await stage.press("g")
        await stage.until(lambda: stage.cursor == "vfat")
        await stage.until(lambda: "● vfat" not in stage.pane("modules"))
        assert "● fat" in stage.pane("modules")


async def test_a_module_that_is_loading_is_shown_so(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        steps = demo.kernel.modprobe.load("tun")
        next(steps)
        await stage.until(lambda: stage.row("tun")[4] == "Loading")
        for _ in steps:
            pass
        await stage.until(lambda: stage.row("tun")[4] == "Live")


async def test_without_a_column_of_states_a_module_that_is_loading_is_shown_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        assert " state " not in stage.part("#module-head")[0]
        steps = demo.kernel.modprobe.load("tun")
        next(steps)
        await stage.until(lambda: "[loading]" in stage.row("tun"))
        for _ in steps:
            pass
        await stage.until(lambda: "[loading]" not in stage.row("tun"))


async def test_a_module_that_is_unloading_is_shown_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        steps = demo.kernel.modprobe.unload(["hello"])
        next(steps)
        await stage.until(lambda: stage.row("hello")[3] == "-1")
        assert "[unloading]" in stage.row("hello")
        for _ in steps:
            pass
        await stage.until(lambda: "hello" not in stage.modules)


async def test_a_filter_from_the_tree_is_one_of_the_modules(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        stage.send("2", "slash", *"ext")
        await stage.until("filter modules: ext", lambda: stage.modules == ["ext4"])


async def test_keys_move_to_the_ends_and_by_pages(demo: Demo) -> None:
    demo.kernel.load("btrfs")
    async with opened(demo, size=(80, 14)) as stage:
        everything = list(demo.kernel.loaded)
        for keys, name in (
            (("G",), everything[-1]),
            (("g",), everything[0]),
            (("end",), everything[-1]),
            (("home",), everything[0]),
            (("j", "down", "j"), everything[3]),
            (("k", "up"), everything[1]),
            (("k", "k", "k", "k"), everything[0]),
        ):
            await stage.press(*keys)
            await stage.until(lambda name=name: stage.cursor == name)
        await stage.press("pagedown")
        await stage.until(lambda: everything.index(stage.cursor) > 3)
        await stage.press("pageup")
        await stage.until(lambda: stage.cursor == everything[0])


async def test_heading_and_rows_are_aligned_at_every_size(demo: Demo) -> None:
    for size in SIZES:
        async with opened(demo, size=size) as stage:
            assert_aligned(stage)


async def test_heading_and_rows_stay_aligned_when_a_hidden_module_has_a_longer_name(
    demo: Demo,
) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("ext4")
        await stage.press("enter")
        await stage.until(lambda: stage.modules == ["ext4"])
        await stage.other_shell(lambda: demo.kernel.load("blake2b_generic"))
        await stage.calm()
        assert stage.modules == ["ext4"]
        assert_aligned(stage)


def assert_aligned(stage: Stage) -> None:
    head = stage.part("#module-head")[0]
    row = next(line for line in stage.part("#module-lines") if "ext4" in line)
    cells = re.search(r"(\S+ KiB) +(\d+) *(Live)?", row)
    assert cells is not None
    assert head.index("size") + 4 == cells.end(1), (head, row)
    assert head.index("refs") + 4 == cells.end(2), (head, row)
    assert head.find("state") == cells.start(3), (head, row)


LAPTOP = (
    "snd_hda_codec_realtek",
    "snd_hda_codec_generic",
    "processor_thermal_rapl",
    "snd_soc_acpi_intel_match",
    "soundwire_generic_allocation",
    "chacha_x86_64",
)
"""Long names that are loaded on laptops with Debian."""


@pytest.mark.parametrize(("columns", "whole"), [(100, 21), (110, 26), (120, 31)])
async def test_names_are_whole_where_they_fit_beside_size_refs_and_users(
    demo: Demo, columns: int, whole: int
) -> None:
    names = [name for name in LAPTOP if len(name) <= whole]
    lines = [f"{name} 245760 1 xor, Live 0x0000000000000000\n" for name in names]
    demo.kernel.folder.write("/proc/modules", "".join(lines).encode())
    async with opened(demo, size=(columns, 40)) as stage:
        await stage.until(lambda: stage.modules == names)
        assert stage.row("chacha_x86_64")[1:] == ["240.0", "KiB", "1", "xor"]


MOUNT = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"


async def test_a_mount_is_shown_as_a_user_of_the_file_system(demo: Demo) -> None:
    demo.kernel.folder.write("/proc/self/mountinfo", MOUNT)
    demo.kernel.hold("ext4")
    async with opened(demo, size=(200, 50)) as stage:
        await stage.until("mount / (ext4)")
        demo.kernel.folder.write("/proc/self/mountinfo", b"")
        demo.kernel.hold("ext4", -1)
        await stage.until_gone("mount / (ext4)")


async def test_the_column_that_is_sorted_by_is_shown(demo: Demo) -> None:
    async with opened(demo, size=(100, 40)) as stage:
        assert not {"state", "taint"} & set(stage.part("#module-head")[0].split())
        for column in ORDERS:
            await stage.press("s")
            await stage.until(lambda column=column: f"{column} " in stage.part("#modules")[-1])
            await stage.until(lambda column=column: column in stage.part("#module-head")[0])


@given(
    st.integers(36, 300),
    st.builds(
        Longest,
        name=st.integers(1, 55),
        size=st.integers(5, 11),
        refs=st.integers(1, 5),
        state=st.sampled_from([4, 7, 9]),
        taint=st.integers(0, 6),
        users=st.integers(0, 80),
    ),
)
def test_columns_fill_the_width_and_cut_no_name_for_a_state_or_a_taint(
    width: int, longest: Longest
) -> None:
    columns = ModuleColumns.within(width, longest)
    if columns.name > 10:
        assert len(columns.head()) == width
    assert columns.users >= len("used by")
    if columns.state or columns.taint:
        assert columns.name >= longest.name
        assert columns.state in (0, max(5, longest.state) + 2)


async def test_where_a_filter_ends_the_selected_module_is_in_view(demo: Demo) -> None:
    async with opened(demo, size=(80, 12)) as stage:
        assert "crc32c_generic" not in stage.text
        await stage.press("slash", *"crc32", "enter")
        await stage.until(lambda: stage.cursor == "crc32c_generic")
        await stage.press("escape")
        await stage.until(lambda: len(stage.modules) > 1)
        await stage.until(lambda: stage.cursor == "crc32c_generic")


async def test_fields_are_completed_and_a_wrong_one_is_explained_below(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.until("word !not /regex/ name: size:")
        await stage.type("use")
        await stage.press("tab")
        await stage.type("ext4")
        await stage.until("filter modules: used-by:ext4", lambda: "jbd2" in stage.modules)
        kept = stage.modules
        await stage.type(" sise>1M")
        await stage.until("There is no field “sise” for loaded modules. Did you mean size?")
        assert stage.modules == kept
        await stage.press("enter")
        await stage.until("filter modules: used-by:ext4 sise>1M")
        await stage.press(*["backspace"] * len(" sise>1M"), "enter")
        await stage.until(lambda: "filter modules" not in stage.text, "/used-by:ext4 · ")
        await stage.press("slash", "up", "up")
        await stage.until("filter modules: used-by:ext4")
        await stage.press("escape")
        await stage.until(lambda: len(stage.modules) == 10)


async def test_what_only_the_rules_say_is_read_for_a_filter_that_needs_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("/^e.t/ blocked:no")
        await stage.until(lambda: stage.modules == ["ext4"])
