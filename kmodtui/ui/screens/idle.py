"""The dialog for the idle timeout, after which the helper drops root privileges."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import counted
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.typing_ahead import pass_on
from kmodtui.ui.widgets.caption import set_subtitle, set_title

LIMITS = (1, 8 * 60)
"""The shortest and longest idle timeout that the helper accepts, in minutes."""

DEFAULT = 15
"""The helper's default idle timeout in minutes."""


class MinutesInput(Input):
    """The input line; handles Enter itself."""

    async def on_key(self, event: events.Key) -> None:
        """Handle the key at once, before it bubbles up to the application."""
        if not pass_on(self, event) and event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()


class IdleDialog(ModalScreen[None]):
    """Asks for a number of minutes, and sets it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id == "dialog.cancel"),
    ]

    takes_text = True
    """Whether keys typed before the input line has the focus are meant for that line."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self._input = MinutesInput(id="idle-input", compact=True, placeholder="minutes")
        self._input.cursor_blink = False
        self._words = Static("", id="idle-words", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the input line and the explanation."""
        with Vertical(classes="dialog", id="idle-dialog") as frame:
            set_title(frame, "Drop root privileges after")
            set_subtitle(frame, "Enter: set · Esc: cancel")
            yield self._input
            yield self._words

    def on_mount(self) -> None:
        """Show the current timeout."""
        self.set_focus(self._input)
        minutes = self._machine.idle_minutes
        now = counted(DEFAULT if minutes is None else minutes, "minute")
        self._words.update(
            f"Currently {now}. The helper exits when it gets no request for this long, "
            f"{LIMITS[0]} to {LIMITS[1]} minutes. Applies until you quit; to keep it, set "
            "idle_minutes in the configuration file."
        )

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Set the timeout for the current root session and all later ones."""
        text = event.value.strip()
        low, high = LIMITS
        if not (text.isascii() and text.isdigit() and low <= int(text[:6]) <= high):
            self._words.update(f"Enter a whole number of minutes from {low} to {high}.")
            return
        try:
            await self._machine.set_idle(int(text))
        except KmodtuiError as error:
            desk(self).report(error)
        else:
            minutes = counted(int(text), "minute")
            self.notify(
                f"Root privileges are dropped after {minutes} without a request.", markup=False
            )
        self.dismiss(None)

    def action_cancel(self) -> None:
        """Close without changing the timeout."""
        self.dismiss(None)
