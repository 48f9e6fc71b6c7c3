"""Runs in the guest: loads and unloads modules one after another, and writes down what it sees.

    python thirty_in_guest.py FOLDER MODULE...

Two records of each step, made independently: what kmodtui's monitor says changed, and
the whole of /proc/kallsyms before and after. They are compared elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from kmodtui.kernel.host import LocalHost
from kmodtui.services.monitor import Changed, Monitor, MonitorEvent, SymbolsRead

PATIENCE = 60.0
QUIET = 0.8
"""Seconds in which a second change would have come, if there were one."""


def dump(folder: Path, number: int) -> None:
    """Keep the table: module rows in a file, the kernel's own in one with equal ones before it."""
    rows = Path("/proc/kallsyms").read_bytes().split(b"\n")
    for name, kept in (
        ("modules", [row for row in rows if b"\t[" in row]),
        ("core", [row for row in rows if b"\t[" not in row]),
    ):
        data, file = b"\n".join(kept) + b"\n", folder / f"{number}.{name}"
        before = folder / f"{number - 1}.{name}"
        if before.exists() and before.read_bytes() == data:
            os.link(before, file)
        else:
            file.write_bytes(data)


async def step(
    folder: Path, number: int, command: list[str], events: asyncio.Queue[MonitorEvent]
) -> None:
    """Do one thing to the kernel, and write down the one change that it is."""
    changes = []
    process = await asyncio.create_subprocess_exec(*command)
    status = await process.wait()
    wait = PATIENCE
    while True:
        try:
            event = await asyncio.wait_for(events.get(), wait)
        except TimeoutError:
            break
        if isinstance(event, Changed):
            changes.append(event.change)
            wait = QUIET
    dump(folder, number)
    owners = [owner for change in changes for owner in change.symbols.owners]
    for side in ("added", "removed"):
        (folder / f"{number}.{side}").write_bytes(
            b"".join(getattr(owner, side).raw for owner in owners)
        )
    told = {
        "command": command,
        "status": status,
        "changes": len(changes),
        "came": [module.name for change in changes for module in change.loaded],
        "went": [module.name for change in changes for module in change.unloaded],
    }
    (folder / f"{number}.json").write_text(json.dumps(told))


async def main(folder: Path, modules: list[str]) -> None:
    """Load and unload every module."""
    events: asyncio.Queue[MonitorEvent] = asyncio.Queue()

    async def watch() -> None:
        async for event in Monitor(LocalHost(), interval=0.5).watch():
            await events.put(event)

    watching = asyncio.create_task(watch())
    while not isinstance(await asyncio.wait_for(events.get(), PATIENCE), SymbolsRead):
        pass
    dump(folder, 0)
    number = 0
    for module in modules:
        for command in (["modprobe", module], ["modprobe", "-r", module]):
            number += 1
            await step(folder, number, ["/sbin/" + command[0], *command[1:]], events)
    watching.cancel()


if __name__ == "__main__":
    subprocess.run(["mkdir", "-p", sys.argv[1]], check=True)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
