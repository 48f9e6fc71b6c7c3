"""The dialog shown for a command that needs root where root is denied."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Static

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title

NO_CHANGE = "Changes are not possible here"
NO_ROOT = "Root privileges are not available"  # for commands that only read


def root_allowed(screen: Screen[Any], machine: Machine, title: str = NO_CHANGE) -> bool:
    """Return whether a command may use root; if not, show the reason in a dialog.

    A notification would not do: what the user goes on to type for the refused command,
    such as the name of a module, would act as commands.
    """
    denied = machine.root.denied
    if denied is not None:
        screen.app.push_screen(RefusalDialog(denied, title))
    return denied is None


class RefusalDialog(Dialog[None]):
    """Shows the reason until Esc or Enter; all other keys are ignored."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.cancel", "dialog.accept")]

    def __init__(self, error: KmodtuiError, title: str) -> None:
        super().__init__()
        self._error = error
        self._title_words = title
        self._body = Static("", id="refusal-body", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the reason and the keys."""
        with Vertical(classes="dialog", id="refusal-dialog") as frame:
            set_title(frame, self._title_words)
            yield self._body
            yield self.keys

    def on_mount(self) -> None:
        """Show the reason and the remedy."""
        lines = [Text(clean(self._error.message), self.colour("warning"))]
        if self._error.hint:
            lines.append(Text(clean(self._error.hint)))
        self._body.update(Text("\n").join(lines))
        self.keys.show(hint("dialog.accept", label="close"))

    def action_accept(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_cancel(self) -> None:
        """Close."""
        self.dismiss(None)
