"""KmodtuiScreen: what every screen and dialog of kmodtui has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, TypeVar

from textual import events, on
from textual.screen import Screen
from textual.worker import Worker

from kmodtui.services.machine import Machine
from kmodtui.ui.background import Work, run_in_background
from kmodtui.ui.command import Command
from kmodtui.ui.desk import desk
from kmodtui.ui.subject import Subject
from kmodtui.ui.unavailable import why_unavailable
from kmodtui.ui.widgets.too_small import TooSmall

Result = TypeVar("Result")


class KmodtuiScreen(Screen[Result]):
    """A screen that reports failures, and is covered where the terminal is too small for it."""

    takes_text: ClassVar[bool] = False
    """Whether keys typed before the input line has the focus are meant for that line."""

    def __init__(self) -> None:
        super().__init__()
        self._too_small = TooSmall()
        self.drawn = asyncio.Event()
        """Set when the screen is drawn for the first time."""

    # Decorated, so that a subclass can have an `on_mount` and an `on_resize` beside them.

    @on(events.Mount)
    def _add_cover(self) -> None:
        self.mount(self._too_small)

    @on(events.Resize)
    def measure(self, event: events.Resize) -> None:
        """Cover the screen if the terminal is too small for it."""
        self._too_small.measure(event.size)

    def _compositor_refresh(self) -> None:
        """Draw what has changed, unless updates are batched.

        Within a batch, Textual would draw and discard the result, and leave parts of it out of
        what is drawn next. What is behind a dialog is drawn when the dialog closes.
        """
        if self.app.screen is not self:
            self._compositor._dirty_regions.clear()  # noqa: SLF001
            self._dirty_widgets.clear()
        elif not getattr(self.app, "_batch_count", 0):
            super()._compositor_refresh()
            self.drawn.set()

    @property
    def is_covered(self) -> bool:
        """Whether the terminal is too small: nothing that is not seen may be confirmed."""
        return self._too_small.display

    def report(self, error: BaseException) -> None:
        """Show an error as a sentence, and write the details to the log file."""
        desk(self).report(error)

    def work(
        self,
        work: Work,
        group: str,
        *,
        exclusive: bool = True,
        failed: Callable[[Exception], None] | None = None,
    ) -> Worker[None]:
        """Run work in the background; see `run_in_background`."""
        return run_in_background(self, work, group, exclusive=exclusive, failed=failed)

    def why_not(self, command: Command, subject: Subject) -> str:  # noqa: ARG002  for subclasses
        """Return why a command cannot be used now on a line; empty if it can."""
        machine = getattr(self.app, "machine", None)
        return why_unavailable(command, machine) if isinstance(machine, Machine) else ""

    def say_nothing_selected(self, words: str, title: str = "No module selected") -> None:
        """Say why a command that acts on the selection does nothing."""
        self.notify(words, title=title, markup=False, timeout=4)
