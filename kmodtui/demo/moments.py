"""The points at which another process can look at a simulated kernel at work.

A simulated system call is a generator that yields a `Moment` at each of them,
so that the demo can take its time, a test can stop in the middle, and everyone
else runs it through at once.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import StrEnum
from typing import NamedTuple, TypeVar


class Point(StrEnum):
    """Where a module is on its way in or out."""

    AWAITED = "awaited"  # somebody else loads it, and this call waits for that
    LOADING = "loading"  # in /proc/modules, nothing below /sys
    COMING = "coming"  # /sys/module/NAME is there, init runs
    LIVE = "live"  # init has succeeded, init memory is still held
    TRIMMED = "trimmed"  # settled
    UNLOADING = "unloading"  # exit runs
    TORN_DOWN = "torn down"  # /sys/module/NAME is gone, the /proc line is not
    GONE = "gone"


class Moment(NamedTuple):
    """Module `name` has reached `point`, and everyone can see it."""

    name: str
    point: Point


Call = Generator[Moment, None, int]
"""A system call under way; returns 0 or the errno."""

T = TypeVar("T")


def at_once(steps: Generator[Moment, None, T]) -> T:
    """Return what comes out when nothing is waited for."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
