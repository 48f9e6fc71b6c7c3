"""Rebuilds of a module: the difference of two builds, and the time until a rebuild is loaded."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from kmodtui.demo import open_demo
from kmodtui.demo.moments import at_once
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.build_symbols import read_module_build
from kmodtui.model.watch.build import difference
from kmodtui.model.watch.state import Stage, WatchState
from kmodtui.services.machine import Machine
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.watch.watch import Watch
from tests.bench.interleaved import Comparison, clocked, compare, of_pairs
from tests.bench.machine import RecordedMachine
from tests.support.elf import make_module

SYMBOLS = 20_000
PROMISED = 0.15
"""Seconds that a rebuild may take longer than `rmmod && insmod`."""

FILE = "/home/me/drv/mine.ko"


def _module(sizes: dict[str, int]) -> bytes:
    magic = b"vermagic=6.1.0-56-amd64 SMP preempt mod_unload modversions"
    return make_module(
        [b"license=GPL", b"name=mine", magic],
        defined={n: (".text" if size % 2 else ".data", size) for n, size in sizes.items()},
        extra={".gnu.linkonce.this_module": bytes(896)},
    )


def build_difference(_: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare reading a rebuild and its difference with nm and diff; 100 ms are promised."""
    if not shutil.which("nm"):
        return "there is no nm here"
    sizes = {f"driver_function_{number}": number % 500 + 1 for number in range(SYMBOLS)}
    changed = {name: size + 2 * (size % 50 == 1) for name, size in sizes.items()}
    with tempfile.TemporaryDirectory(prefix="kmodtui-bench-") as folder:
        old, new = Path(folder, "old.ko"), Path(folder, "new.ko")
        old.write_bytes(_module(sizes))
        new.write_bytes(_module(changed))
        before = read_module_build(LocalHost(), str(old))

        def ours() -> None:
            found = difference(before, read_module_build(LocalHost(), str(new)))
            if len(found.symbols) != SYMBOLS // 50:
                raise AssertionError(f"{len(found.symbols)} symbols differ")

        def theirs() -> None:
            names = " ".join(f"<(nm -S {file} | sort -k4)" for file in (old, new))
            subprocess.run(["bash", "-c", f"diff {names} >/dev/null || true"], check=True)

        return compare(
            f"a rebuild with {SYMBOLS:,} symbols: read, difference",
            clocked(ours),
            "nm -S of both builds, sort, diff",
            clocked(theirs),
            limit=1.0,
            rounds=rounds,
        )


def rebuild_to_loaded(_: RecordedMachine, rounds: int) -> Comparison:
    """Compare a rebuild in the demo, until it is loaded, with `rmmod && insmod` + 150 ms."""
    return asyncio.run(_rebuilds(rounds))


async def _rebuilds(rounds: int) -> Comparison:
    demo = open_demo(pace=0)
    demo.kernel.folder.write(FILE, _module({"f": 1}))
    loaded = asyncio.Event()

    def publish(state: WatchState) -> None:
        if state.stage is Stage.LOADED:
            loaded.set()

    machine = Machine(demo.host, DemoRoot(demo))
    watch = Watch(machine, FILE, publish=publish, automatic=True, confirmed=True)
    running = asyncio.create_task(watch.run())
    await loaded.wait()
    pairs = []
    for number in range(1, rounds + 1):
        image = _module({"f": 2 * number + 1})
        began = time.perf_counter()
        at_once(demo.kernel.delete("mine"))
        at_once(demo.kernel.insert_file(image))
        plain = time.perf_counter() - began
        loads = watch.state.loads
        began = time.perf_counter()
        demo.kernel.folder.write(FILE, _module({"f": 2 * number + 2}))
        while watch.state.loads == loads:
            loaded.clear()
            await loaded.wait()
        pairs.append((time.perf_counter() - began, plain + PROMISED))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await machine.close()
    return of_pairs(
        "a rebuild, from the write until it is loaded", "rmmod, insmod and 150 ms", pairs, limit=1.0
    )
