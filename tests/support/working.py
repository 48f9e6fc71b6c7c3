"""Whether a program is at work, also where it waits for a processor that others use."""

from __future__ import annotations

import time
from pathlib import Path

MARK = "KMODTUI_TEST_TERMINAL"
"""The variable in the environment of a program, and of all that it starts, to find them by."""

_WAITING = {"S", "I", "Z", "T", "t"}


def works(mark: str) -> bool:
    """Return whether a thread of the programs with that mark runs or would if it could."""
    for _ in range(3):
        if any(_runs(process) for process in processes(mark)):
            return True
        time.sleep(0.02)
    return False


def processes(mark: str) -> list[Path]:
    """Return the directories in /proc of the processes with that mark."""
    variable = f"{MARK}={mark}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (process / "environ").read_bytes().split(b"\0"):
                found.append(process)
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return found


def _runs(process: Path) -> bool:
    for status in process.glob("task/*/stat"):
        try:
            if status.read_text().rpartition(") ")[2][0] not in _WAITING:
                return True
        except OSError:
            continue
    return False
