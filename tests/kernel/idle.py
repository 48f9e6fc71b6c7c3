"""Processor time of kmodtui and of kmon while nothing happens, in the same guest.

    python -m tests.kernel.idle

Both stand in a terminal of 140 by 40 over SSH. What counts is user and system
time of the process over the same seconds, and the bytes that came over the wire.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tests.kernel.image import CannotRunError, cached
from tests.kernel.screen import START_SECONDS, open_terminal
from tests.kernel.vm import VM, boot

SECONDS = 40
"""How long each is watched after it has come to rest."""


@dataclass(frozen=True)
class Idle:
    """What a program costs while nothing happens.

    Attributes:
        share: of one processor, 0 to 1.
        bytes: to the terminal in that time.
    """

    share: float
    bytes: int


def measure(vm: VM, name: str, command: list[str], ready: str) -> Idle:
    """Return what `command` costs once `ready` is on its screen."""
    with open_terminal(vm, "guest", command, columns=140, rows=40) as terminal:
        terminal.wait_for(ready, timeout=START_SECONDS)
        terminal.output_within(10)  # whatever it still does after its first screen
        ticks_per_second = int(vm.run("guest", ["getconf", "CLK_TCK"], check=True).stdout)
        before = _ticks(vm, name)
        written = terminal.output_within(SECONDS)
        used = _ticks(vm, name) - before
    return Idle(used / ticks_per_second / SECONDS, written)


def _ticks(vm: VM, name: str) -> int:
    """User and system time of the process, in clock ticks: fields 14 and 15 of its stat."""
    found = vm.run("root", f"cat /proc/$(pgrep -o -f '{name}')/stat", check=True).stdout
    fields = found.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> int:
    """Measure both and print the ratio."""
    try:
        image = cached()
    except CannotRunError as missing:
        print(missing)
        return 0
    with boot(image=image) as vm:
        ours = measure(vm, "bin/kmodtui", ["kmodtui"], r"\d+ modules \d")
        theirs = measure(vm, "^kmon", ["kmon"], "Loaded Kernel Modules")
    print(f"{'':10}  {'processor':>9}  {'bytes':>7}")
    for name, idle in (("kmodtui", ours), ("kmon", theirs)):
        print(f"{name:10}  {idle.share:>8.2%}  {idle.bytes:>7,}")
    print(f"ratio {ours.share / theirs.share:.3f} (target 0.25)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
