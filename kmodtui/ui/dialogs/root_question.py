"""The dialog that asks before something is read as root."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.text import clean
from kmodtui.ui.commands import bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title


class RootQuestion(Dialog[bool]):
    """Asks whether root privileges may be used; returns whether the user confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.confirm", "dialog.cancel")]

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

    def compose(self) -> ComposeResult:
        """Show the question, and how root privileges will be obtained."""
        with Vertical(classes="dialog") as frame:
            set_title(frame, self._title_words)
            yield Static(f"{self._words}\n\n{clean(self._privilege)}", markup=False)
            yield self.keys

    def on_mount(self) -> None:
        """Show the keys."""
        self.keys.show(hint("dialog.confirm", label="read"), hint("dialog.cancel"))

    def action_confirm(self) -> None:
        """Confirm; accept no answer if the terminal is too small to show the question."""
        if not self.is_covered:
            self.dismiss(True)

    def action_cancel(self) -> None:
        """Decline."""
        self.dismiss(False)
