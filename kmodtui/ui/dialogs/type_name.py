"""The dialog that asks for a module's name before a dangerous plan is carried out."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.text import clean
from kmodtui.ui.commands import bindings, bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.input_line import InputLine


class TypeNameDialog(Dialog[bool]):
    """Returns whether the name was typed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.cancel"), *bindings("prompt")]

    takes_text = True

    def __init__(self, name: str, why: str) -> None:
        """Ask for the name of a module, and say why."""
        super().__init__()
        self._wanted = name
        self._why = why
        self.text_line = InputLine("prompt", id="type-name-input", placeholder="name")
        self._input = self.text_line
        self._words = Static("", id="type-name-words", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the input line, the reason and the keys."""
        with Vertical(classes="dialog", id="type-name-dialog") as frame:
            set_title(frame, f"Type {self._wanted} to continue")
            yield self._input
            yield self._words
            yield self.keys

    def on_mount(self) -> None:
        """Show the reason."""
        self.set_focus(self.text_line)
        self._words.update(clean(self._why))
        self.keys.show(hint("prompt.accept", label="continue"), hint("dialog.cancel"))

    def action_accept(self) -> None:
        """Continue if the name is right."""
        if self.is_covered:
            return
        if self._input.value.strip() == self._wanted:
            self.dismiss(True)
        else:
            self._words.update(clean(f"That is not {self._wanted}. {self._why}"))

    def action_cancel(self) -> None:
        """Go back to the plan."""
        self.dismiss(False)
