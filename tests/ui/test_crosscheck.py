"""The page of the cross-check, as a user and as root."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.ui.stage import opened


async def test_a_hidden_module_is_shown_with_signs_and_innocent_causes(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    lines = kernel.folder.read("/proc/modules").splitlines(keepends=True)
    async with opened(demo) as stage:
        await stage.press("V")
        await stage.until("No difference was found.", "proves nothing")
        name = lines[0].decode().split()[0]
        kernel.folder.write("/proc/modules", b"".join(lines[1:]))
        await stage.press("r")
        await stage.until(f"{name} is not in /proc/modules", "Possible: ", "has symbols")
        await stage.press("A")
        await stage.until("The helper reads kprobes", "y ")
        await stage.press("y")
        await stage.until("root cannot read it", f"{name} is not in /proc/modules")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
