"""The input line of the picker."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from kmodtui.ui.editing import edit_at_once
from kmodtui.ui.typing_ahead import pass_on

_KEYS = {
    "enter": "take",
    "down": "move(1)",
    "up": "move(-1)",
    "pagedown": "move(8)",
    "pageup": "move(-8)",
    "tab": "complete",
    "ctrl+e": "parameters",
}


class NameInput(Input):
    """The input line; handles the keys for the list and for going on itself."""

    def __init__(self) -> None:
        super().__init__(
            placeholder="name, alias, words, device or path of a .ko; then key=value",
            id="load-input",
            compact=True,
        )
        # A blinking cursor writes to the terminal as long as it is shown.
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        """Handle the key at once, before it bubbles up to the application."""
        if pass_on(self, event) or await edit_at_once(self, event) or event.key not in _KEYS:
            return
        event.stop()
        event.prevent_default()
        await self.screen.run_action(_KEYS[event.key])
