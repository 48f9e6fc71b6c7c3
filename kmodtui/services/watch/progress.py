"""What is known of a watched file, which is published with each change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kmodtui.model.watch.build import BuildDifference, ModuleBuild
from kmodtui.model.watch.state import Rebuild, Stage, WatchState

Publish = Callable[[WatchState], None]


class Progress:
    """The state of a watched file.

    Attributes:
        state: what is known now.
    """

    def __init__(self, state: WatchState, publish: Publish) -> None:
        """Begin with a state; `publish` is called with each one after it."""
        self.state = state
        self._publish = publish
        self._number = 0  # of rebuilds

    def set(self, **fields: object) -> None:
        """Change fields of the state, and publish it."""
        self.state = replace(self.state, **fields)  # type: ignore[arg-type]
        self._publish(self.state)

    def set_rebuild(self, rebuild: Rebuild, **fields: object) -> None:
        """Change the last rebuild, and other fields, and publish the state."""
        self.set(rebuild=rebuild, **fields)

    def new_rebuild(
        self,
        stage: Stage,
        build: ModuleBuild | None = None,
        difference: BuildDifference | None = None,
    ) -> Rebuild:
        """Return a rebuild with the next number, unless the last one has only begun."""
        if self.state.stage not in (Stage.MAKING, Stage.INCOMPLETE):
            self._number += 1
        return Rebuild(self._number, stage, build, difference)
