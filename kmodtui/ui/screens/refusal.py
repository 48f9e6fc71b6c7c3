"""What a command that changes the kernel is answered with where nothing may be changed."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import clean
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.caption import set_title


class RefusalDialog(ModalScreen[None]):
    """The reason, until Esc or Enter; every other key does nothing, here or behind."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.action in ("cancel", "accept")),
    ]

    def __init__(self, error: KmodtuiError) -> None:
        super().__init__()
        self._error = error
        self._body = Static("", id="refusal-body", markup=False)
        self._keys = Static("", id="plan-keys", markup=False)

    def compose(self) -> ComposeResult:
        """Title, reason, what to do."""
        with Vertical(classes="dialog", id="refusal-dialog") as frame:
            set_title(frame, "Nothing can be changed here")
            yield self._body
            yield self._keys

    def on_mount(self) -> None:
        """Say it."""
        colours = self.app.theme_variables
        lines = [Text(clean(self._error.message), colours.get("warning", ""))]
        if self._error.hint:
            lines.append(Text(clean(self._error.hint)))
        self._body.update(Text("\n").join(lines))
        key = Text.assemble((" Enter ", colours.get("accent", "")), "close")
        self._keys.update(key)

    def action_accept(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_cancel(self) -> None:
        """Close."""
        self.dismiss(None)
