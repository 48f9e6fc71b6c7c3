"""When to act on changes that come in bursts, such as the sizes of a window that is dragged."""

from __future__ import annotations

import math


class Burst:
    """Collects changes: they are acted on once, when they have ended."""

    def __init__(self, quiet: float, longest: float) -> None:
        """Begin without a change.

        Args:
            quiet: seconds without a change after which a burst has ended.
            longest: seconds after which it is acted on although it goes on.
        """
        self._quiet, self._longest = quiet, longest
        self._begun = self._last = math.inf

    def add(self, now: float) -> None:
        """Take a change at a time in seconds."""
        if self._begun == math.inf:
            self._begun = now
        self._last = now

    @property
    def due(self) -> float:
        """When to act; infinite if nothing has changed."""
        return min(self._last + self._quiet, self._begun + self._longest)

    def end(self) -> None:
        """Forget the changes, because they are acted on now."""
        self._begun = self._last = math.inf
