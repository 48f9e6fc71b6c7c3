"""What was changed through kmodtui since it began, newest last, so that it can be taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from kmodtui.model.undo import Done

MOST = 50
"""Changes that are kept; older ones are forgotten."""


class UndoList:
    """The changes that can be taken back, and what modules were given as they were loaded."""

    def __init__(self) -> None:
        self._done: deque[Done] = deque(maxlen=MOST)
        self._given: dict[str, tuple[str, ...]] = {}

    @property
    def last(self) -> Done | None:
        """The change that would be taken back next; None if there is none."""
        return self._done[-1] if self._done else None

    def note(self, done: Done | None) -> None:
        """Keep a change; None is none."""
        if done is not None:
            self._done.append(done)

    def taken_back(self, done: Done) -> None:
        """Forget a change that is no more; one that is merely equal to it stays."""
        # Two changes may be alike, such as the same load twice: only this one is meant.
        kept = (each for each in self._done if each is not done)
        self._done = deque(kept, maxlen=MOST)

    def given(self, module: str) -> tuple[str, ...]:
        """Return what a module was given when it was loaded through kmodtui."""
        return self._given.get(module, ())

    def note_given(self, module: str, parameters: Sequence[str]) -> None:
        """Remember what a module was given when it was loaded."""
        self._given[module] = tuple(parameters)
