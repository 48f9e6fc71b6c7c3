"""Builds of a small module, and somebody who rebuilds it while `kmodtui watch` runs."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from kmodtui.demo import Demo
from kmodtui.services.machine import Machine
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.watch import examination
from kmodtui.verbs.watch import watch_file
from tests.support.elf import make_module
from tests.support.small_recording import VERMAGIC

FILE = "/home/me/drv/mine.ko"


def module(*, vermagic: str = VERMAGIC, parameters: str = "loud", **sizes: int) -> bytes:
    """Return a build of mine.ko: functions with their sizes."""
    declared = [f"parmtype={each}:int".encode() for each in parameters.split()]
    return make_module(
        [b"license=GPL", b"name=mine", *declared, f"vermagic={vermagic}".encode()],
        defined={name: (".text", size) for name, size in sizes.items()},
        extra={".gnu.linkonce.this_module": bytes(64)},
    )


WARNING = (
    "------------[ cut here ]------------",
    "WARNING: CPU: 0 PID: 7 at /home/me/drv/mine.c:12 f+0x4/0x10 [mine]",
    "---[ end trace 0000000000000000 ]---",
)


OOPS = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "RIP: 0010:f+0x4/0x10 [mine]",
    "---[ end trace 0000000000000000 ]---",
)


async def watch_events(demo: Demo) -> list[dict[str, Any]]:
    """Return what `watch --json` prints for a load, a rebuild, a warning and a broken build."""
    options = argparse.Namespace(json=True, auto=True, yes=True, make="", count=3)
    machine = Machine(demo.host, DemoRoot(demo))
    demo.kernel.folder.write(FILE, module(f=16))
    out = io.StringIO()

    def init(_: Mapping[str, str]) -> int:
        demo.kernel.printk(6, "mine: hello")
        return 0

    demo.kernel.init_errors["mine"] = init

    async def until(words: str, times: int = 1) -> None:
        async with asyncio.timeout(30):
            while out.getvalue().count(words) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    complete, examination.COMPLETE = examination.COMPLETE, 0.05
    try:
        with redirect_stdout(out):
            printing = asyncio.create_task(watch_file(machine, FILE, (), options, keys=False))
            await until('"event": "loaded"')
            demo.kernel.folder.write(FILE, module(f=24, g=8, parameters="loud quiet"))
            await until('"event": "loaded"', 2)
            while '"event": "warning"' not in out.getvalue():
                # The log is followed a moment after the first load.
                for line in WARNING:
                    demo.kernel.printk(4, line)
                await asyncio.sleep(0.1)
            await until('"event": "note"')
            demo.kernel.folder.write(FILE, b"no module")
            await printing
    finally:
        examination.COMPLETE = complete
    return [json.loads(line) for line in out.getvalue().splitlines()]
