"""The page with all rules: their effects, filter, and blocking from there."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.screens.profile import ProfileScreen
from kmodtui.ui.screens.rules import RulesScreen
from tests.ui.stage import opened


async def test_rules_are_listed_filtered_and_a_module_is_blocked_from_there(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write("/etc/modprobe.d/a.conf", b"blacklist nbd\nblacklist gone\n")
    kernel.folder.write("/etc/modprobe.d/b.conf.bak", b"blacklist nbd\n")
    async with opened(demo) as stage:
        await stage.press("M")
        await stage.until("2 rules, 1 in effect", "blacklist nbd", "no module is named gone")
        assert "modprobe does not read it" in stage.text
        await stage.press("slash")
        await stage.type("nbd")
        await stage.press("enter")
        await stage.until(lambda: "gone" not in stage.text)
        await stage.press("g", "down", "down", "b")
        await stage.until("Keep from loading: nbd")
        await stage.press("k")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog), "y block")
        await stage.press("y")
        await stage.until("Blocked nbd")
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.screen, RulesScreen), "install nbd /bin/false")
        await stage.press("escape", "escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_a_line_without_a_module_says_so(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.folder.write("/etc/modprobe.d/a.conf", b"blacklist nbd\n")
    async with opened(demo) as stage:
        await stage.press("M")
        await stage.until("1 rule, 1 in effect")
        await stage.press("b")
        await stage.until(lambda: "There is no module on this line." in stage.toasts)


async def test_the_exposure_is_shown_with_its_totals(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("E")
        await stage.until("can be loaded by any user", "whoever plugs in a device")
        await stage.press("slash")
        await stage.type("tun")
        await stage.until("/tun")
        await stage.press("enter", "escape", "escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_the_page_of_the_next_kernel_shows_differences_or_that_there_is_none(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    folder = kernel.folder.locate("/lib/modules") / "6.1.0-57-amd64"
    async with opened(demo, size=(80, 24)) as stage:
        await stage.press("F")
        await stage.until("No modules of another kernel", "are installed.")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        folder.mkdir()
        (folder / "modules.dep").write_text("kernel/hello.ko:\n")
        await stage.press("F")
        await stage.until("Compared with: 6.1.0-57-amd64.", "removed", "has no")
        await stage.press("slash")
        await stage.type("hello")
        await stage.until("Reinstall the package that contains it")


async def test_a_profile_is_reviewed_planned_and_blocked_and_undone_at_once(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.press("E")
        await stage.until("can be loaded by any user")
        await stage.press("p")
        await stage.until(lambda: isinstance(stage.screen, ProfileScreen), "0 left out", "[x]")
        await stage.press("slash")
        await stage.type("xor")
        await stage.press("enter")
        await stage.until("/xor", "xor")
        await stage.press("a")
        await stage.until(" left out", "[ ]")
        await stage.press("escape", "p")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog), "y block")
        await stage.press("y")
        await stage.until("Blocked")
        written = kernel.folder.read(BLOCK_FILE).decode()
        assert "install nbd /bin/false" in written
        assert "install xor " not in written
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.screen, ProfileScreen))
        await stage.press("escape", "escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.press("U")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog), "y unblock")
        await stage.press("y")
        await stage.until("Unblocked")
        assert not kernel.folder.exists(BLOCK_FILE)


async def test_the_catalog_shows_and_filters_by_who_can_have_a_module_loaded(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("c")
        await stage.until("loadable by", "root")
        await stage.press("ctrl+r", "ctrl+r")
        await stage.until("loadable by any user, in a user namespace", "btrfs")
        assert "virtio_net" not in stage.text
        await stage.press("ctrl+r", "ctrl+r", "ctrl+r")
        await stage.until(lambda: "· loadable by" not in stage.text)
