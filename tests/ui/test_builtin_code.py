"""The symbol browser names built-in modules, where the kernel has a file about them."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.small_recording import RELEASE
from tests.ui.stage import opened

RANGES = b".text 00000000-00000000 = core_function_1\n.text 00000040-000000c0 nvme_core\n"


async def test_symbols_of_a_built_in_module_have_its_name(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write(f"/lib/modules/{RELEASE}/modules.builtin.ranges", RANGES)
    async with opened(demo) as stage:
        await stage.press("B")
        await stage.until("nvme_core (built in)")
        await stage.type("m:nvme_core")
        await stage.until("core_function_2 ", "core_function_3 ", lambda: "2 of" in stage.text)
        await stage.press("enter", "enter")
        await stage.until("Symbol core_function_2", "module ", "nvme_core (built in)")
