"""Bytes that kmodtui and kmon send to the terminal for the same actions, in the same guest.

    python -m tests.kernel.wire

Both run as root in a terminal over SSH, at two sizes. What is sent within some seconds after the
last key counts, and what each program sends by itself in such a time is printed as well.
"""

from __future__ import annotations

import sys
from itertools import pairwise

from tests.kernel.image import CannotRunError, cached
from tests.kernel.screen import START_SECONDS, open_terminal
from tests.kernel.vm import VM, boot

SIZES = ((80, 24), (140, 40))
SECONDS = 8.0
"""From the last key of an action until its bytes are counted; under emulation a load takes two."""

BETWEEN = 2.0
"""Seconds after a key that opens something that the next one is for."""

ACTIONS = (
    # What is done, the keys of kmodtui, and those of kmon.
    ("cursor down", ("j",), ("j",)),
    ("ten lines down", ("j",) * 10, ("j",) * 10),
    ("page down", ("PageDown",), ("PageDown",)),
    ("next pane", ("Tab",), ("Right",)),
    ("previous pane", ("Shift+Tab",), ("Left",)),
    ("search for virtio", ("/", "virtio", "Enter"), ("/", "virtio", "Enter")),
    ("end the search", ("/", "Esc"), ("/", *("Backspace",) * 6, "Enter")),
    ("help", ("?",), ("?",)),
    ("close it", ("Esc",), ("1",)),
    ("load dummy", ("+", "dummy", "Enter", "y", "Enter"), ("+", "dummy", "Enter", "y")),
)


def measure(
    vm: VM, command: list[str], ready: str, actions: list[tuple[str, ...]], size: tuple[int, int]
) -> list[int]:
    """Return the bytes of the first screen, and of each action."""
    columns, rows = size
    with open_terminal(vm, "root", command, columns=columns, rows=rows) as terminal:
        terminal.wait_for(ready, timeout=START_SECONDS)
        terminal.output_within(SECONDS)
        found = [terminal.byte_count]
        for keys in ((), *actions):
            for key in keys:
                terminal.press(key)
                terminal.output_within(0 if key == "j" else BETWEEN)
            terminal.output_within(SECONDS)
            found.append(terminal.byte_count)
        vm.run("root", ["modprobe", "-r", "dummy"])
    return [found[0], *(b - a for a, b in pairwise(found))]


def main() -> int:
    """Measure both and print the bytes."""
    try:
        image = cached()
    except CannotRunError as missing:
        print(missing)
        return 0
    with boot(image=image) as vm:
        for size in SIZES:
            ours = measure(vm, ["kmodtui"], r"\d+ modules \d", [a for _, a, _ in ACTIONS], size)
            theirs = measure(
                vm, ["kmon"], "Loaded Kernel Modules", [a for _, _, a in ACTIONS], size
            )
            print(f"{f'{size[0]} x {size[1]}':20}  {'kmodtui':>8}  {'kmon':>8}")
            names = ("first screen", "at rest", *(name for name, _, _ in ACTIONS))
            for name, our, their in zip(names, ours, theirs, strict=True):
                print(f"{name:20}  {our:>8,}  {their:>8,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
