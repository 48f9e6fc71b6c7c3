"""Two things timed in turns within one run, so that a busy machine slows both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Clocked = Callable[[], float]
"""Does something once and returns the seconds that count."""


@dataclass(frozen=True)
class Comparison:
    """What was measured beside what it is compared with; medians, in seconds.

    Attributes:
        what: was measured.
        yardstick: it was compared with.
        ratio: median of the rounds' own ratios.
        limit: the ratio that is promised.
    """

    what: str
    yardstick: str
    seconds: float
    yardstick_seconds: float
    ratio: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the promise is kept on this machine, now."""
        return self.ratio <= self.limit


@dataclass(frozen=True)
class Amount:
    """What was measured against a number, in megabytes.

    Attributes:
        what: was measured.
        limit: what is promised.
    """

    what: str
    megabytes: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.megabytes <= self.limit


def compare(
    what: str,
    measured: Clocked,
    yardstick_name: str,
    yardstick: Clocked,
    *,
    limit: float,
    rounds: int,
) -> Comparison:
    """Run both in turns, after one round that fills the caches and counts for nothing."""
    measured(), yardstick()
    pairs = []
    for number in range(rounds):
        # Who comes second finds the caches as the first has left them: take turns.
        if number % 2:
            second = yardstick()
            pairs.append((measured(), second))
        else:
            first = measured()
            pairs.append((first, yardstick()))
    return of_pairs(what, yardstick_name, pairs, limit=limit)


def of_pairs(
    what: str, yardstick: str, pairs: list[tuple[float, float]], *, limit: float
) -> Comparison:
    """Return the comparison of what was measured in turns: seconds of it and of the yardstick."""
    return Comparison(
        what,
        yardstick,
        median(mine for mine, _ in pairs),
        median(theirs for _, theirs in pairs),
        median(mine / theirs for mine, theirs in pairs),
        limit,
    )


def clocked(action: Callable[[], object]) -> Clocked:
    """Return what does `action` and returns how long it took."""

    def timed() -> float:
        begin = time.perf_counter()
        action()
        return time.perf_counter() - begin

    return timed
