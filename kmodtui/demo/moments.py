"""The moments at which other processes can observe a load or unload in progress.

A simulated system call is a generator that yields a `Moment` at each of them. So
the demo can spend realistic time there, a test can stop in the middle, and all
others run it to the end at once.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import StrEnum
from typing import NamedTuple, TypeVar


class Point(StrEnum):
    """How far a load or unload of a module has come."""

    AWAITED = "awaited"  # another process is loading it, and this call waits for that
    LOADING = "loading"  # in /proc/modules, but not in /sys/module
    COMING = "coming"  # in /sys/module, and init is running
    LIVE = "live"  # init has succeeded, but the init section is not freed yet
    TRIMMED = "trimmed"  # the init section is freed: the load is complete
    UNLOADING = "unloading"  # exit is running
    TORN_DOWN = "torn down"  # removed from /sys/module, but not from /proc/modules
    GONE = "gone"


class Moment(NamedTuple):
    """Module `name` has reached `point`, visible to all processes."""

    name: str
    point: Point


Call = Generator[Moment, None, int]
"""A running system call; returns 0 or an errno."""

T = TypeVar("T")


def at_once(steps: Generator[Moment, None, T]) -> T:
    """Run to the end without waiting, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
