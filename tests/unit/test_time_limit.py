"""A regular expression that takes too long is interrupted with a message."""

from __future__ import annotations

import re
import signal
import time

import pytest

from kmodtui.services.time_limit import TookTooLongError, limited


def test_an_endless_regular_expression_is_interrupted() -> None:
    pattern = re.compile(rb"(a+)+$")
    before = signal.getsignal(signal.SIGALRM)
    begin = time.monotonic()
    with pytest.raises(TookTooLongError, match="The pattern"), limited(0.05, "The pattern.", "Hm"):
        pattern.search(b"a" * 200 + b"b")
    # It would take about 2 ** 200 steps.
    assert time.monotonic() - begin < 10
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_fast_step_is_not_interrupted() -> None:
    with limited(5, "Too long."):
        assert re.search(b"a", b"a")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
