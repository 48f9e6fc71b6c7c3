"""The screen of linkage: what a module takes and gives, and what joins two modules."""

from __future__ import annotations

from pathlib import Path

from kmodtui.demo import Demo
from tests.ui.stage import Stage, opened


def page(stage: Stage) -> list[str]:
    """The lines of the page, without what stands around them."""
    return [" ".join(line.split()) for line in stage.part("#linkage-lines") if line.strip()]


def remove(demo: Demo, name: str) -> None:
    (file,) = Path(demo.host.locate("/lib/modules")).rglob(name)
    file.unlink()


async def test_o_shows_what_the_selected_module_takes_and_gives(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("jbd2")
        await stage.press("o")
        await stage.until("Linkage of jbd2 (loaded)", "jbd2_close_0")
        assert page(stage) == [
            "Imports 2 symbols",
            "▾ from the kernel, or unresolved: the kernel's exports are unknown 2 symbols",
            "__fentry__",
            "_printk",
            "Exports 2 symbols",
            "▾ to ext4 1 symbol",
            "jbd2_write_0 EXPORT_SYMBOL",
            "▾ not imported by any loaded module 1 symbol",
            "jbd2_close_0 EXPORT_SYMBOL",
        ]
        await stage.press("escape")
        await stage.until_gone("Linkage of")


async def test_in_the_tree_it_opens_at_the_edge_under_the_cursor(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.until(lambda: "mbcache" in stage.pane("tree"))
        await stage.press("2", "j", "j", "j", "o")
        await stage.until("Linkage of ext4")
        await stage.until(lambda: "from mbcache" in stage.highlighted("#linkage-lines"))
        assert "mbcache_write_0 EXPORT_SYMBOL" in " ".join(page(stage))


async def test_turned_round_it_is_the_user_who_takes(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("mbcache")
        await stage.press("d")
        await stage.until(lambda: "ext4" in stage.pane("tree"))
        await stage.press("2", "j", "o")
        await stage.until("Linkage of ext4")
        await stage.until(lambda: "from mbcache" in stage.highlighted("#linkage-lines"))


async def test_groups_fold_and_unfold_by_enter_and_by_space(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.press("o")
        await stage.until("▾ from crc16")
        await stage.press("j", "enter")
        await stage.until("▸ from crc16")
        assert "crc16_write_0" not in stage.text
        await stage.press("space")
        await stage.until("▾ from crc16", "crc16_write_0")


async def test_a_filter_leaves_what_contains_it_and_is_cleared_before_the_page_closes(
    demo: Demo,
) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.press("o")
        await stage.until("▾ from crc16")
        await stage.press("j", "enter")
        await stage.until("▸ from crc16")
        await stage.press("slash")
        await stage.type("CRC16")
        await stage.press("enter")
        await stage.until("/CRC16 · 1 match")
        assert "crc16_write_0" in " ".join(page(stage))
        assert "mbcache" not in " ".join(page(stage))
        await stage.press("escape")
        await stage.until("from mbcache")
        await stage.press("escape")
        await stage.until_gone("Linkage of")


async def test_a_filter_that_leaves_nothing_says_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.press("o")
        await stage.until("from crc16", "Esc Back")
        await stage.press("slash")
        await stage.type("[/nosuch]")
        await stage.press("enter")
        await stage.until("No symbol here matches “[/nosuch]”. Esc clears the filter.")
        assert len(page(stage)) == 1
        await stage.press("escape")
        await stage.until("from crc16")


async def test_o_on_a_group_goes_on_to_its_module_and_esc_comes_back(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.press("o")
        await stage.until("from crc16")
        await stage.press("j", "o")
        await stage.until("Linkage of crc16")
        await stage.until(lambda: "to ext4" in stage.highlighted("#linkage-lines"))
        await stage.press("escape")
        await stage.until("Linkage of ext4")


async def test_a_module_whose_file_is_gone_says_so_and_tells_what_the_kernel_shows(
    demo: Demo,
) -> None:
    remove(demo, "mbcache.ko")
    async with opened(demo) as stage:
        await stage.select("mbcache")
        await stage.press("o")
        await stage.until("Its imports are unknown", "There is no file", "Exports")


async def test_every_size_shows_the_page_and_its_keys(demo: Demo) -> None:
    for size in ((80, 24), (200, 50)):
        async with opened(demo, size=size) as stage:
            await stage.select("jbd2")
            await stage.press("o")
            await stage.until("▾ to ext4 ", "/ Filter", "Esc Back")
