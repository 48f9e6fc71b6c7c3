"""The pane of dependencies: both directions, branch by branch, and the way to a module."""

from __future__ import annotations

from kmodtui.demo import Demo
from tests.ui.stage import Stage, opened


def tree(stage: Stage) -> list[str]:
    """The lines of the tree without its branches, indented by their depth."""
    lines = []
    for line in stage.part("#module-tree"):
        bare = line.lstrip(" │├└─")
        if bare:
            depth = (len(line) - len(bare)) // 3
            lines.append("  " * depth + " ".join(bare.split()))
    return lines


async def test_only_the_first_branches_are_open_and_others_open_by_key(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("virtio_net")
        await stage.until(lambda: tree(stage) == ["▾ virtio_net", "  ▸ net_failover"])
        await stage.press("2", "j", "space")
        assert tree(stage) == ["▾ virtio_net", "  ▾ net_failover", "    failover"]
        await stage.press("space")
        await stage.until(lambda: len(tree(stage)) == 2)


async def test_d_turns_the_tree_round(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("failover")
        await stage.until("2 Dependencies", "no dependencies")
        await stage.press("d")
        await stage.until("2 Dependents", lambda: "▸ net_failover" in tree(stage)[1])
        await stage.press("2", "j", "space")
        await stage.until(lambda: tree(stage)[-1] == "    virtio_net")
        await stage.press("d")
        await stage.until("2 Dependencies", "no dependencies")


async def test_what_needs_nothing_and_what_nothing_needs_is_said(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.until("no dependencies")
        await stage.press("d")
        await stage.until("no dependents")


async def test_a_cycle_ends_where_it_would_begin_again(demo: Demo) -> None:
    demo.kernel.folder.write(
        "/proc/modules",
        b"one 4096 1 two, Live 0x0000000000000000\ntwo 4096 1 one, Live 0x0000000000000000\n",
    )
    async with opened(demo) as stage:
        await stage.until(lambda: stage.modules == ["one", "two"])
        await stage.press("2", "j", "space")
        await stage.until(lambda: len(tree(stage)) == 3)
        await stage.press("j", "space")
        await stage.until(lambda: "one (cycle)" in tree(stage)[-1])
        assert len(tree(stage)) == 3


async def test_enter_twice_goes_to_the_module(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.until(lambda: "mbcache" in stage.pane("tree"))
        await stage.press("2", "j", "j", "j", "enter", "enter")
        await stage.until(lambda: stage.cursor == "mbcache")
        assert stage.focused_pane == "modules"
        await stage.until("3 Info: mbcache")


async def test_going_to_a_module_that_the_filter_hides_says_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("ext4")
        await stage.press("enter")
        await stage.until(lambda: "crc16" in stage.pane("tree"))
        await stage.press("2", "j", "enter", "enter")
        await stage.until("crc16 is not loaded, or the filter hides it.")
        assert stage.cursor == "ext4"


async def test_the_tree_follows_what_another_shell_loads(demo: Demo) -> None:
    demo.kernel.load("fat")
    async with opened(demo) as stage:
        await stage.select("fat")
        await stage.press("d")
        await stage.until("no dependents")
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.until(lambda: tree(stage) == ["▾ fat", "  vfat"])
        await stage.other_shell(lambda: demo.kernel.unload("vfat"))
        await stage.until(lambda: "fat" not in stage.modules)


async def test_an_open_branch_stays_open_when_a_count_changes(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("virtio_net")
        await stage.press("2", "j", "space")
        await stage.until(lambda: len(tree(stage)) == 3)
        demo.kernel.hold("net_failover", 1)
        await stage.until(lambda: stage.row("net_failover")[3] == "2")
        assert tree(stage) == ["▾ virtio_net", "  ▾ net_failover", "    failover"]
