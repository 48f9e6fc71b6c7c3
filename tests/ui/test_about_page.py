"""The pages of the info pane about a module: what it does, and why it is loaded."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.ui.stage import opened

MOUNT = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"


async def test_the_first_page_says_what_a_module_does(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/self/mountinfo", MOUNT)
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.until(
            "3 Info: ext4",
            "file system, loaded",
            "Provides",
            "file system ext4, ext3 and ext2",
            "mount / (ext4)",
            "crc16, mbcache",
        )


async def test_enter_shows_the_evidence_of_a_statement_and_hides_it_again(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.until("file system ext4, ext3 and ext2")
        assert "alias fs-ext4" not in stage.text
        await stage.press("3", "j", "j", "j", "enter")
        await stage.until("/lib/modules/6.1.0-56-amd64/kernel/fs/ext4/ext4.ko: alias fs-ext4")
        await stage.press("enter")
        await stage.until_gone("alias fs-ext4")


async def test_w_shows_why_and_w_again_the_first_page(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("crc16")
        await stage.press("w")
        await stage.until(
            "3 Why: crc16",
            "ext4 needs it, and cannot be loaded without it",
            "/proc/modules: crc16 16384 1 ext4,",
            "Why it cannot be unloaded now",
            lambda: stage.focused_pane == "info",
        )
        await stage.press("w")
        await stage.until("3 Info: crc16")


async def test_another_module_begins_with_its_first_page(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("crc16")
        await stage.press("w")
        await stage.until("3 Why: crc16")
        await stage.select("ext4")
        await stage.until("3 Info: ext4")


async def test_a_load_by_kmodtui_is_the_first_reason(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.load("dummy")
        await stage.select("dummy")
        await stage.press("w")
        await stage.until("kmodtui saw it being loaded at", "by its own command modprobe")


async def test_a_load_by_another_program_is_told_as_one(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("dummy"))
        await stage.select("dummy")
        await stage.press("w")
        await stage.until("kmodtui saw it being loaded at", "by another program")


async def test_the_page_follows_a_mount(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.press("w")
        await stage.until("1 reference of unknown users")
        kernel.folder.write("/proc/self/mountinfo", MOUNT)
        await stage.press("r")
        await stage.until("mount / (ext4). Unmount it first.")
        kernel.hold("ext4")
        await stage.until("2 references: 0 from modules, 2 other")


async def test_in_a_narrow_terminal_w_and_modinfo_go_to_the_pane(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.select("crc16")
        await stage.press("w")
        await stage.until("3 Why: crc16")
        await stage.press("1", "I")
        await stage.until("3 modinfo: crc16", "filename")


async def test_the_filter_finds_lines_of_the_page(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.until("crc16, mbcache")
        await stage.press("3", "slash")
        await stage.type("mbcache")
        await stage.until(lambda: "Provides" not in stage.pane("info"))
        assert "crc16, mbcache" in stage.pane("info")
