"""Keys that edit a line, obeyed at that key.

Textual types a letter at once, but lets a key that edits go through the application
first: what is typed right behind Backspace or Ctrl+u overtakes it.
"""

from __future__ import annotations

from textual import events
from textual.widgets import Input

_EDITS = {
    "backspace": "delete_left",
    "ctrl+h": "delete_left",
    "delete": "delete_right",
    "left": "cursor_left",
    "right": "cursor_right",
    "home": "home",
    "end": "end",
    "ctrl+a": "home",
    "ctrl+u": "delete_left_all",
    "ctrl+w": "delete_left_word",
    "ctrl+k": "delete_right_all",
}


async def edit_at_once(line: Input, event: events.Key) -> bool:
    """Obey a key that edits a line; return whether it was one."""
    action = _EDITS.get(event.key)
    if action is None:
        return False
    event.stop()
    event.prevent_default()
    await line.run_action(action)
    return True
