"""The dialog that asks before something is read as root."""

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
    """Asks whether root privileges may be used; returns whether the user confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id in ("dialog.confirm", "dialog.cancel")),
    ]

    def __init__(self, title: str, words: str, privilege: str) -> None:
        """Create the question.

        Args:
            title: what is read.
            words: what reading it means, in paragraphs separated by blank lines.
            privilege: how root privileges will be obtained.
        """
        super().__init__()
        self._title_words = title
        self._words = words
        self._privilege = privilege
        self._too_small = TooSmall()

    def compose(self) -> ComposeResult:
        """Show the question, and how root privileges will be obtained."""
        with Vertical(classes="dialog") as frame:
            set_title(frame, self._title_words)
            set_subtitle(frame, "y read · Esc cancel")
            yield Static(f"{self._words}\n\n{clean(self._privilege)}", markup=False)
        yield self._too_small

    def on_resize(self, event: events.Resize) -> None:
        """Accept no answer if the screen is too small to show the question."""
        self._too_small.measure(event.size)

    def action_confirm(self) -> None:
        """Confirm."""
        if not self._too_small.display:
            self.dismiss(True)

    def action_cancel(self) -> None:
        """Decline."""
        self.dismiss(False)
