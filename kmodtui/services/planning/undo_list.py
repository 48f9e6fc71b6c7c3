"""The changes made through kmodtui since its start, newest last, for undo."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmodtui.model.plan.undo import UndoEntry

MOST = 50
"""Maximum number of changes that are kept; the oldest are dropped."""


class UndoList:
    """The changes that can be undone, and the parameters of modules loaded through kmodtui."""

    def __init__(self) -> None:
        self._done: deque[UndoEntry] = deque(maxlen=MOST)
        self._given: dict[str, tuple[str, ...]] = {}

    @property
    def last(self) -> UndoEntry | None:
        """The change to undo next; None if there is none."""
        return self._done[-1] if self._done else None

    def note(self, done: UndoEntry | None) -> None:
        """Add a change; None adds nothing."""
        if done is not None:
            self._done.append(done)

    def remove(self, done: UndoEntry) -> None:
        """Remove a change that was undone; an equal one stays."""
        # Two changes may be equal, such as the same load twice: only this one was undone.
        kept = (each for each in self._done if each is not done)
        self._done = deque(kept, maxlen=MOST)

    def given(self, module: str) -> tuple[str, ...]:
        """Return the parameters with which a module was last loaded through kmodtui."""
        return self._given.get(module, ())

    def note_given(self, module: str, parameters: Sequence[str]) -> None:
        """Remember the parameters with which a module was loaded."""
        self._given[module] = tuple(parameters)
