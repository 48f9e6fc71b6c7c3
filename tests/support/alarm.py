"""Ends what takes too long, even if it never returns to the event loop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def alarm(seconds: float, report: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Raise AssertionError in the main thread if the block takes too long.

    Gives a function that begins to count the seconds anew. The error may be raised in a task
    that something else takes it from, such as the event loop; the block raises it again.

    Args:
        seconds: from the last beginning.
        report: returns what is known about the state when it is too late.
    """
    reports: list[str] = []

    def too_late(_number: int, frame: FrameType | None) -> None:
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown"
        reports.append(f"not within {seconds:g} s, at {where}\n{report()}")
        raise AssertionError(reports[0])

    def again() -> None:
        if reports:
            raise AssertionError(reports[0])
        # Again and again, because more than one task may do without the event loop.
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)

    before = signal.signal(signal.SIGALRM, too_late)
    again()
    try:
        yield again
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if reports:
        raise AssertionError(reports[0])
