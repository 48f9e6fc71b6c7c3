"""The whole exercise once on the recorded Debian system: real modules, real symbols."""

from __future__ import annotations

import re

from kmodtui.demo import open_demo
from tests.ui.stage import opened


async def test_btrfs_comes_and_goes_with_keys_and_every_number_is_the_kernels() -> None:
    demo = open_demo(pace=0)
    kernel = demo.kernel
    before = set(kernel.loaded)
    async with opened(demo, size=(120, 40), interval=1) as stage:
        await stage.press("plus")
        await stage.until(lambda: re.search(r"[\d,]+ of [\d,]+ modules", stage.words))
        await stage.type("btrfs")
        await stage.press("enter")
        await stage.until(" y load")
        await stage.press("y")
        await stage.until("Loaded btrfs", lambda: "symbols in" in stage.words)
        came = [name for name in kernel.loaded if name not in before]
        symbols = kernel.folder.read("/proc/kallsyms")
        counts = {name: symbols.count(f"\t[{name}]\n".encode()) for name in came}
        await stage.press("enter")
        await stage.until("4 Change 1")
        shown = dict(re.findall(r"▸ (\S+) +\+([\d,]+)", stage.pane("symbols")))
        assert shown == {name: f"{count:,}" for name, count in counts.items()}
        assert f"+{sum(counts.values()):,} symbols" in stage.pane("symbols")
        await stage.until(lambda: stage.cursor == "btrfs")
        await stage.press("minus")
        await stage.until("y unload")
        await stage.press("y")
        await stage.until("Unloaded btrfs", lambda: "symbols in" in stage.words)
        stayed = set(kernel.loaded) - before
        for name in stayed:
            assert f"= {name} stays loaded" in stage.words
        assert (
            f"−{sum(counts[name] for name in came if name not in stayed):,} symbols" in stage.words
        )
