"""Many sizes of the window in a short time are used once, and a long drag now and then."""

from __future__ import annotations

import itertools

from kmodtui.ui.driver import RESIZE_LONGEST, RESIZE_QUIET
from kmodtui.ui.terminal.burst import Burst


def used(changes: list[float]) -> list[float]:
    """When changes at these times are acted on."""
    burst = Burst(RESIZE_QUIET, RESIZE_LONGEST)
    found = []
    for now in [*changes, float("inf")]:
        while burst.due < now:
            found.append(round(burst.due, 3))
            burst.end()
        burst.add(now)
    return found


def test_one_size_is_used_soon() -> None:
    assert used([5.0]) == [5.1]


def test_three_hundred_sizes_in_a_second_are_used_once() -> None:
    assert used([number / 300 for number in range(300)]) == [round(299 / 300 + 0.1, 3)]


def test_a_window_that_is_dragged_for_long_is_drawn_now_and_then() -> None:
    times = used([number / 100 for number in range(1000)])
    assert len(times) == 7
    assert times[-1] == round(9.99 + 0.1, 3)
    assert all(b - a <= RESIZE_LONGEST + 0.02 for a, b in itertools.pairwise(times))


def test_sizes_with_pauses_are_used_one_by_one() -> None:
    assert used([0.0, 1.0, 2.0]) == [0.1, 1.1, 2.1]
