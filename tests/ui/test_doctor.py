"""The page of the doctor: a summary, then groups with what is not ok first."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.screens.doctor import DoctorScreen
from kmodtui.ui.screens.no_modules import NoModulesScreen
from tests.ui.stage import opened


async def test_what_is_not_ok_comes_first_and_the_filter_finds_the_rest(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write("/proc/sys/kernel/modprobe", b"\n")
    async with opened(demo) as stage:
        await stage.press("X")
        await stage.until("Off: kernel.modprobe", "What the running kernel permits")
        text = stage.text
        assert text.index("Autoloading is off") < text.index("kernel.modules_disabled")
        await stage.press("slash")
        await stage.type("forced module")
        await stage.press("enter")
        await stage.until("Forced module unloading", "Options that the kernel was built with")
        assert "Autoloading" not in stage.text
        await stage.press("escape")
        kernel.folder.write("/sys/kernel/debug/modules/stats", b"     Mods failed on load\t3\n")
        await stage.press("A")
        await stage.until("The helper reads which unloaded modules", "y ")
        await stage.press("y", "slash")
        await stage.type("failed loads")
        await stage.press("enter")
        await stage.until("3 loads failed since boot")
        await stage.press("escape", "escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_it_also_examines_a_kernel_without_modules(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.remove("/proc/modules")
    async with opened(demo, ready=False) as stage:
        await stage.until(lambda: isinstance(stage.screen, NoModulesScreen))
        await stage.press("X")
        await stage.until(lambda: isinstance(stage.screen, DoctorScreen), "Loadable modules")
        await stage.until("/proc/modules does not exist")
