"""The base of the dialogs that ask which change of kmodtui's own files is wanted."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.plan.intent import Intent
from kmodtui.model.text import clean
from kmodtui.ui.commands import hint, key_of
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title

Choice = tuple[Intent, ...]
"""The intents of the chosen plan."""


class ChoiceDialog(Dialog[Choice]):
    """Lists choices with their keys; returns the intents of one, none if it was cancelled."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._heading = title

    def choices(self) -> list[tuple[str, str, str]]:
        """Return command, label and explanation of each choice."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Show the choices with their keys."""
        with Vertical(classes="dialog") as frame:
            set_title(frame, self._heading)
            yield Static(id="choices", markup=False)
            yield self.keys

    def on_mount(self) -> None:
        """Fill in the choices."""
        table = Table.grid(padding=(0, 2, 1, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for command, label, words in self.choices():
            table.add_row(
                Text(key_of(command), self.colour("accent")),
                Text(label),
                Text(clean(words), self.colour("dim")),
            )
        self.query_one("#choices", Static).update(table)
        self.keys.show(hint("dialog.cancel"))

    def choose(self, *intents: Intent) -> None:
        """Close with these intents, unless another dialog is on top."""
        if not self.is_covered:
            self.dismiss(intents)

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(())
