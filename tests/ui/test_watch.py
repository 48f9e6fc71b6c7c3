"""The page of a watched file: rebuilds are shown and loaded with a key, then automatically."""

from __future__ import annotations

import errno

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.screens.watch import WatchScreen
from tests.support.rebuilds import FILE, WARNING, module
from tests.ui.stage import Stage, opened


async def watch(stage: Stage, *keys: str) -> None:
    """Open the page of mine.ko, whose module is not loaded."""
    await stage.press("W")
    await stage.until("Watch a .ko file")
    await stage.type(FILE)
    await stage.until(FILE)
    await stage.press("enter")
    await stage.until("p: plan to insert it")
    await stage.press("p")
    await stage.until(lambda: isinstance(stage.screen, WatchScreen), *keys)


async def test_rebuilds_are_loaded_with_a_key_and_then_automatically(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write(FILE, module(f=16))
    async with opened(demo, size=(120, 60)) as stage:
        await watch(stage, "y load")
        assert f"# insmod {FILE}" in stage.words
        await stage.press("a")
        await stage.until("confirms the file")
        assert "mine" not in kernel.loaded
        await stage.press("y")
        await stage.until("Rebuild 1: loaded")
        kernel.folder.write(FILE, module(f=48, g=8, parameters="loud quiet"))
        await stage.until("Rebuild 2: a new build can be loaded", "y load")
        assert "grown 16 48 T function f" in stage.words
        assert "parameter added: quiet" in stage.words
        await stage.press("y")
        await stage.until("Rebuild 2: loaded", "o earlier build")
        await stage.press("a")
        await stage.until("rebuilds are loaded automatically")
        kernel.folder.write(FILE, module(f=8))
        await stage.until("Rebuild 3: loaded", "after the rebuild")
        assert "shrunk 48 8 T function f" in stage.words
        kernel.init_errors["mine"] = lambda _: errno.ENODEV
        kernel.folder.write(FILE, module(f=9))
        await stage.until("Rebuild 4: ", "The earlier build is kept", "o earlier build")
        assert "mine" not in kernel.loaded
        del kernel.init_errors["mine"]
        await stage.press("o")
        await stage.until("the earlier build is loaded again")
        for line in WARNING:
            kernel.printk(4, line)
        await stage.until("The kernel warned", "In f+0x4 (/home/me/drv/mine.c:12)")
        assert "loads on a key" in stage.words
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        # The file of the module is known now: it is not asked for again.
        await stage.until(lambda: "mine" in stage.modules)
        await stage.select("mine")
        await stage.press("W")
        await stage.until(lambda: isinstance(stage.screen, WatchScreen))


async def test_without_root_rebuilds_are_only_shown(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.folder.write(FILE, module(f=16))
    async with opened(demo, root=NoRoot("--read-only was given.")) as stage:
        await watch(stage, "A new build can be loaded".lower(), "--read-only was given")
        await stage.press("y")
        kernel.folder.write(FILE, module(f=17))
        await stage.until("Rebuild 2")
        assert "mine" not in kernel.loaded
