"""Freed memory goes back to the system, however small blocks lie between large ones."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from kmodtui.services.memory import return_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 // 1024**2

if sys.argv[1] == "set":
    return_freed_memory()
bytes([1]) * 4_000_000  # the first one that is freed raises glibc's threshold
before = resident()
large, small = [], []
for _ in range(20):
    large.append(bytes([1]) * 3_000_000)
    small.append(bytes([1]) * 4_000)
large.clear()
print(resident() - before)
"""


def kept(argument: str) -> int:
    """Return how many MiB a program keeps of 60 MB that it has freed."""
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, argument], check=True, capture_output=True
    ).stdout
    return int(output)


@pytest.mark.skipif("glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="no glibc")
def test_large_blocks_are_returned_between_small_ones_that_stay() -> None:
    assert kept("unset") > 40
    assert kept("set") < 5
