"""Editing keys of an input line, applied immediately.

Textual inserts a letter at once but sends an editing key through the application
first, so letters typed right after Backspace or Ctrl+u would be inserted before it acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual import events
    from textual.widgets import Input

EDITS = {
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
"""The editing keys, with the actions of an input line."""


async def edit_at_once(line: Input, event: events.Key) -> bool:
    """Apply an editing key; return False if `event` is not one."""
    action = EDITS.get(event.key)
    if action is None:
        return False
    event.stop()
    event.prevent_default()
    await line.run_action(action)
    return True
