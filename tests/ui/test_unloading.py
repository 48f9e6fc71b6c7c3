"""Unloading with keys: the module that the cursor was on at the key press, and no other."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.ui.stage import Stage, opened


async def plan(stage: Stage) -> None:
    await stage.press("minus")
    await stage.until(lambda: isinstance(stage.screen, PlanDialog))


async def test_btrfs_is_unloaded_with_what_came_with_it(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("btrfs")
    async with opened(demo) as stage:
        await stage.select("btrfs")
        await plan(stage)
        await stage.until("Unload btrfs", "y unload")
        steps = [line.split() for line in stage.part("#plan-body") if "rmmod" in line]
        names = [words[words.index("rmmod") + 1] for words in steps]
        assert names == [
            "btrfs",
            "libcrc32c",
            "xor",
            "raid6_pq",
            "zstd_compress",
            "blake2b_generic",
        ]
        assert "command modprobe -r -- btrfs" in stage.words
        assert "! " not in stage.words
        assert kernel.loaded[0] == "btrfs"
        await stage.press("y")
        await stage.until("Unloaded btrfs", "−369 symbols in 6 modules")
        await stage.until("= crc32c_generic stays loaded: softdep of libcrc32c")
        assert len(kernel.loaded) == 10
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert stage.modules == list(kernel.loaded)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net_failover", "net_failover is in use by virtio_net. Unload virtio_net first."),
        ("ext4", "ext4 is in use. No module holds its reference"),
        ("binder_linux", "binder_linux cannot be unloaded: it has no exit function ([permanent])."),
    ],
)
async def test_what_the_kernel_would_refuse_is_refused_in_the_plan(
    demo: Demo, kernel: SimulatedKernel, name: str, words: str
) -> None:
    kernel.load("binder_linux")
    async with opened(demo) as stage:
        await stage.select(name)
        await plan(stage)
        await stage.until("Esc close", lambda: words in stage.words)
        assert "y unload" not in stage.text
        await stage.press("y", "enter")
        await stage.calm()
        assert isinstance(stage.screen, PlanDialog)
        assert "Esc close" in stage.part("#dialog-keys")[0]
        assert "y unload" not in stage.text
        assert name in kernel.loaded
        assert "root: off" in stage.header


async def test_a_module_taken_into_use_after_the_plan_is_explained(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await plan(stage)
        await stage.until("y unload")
        kernel.hold("hello", 2)
        await stage.press("y")
        await stage.until("hello is in use", "No module holds its 2 references", "Enter close")
        assert stage.text.index("the system shows") < stage.text.index("/proc/modules: hello 2")
        assert "modprobe printed" not in stage.text
        assert "hello" in kernel.loaded


async def test_rows_that_move_right_after_the_key_do_not_change_what_is_unloaded(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("virtio_net")
        stage.send("minus")
        kernel.load("btrfs")  # six rows more above, before the key is handled
        await stage.until(lambda: isinstance(stage.screen, PlanDialog))
        await stage.until("Unload virtio_net", "y unload")


async def test_rows_that_move_under_the_dialog_do_not_change_what_is_unloaded(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("tun")
    before = set(kernel.loaded)
    async with opened(demo) as stage:
        await stage.select("hello")
        await plan(stage)
        await stage.until("Unload hello", "y unload")
        await stage.other_shell(lambda: kernel.load("btrfs"))
        await stage.other_shell(lambda: kernel.unload("tun"))
        assert "Unload hello" in stage.text
        await stage.press("y")
        await stage.until("Unloaded hello")
        assert "hello" not in kernel.loaded
        assert before - set(kernel.loaded) == {"hello", "tun"}


async def test_keys_in_one_go_act_on_the_module_that_they_lead_to(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        stage.send("j", "j", "u")
        await stage.until("Unload virtio_net")


async def test_a_module_that_has_vanished_before_the_plan_is_told(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, interval=3600) as stage:
        await stage.select("hello")
        # Without a word of the kernel: the table on the screen is old.
        lines = kernel.folder.read("/proc/modules").splitlines(keepends=True)
        kernel.folder.write("/proc/modules", *(li for li in lines if not li.startswith(b"hello")))
        await stage.press("minus")
        await stage.until("hello is not loaded.")
        assert stage.screen is stage.dashboard


async def test_a_module_that_vanishes_under_the_dialog_is_told_and_no_other_goes(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await plan(stage)
        await stage.until("y unload")
        await stage.other_shell(lambda: kernel.unload("hello"))
        before = set(kernel.loaded)
        await stage.press("y")
        await stage.until("hello is not loaded", "Enter close")
        assert set(kernel.loaded) == before


async def test_an_empty_table_has_nothing_to_unload(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("xyz")
        await stage.press("enter")
        await stage.until("No loaded module matches “xyz”")
        await stage.press("minus")
        await stage.calm()
        assert stage.screen is stage.dashboard


@pytest.mark.parametrize("key", ["backspace", "ctrl+h", "delete", "ctrl+u", "ctrl+d"])
async def test_no_key_that_terminals_confuse_acts_on_a_module(demo: Demo, key: str) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press(key)
        await stage.calm()
        assert stage.screen is stage.dashboard
