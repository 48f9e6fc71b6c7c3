"""Limits the time of a regular expression, which Python cannot interrupt otherwise.

A regular expression that the user types can take practically forever on a long name. It
does not release the interpreter, so a thread does not help. But the matching engine
checks for signals, so an alarm interrupts it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kmodtui.errors import KmodtuiError


class TookTooLongError(KmodtuiError):
    """A step was interrupted because it took too long."""

    title = "Took too long"


@contextmanager
def limited(seconds: float, words: str, hint: str = "") -> Iterator[None]:
    """Interrupt the body after `seconds`, but only in the main thread.

    In other threads there is no limit, because signals are handled in the main thread.

    Raises:
        TookTooLongError: the time is over; with `words` as message, and `hint`.
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
