"""The question before root is used to read something: what it is, why, and how root is had."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from kmodtui.model.text import clean
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.too_small import TooSmall


class RootQuestion(ModalScreen[bool]):
    """Asks whether root may be used."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id in ("dialog.confirm", "dialog.cancel")),
    ]

    def __init__(self, title: str, words: str, privilege: str) -> None:
        """Prepare the question.

        Args:
            title: what is read.
            words: what that means; paragraphs with a blank line between.
            privilege: how root will be had.
        """
        super().__init__()
        self._what = title
        self._words = words
        self._privilege = privilege
        self._too_small = TooSmall()

    def compose(self) -> ComposeResult:
        """Say what is done, and how root is had."""
        with Vertical(classes="dialog") as frame:
            set_title(frame, self._what)
            set_subtitle(frame, "y read · Esc cancel")
            yield Static(f"{self._words}\n\n{clean(self._privilege)}", markup=False)
        yield self._too_small

    def on_resize(self, event: events.Resize) -> None:
        """Ask nothing where the question cannot be read."""
        self._too_small.measure(event.size)

    def action_confirm(self) -> None:
        """Go on."""
        if not self._too_small.display:
            self.dismiss(True)

    def action_cancel(self) -> None:
        """Leave it."""
        self.dismiss(False)
