"""Processes of the guest, and the moment at which they have gone."""

from __future__ import annotations

import select
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.kernel.vm import VM

# What starts the helper has its words among its own, and stands beside it.
HELPER = r"^/usr/bin/python3 (-I -S|-IS) \S+/(helper\.py|kmodtui-helper)"

_PATIENCE = 180.0

# Prints a line when it watches these processes, and one when all of them have gone.
_WATCH = """
import os, select, sys
watches = {os.pidfd_open(int(number)) for number in sys.argv[1:]}
print("watching", flush=True)
while watches:
    watches -= set(select.select(watches, [], [])[0])
print("gone", flush=True)
"""


def helpers(vm: VM) -> list[str]:
    """The numbers of the helpers that run in the guest."""
    return vm.run("root", ["pgrep", "-f", HELPER]).stdout.split()


def await_in_guest(vm: VM, condition: str) -> None:
    """Wait until a shell command succeeds there; nothing tells of a process that has begun."""
    loop = f"until {condition} >/dev/null; do sleep 0.2; done"
    vm.run("root", loop, check=True, timeout=_PATIENCE)


@contextmanager
def watched(vm: VM, processes: list[str]) -> Iterator[Callable[[], float]]:
    """Watch processes of the guest; gives a function that returns when all have gone.

    It tells how many seconds after it was called, and raises AssertionError with what is
    there still if that takes longer than a step may take. What has gone before is no
    process to watch, and an error; so is no process at all.
    """
    assert processes
    command = vm.ssh("root", shlex.join(["python3", "-c", _WATCH, *processes]))
    # Unbuffered: what has been read is not waited for.
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0
    ) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline() == b"watching\n"

        def gone() -> float:
            began = time.monotonic()
            assert watch.stdout is not None
            if not select.select([watch.stdout], [], [], _PATIENCE)[0]:
                there = vm.run("root", ["ps", "-o", "pid,user,args", "-p", ",".join(processes)])
                raise AssertionError(f"still there after {_PATIENCE:.0f} s:\n{there.stdout}")
            assert watch.stdout.readline() == b"gone\n"
            return time.monotonic() - began

        try:
            yield gone
        finally:
            watch.kill()
