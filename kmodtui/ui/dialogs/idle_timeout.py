"""The dialog for the idle timeout, after which the helper drops root privileges."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.text import counted
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings, bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.input_line import InputLine

LIMITS = (1, 8 * 60)
"""The shortest and longest idle timeout that the helper accepts, in minutes."""

DEFAULT = 15
"""The helper's default idle timeout in minutes."""


class IdleTimeoutDialog(Dialog[None]):
    """Asks for a number of minutes, and sets it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.cancel"), *bindings("prompt")]

    takes_text = True

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self.text_line = InputLine("prompt", id="idle-input", placeholder="minutes")
        self._input = self.text_line
        self._words = Static("", id="idle-words", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the input line, the explanation and the keys."""
        with Vertical(classes="dialog", id="idle-dialog") as frame:
            set_title(frame, "Drop root privileges after")
            yield self._input
            yield self._words
            yield self.keys

    def on_mount(self) -> None:
        """Show the current timeout."""
        self.set_focus(self._input)
        self.keys.show(hint("prompt.accept", label="set"), hint("dialog.cancel"))
        minutes = self._machine.idle_minutes
        now = counted(DEFAULT if minutes is None else minutes, "minute")
        self._words.update(
            f"Currently {now}. The helper exits after this time without a request "
            f"({LIMITS[0]} to {LIMITS[1]} minutes). Applies until you quit; to keep it, set "
            "idle_minutes in the configuration file."
        )

    def action_accept(self) -> None:
        """Set the timeout for the current root session and all later ones."""
        text = self._input.value.strip()
        low, high = LIMITS
        if text.isascii() and text.isdigit() and low <= int(text[:6]) <= high:
            self.work(lambda: self._set(int(text)), "idle", failed=self._close)
        else:
            self._words.update(f"Enter a whole number of minutes from {low} to {high}.")

    async def _set(self, minutes: int) -> None:
        await self._machine.set_idle(minutes)
        self.notify(
            f"Root privileges are dropped after {counted(minutes, 'minute')} without a request.",
            markup=False,
        )
        self._close()

    def _close(self, _error: Exception | None = None) -> None:
        self.dismiss(None)

    def action_cancel(self) -> None:
        """Close without changing the timeout."""
        self.dismiss(None)
