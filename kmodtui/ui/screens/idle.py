"""The dialog that asks after how many minutes without a change root is to be given up."""

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
"""Minutes: the least and the most that the helper takes."""

USUAL = 15
"""Minutes that the helper waits where nothing else is asked for."""


class MinutesInput(Input):
    """The line; Enter ends the typing at that key."""

    async def on_key(self, event: events.Key) -> None:
        """Obey at once, not when the key has gone its way through the application."""
        if not pass_on(self, event) and event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()


class IdleDialog(ModalScreen[None]):
    """A line for a number of minutes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id == "dialog.cancel"),
    ]

    takes_text = True
    """What is typed before the line has the focus is meant for it all the same."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self._input = MinutesInput(id="idle-input", compact=True, placeholder="minutes")
        self._input.cursor_blink = False
        self._words = Static("", id="idle-words", markup=False)

    def compose(self) -> ComposeResult:
        """Frame the line, and what it is for."""
        with Vertical(classes="dialog", id="idle-dialog") as frame:
            set_title(frame, "Give root up after")
            set_subtitle(frame, "Enter: set · Esc: cancel")
            yield self._input
            yield self._words

    def on_mount(self) -> None:
        """Say what it is now."""
        self.set_focus(self._input)
        minutes = self._machine.idle_minutes
        now = counted(USUAL if minutes is None else minutes, "minute")
        self._words.update(
            f"Now it is {now}. So many minutes without a change and the helper ends, "
            f"{LIMITS[0]} to {LIMITS[1]}. A new number holds until you leave; for always, "
            "set idle_minutes in the configuration file."
        )

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Set it, for the session that stands and for those that follow."""
        text = event.value.strip()
        low, high = LIMITS
        if not (text.isascii() and text.isdigit() and low <= int(text[:6]) <= high):
            self._words.update(f"A whole number of minutes from {low} to {high}.")
            return
        try:
            await self._machine.set_idle(int(text))
        except KmodtuiError as error:
            desk(self).report(error)
        else:
            minutes = counted(int(text), "minute")
            self.notify(f"Root is given up after {minutes} without a change.", markup=False)
        self.dismiss(None)

    def action_cancel(self) -> None:
        """Close; nothing is changed."""
        self.dismiss(None)
