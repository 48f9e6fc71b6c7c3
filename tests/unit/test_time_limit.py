"""What would take for ever is broken off with a sentence."""

from __future__ import annotations

import re
import signal
import time

import pytest

from kmodtui.services.time_limit import TookTooLongError, limited


def test_a_regular_expression_that_would_take_for_ever_is_broken_off() -> None:
    pattern = re.compile(rb"(a+)+$")
    before = signal.getsignal(signal.SIGALRM)
    begin = time.monotonic()
    with pytest.raises(TookTooLongError, match="The pattern"), limited(0.05, "The pattern.", "Hm"):
        pattern.search(b"a" * 200 + b"b")
    # It would be some 2 ** 200 steps.
    assert time.monotonic() - begin < 10
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_is_done_in_time_is_left_alone() -> None:
    with limited(5, "Too long."):
        assert re.search(b"a", b"a")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
