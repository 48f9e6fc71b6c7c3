"""A filter for modules by who can have them loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kmodtui.model.exposure.exposure import Exposure
from kmodtui.model.exposure.request import Reach
from kmodtui.services.picker.matching import Suggestions

_CHOICES = (None, Reach.USER, Reach.NAMESPACE, Reach.DEVICE, Reach.ROOT)


class ReachFilter:
    """Shows all modules, or those of one reach.

    Attributes:
        exposures: who can have each module loaded; empty until that has been read.
        reach: whose modules are shown; None for all.
    """

    def __init__(self) -> None:
        self.exposures: Mapping[str, Exposure] = {}
        self.reach: Reach | None = None

    def next(self) -> None:
        """Show the modules of the next reach, and after the last one all."""
        self.reach = _CHOICES[(_CHOICES.index(self.reach) + 1) % len(_CHOICES)]

    @property
    def words(self) -> str:
        """The filter for a title; empty without one."""
        return f" · loadable by {self.reach}" if self.reach else ""

    def applied(self, answer: Suggestions) -> Suggestions:
        """Return the modules of an answer that are shown."""
        if self.reach is None:
            return answer
        shown = tuple(
            entry
            for entry in answer.entries
            if (found := self.exposures.get(entry.name)) and found.reach is self.reach
        )
        words = "" if shown else f"None of these modules is loadable by {self.reach}."
        return replace(answer, entries=shown, words=answer.words or words)
