"""The command palette, which closes once, whatever else is clicked or typed before it has."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from textual import events
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette


class Palette(CommandPalette):
    """Textual's palette. Its own second dismissal would close the screen below it."""

    def on_click(self, event: events.Click) -> None:
        """Close on a click beside the palette.

        Textual's handler looks for what is there now, which may be nothing after a resize.
        """
        event.prevent_default()
        if event.widget is self:
            self.app.post_message(CommandPalette.Closed(option_selected=False))
            self.dismiss()

    def _action_command_list(self, action: str) -> None:
        """Move in the list of commands, unless it has no room: Textual looks for its lines."""
        with suppress(LookupError):
            super()._action_command_list(action)

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close, unless it is closing already."""
        return super().dismiss(result) if self.is_current else AwaitComplete()
