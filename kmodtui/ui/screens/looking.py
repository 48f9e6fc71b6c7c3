"""The dashboard's commands that open another view; none of them changes anything."""

from __future__ import annotations

from textual.screen import Screen

from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.ui.screens.help import HelpScreen


class Looking(Screen[None]):
    """What can be looked at from a screen that watches a machine."""

    machine: Machine
    monitor: Monitor

    @property
    def selected_module(self) -> str | None:
        """The module that a command is about, at this key press."""
        raise NotImplementedError

    # Commands

    def action_help(self) -> None:
        """Show every key."""
        self.app.push_screen(HelpScreen())

    def action_palette(self) -> None:
        """Open the palette."""
        self.app.action_command_palette()
