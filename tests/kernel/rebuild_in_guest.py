"""Runs in the guest as root: how long a rebuild takes until it is loaded, and a plain reload.

    python rebuild_in_guest.py TIMES FOLDER

FOLDER has two builds of the module drv, 0.ko and 1.ko, and twin.ko. Measured in turns: `rmmod twin
&& insmod twin.ko` of a shell, and a watch of drv.ko that loads automatically, from the last write
to the file. Prints JSON: the seconds of each.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from kmodtui.kernel.host import LocalHost
from kmodtui.model.watch.state import Stage, WatchState
from kmodtui.services.config import config_path, read_config
from kmodtui.services.machine import Machine
from kmodtui.services.root.local import chosen_root
from kmodtui.services.watch.watch import Watch

PATIENCE = 120.0
REST = 2.0
"""Seconds between two measurements: nobody rebuilds a module while it is being loaded."""


def plain(file: Path) -> float:
    """Return the seconds that a shell takes to reload a module."""
    began = time.monotonic()
    subprocess.run(["/bin/sh", "-c", f"rmmod {file.stem} && insmod {file}"], check=True)
    return time.monotonic() - began


async def main(times: int, folder: Path) -> None:
    """Measure, and print."""
    file = folder / "drv.ko"
    shutil.copyfile(folder / "0.ko", file)
    news: asyncio.Queue[WatchState] = asyncio.Queue()
    machine = Machine(LocalHost(), chosen_root("", read_config(config_path()), once=True))
    watch = Watch(machine, str(file), publish=news.put_nowait, automatic=True, confirmed=True)
    running = asyncio.create_task(watch.run())

    async def loaded(loads: int) -> WatchState:
        async with asyncio.timeout(PATIENCE):
            while (state := await news.get()).loads < loads:
                if state.stage in (Stage.FAILED, Stage.REFUSED, Stage.BROKEN):
                    raise AssertionError(state)
        return state

    await loaded(1)
    seconds: dict[str, list[float]] = {"plain": [], "rebuild": []}
    for number in range(1, times + 1):
        await asyncio.sleep(REST)
        seconds["plain"].append(await asyncio.to_thread(plain, folder / "twin.ko"))
        await asyncio.sleep(REST)
        shutil.copyfile(folder / f"{number % 2}.ko", file)
        state = await loaded(number + 1)
        assert state.rebuild is not None
        assert state.rebuild.seconds is not None
        seconds["rebuild"].append(state.rebuild.seconds)
    print(json.dumps(seconds))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await machine.close()


if __name__ == "__main__":
    subprocess.run(["insmod", Path(sys.argv[2], "twin.ko")], check=True)
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
    subprocess.run(["rmmod", "twin", "drv"], check=True)
