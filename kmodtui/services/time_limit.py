"""A limit on the time of one step that Python alone cannot break off.

A regular expression that a person types can take longer than the universe is old
on one long name, and the interpreter is not let go of meanwhile: no thread helps.
But the engine looks at signals, and an alarm is one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kmodtui.errors import KmodtuiError


class TookTooLongError(KmodtuiError):
    """A step was broken off because it took too long."""

    title = "That takes too long"


@contextmanager
def limited(seconds: float, words: str, hint: str = "") -> Iterator[None]:
    """Break off what is done inside after `seconds`; in the main thread only.

    In another thread nothing is limited: alarms arrive in the main one.

    Raises:
        TookTooLongError: with `words` and `hint`, where it took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expired(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(words, hint)

    before = signal.signal(signal.SIGALRM, expired)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
