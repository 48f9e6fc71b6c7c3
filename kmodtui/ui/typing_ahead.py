"""Handles keys that are typed faster than the focus can move.

Textual sends a key to the widget that has the focus when the key arrives. The key is
queued there and then bubbles up to the application, which looks it up as a command. On
a slow machine, an earlier key that moves the focus may still be queued at that time:
letters typed right after `/` would then act as commands or be lost.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input


class TypingAhead:
    """Remembers which widget had the focus when each key arrived, and checks it again later."""

    def __init__(self) -> None:
        self._focused_at: WeakKeyDictionary[events.Key, DOMNode] = WeakKeyDictionary()

    def note(self, app: App[Any], event: events.Key) -> None:
        """Remember which widget has the focus when a key arrives."""
        self._focused_at[event] = app.focused or app.screen

    def judge(self, app: App[Any], event: events.Key) -> None:
        """Resend a key if an input line has got the focus since; drop it if a dialog opened.

        A dialog never gets a key that was typed before the dialog was visible. Keys typed
        after the key that closed a dialog go to the screen below it.
        """
        then = self._focused_at.get(event)
        now = app.focused or app.screen
        if then is None or then is now:
            return
        if isinstance(now, Input) or getattr(app.screen, "takes_text", False):
            event.prevent_default()
            send_again(app, event)
        elif (screen := _screen_of(then)) is not app.screen and screen in app.screen_stack:
            event.prevent_default()


def send_again(app: App[Any], event: events.Key) -> None:
    """Post a key to the application again, as if it had just been typed."""
    event.stop()
    app.post_message(events.Key(event.key, event.character))


def pass_on(widget: Widget, event: events.Key) -> bool:
    """Send a key again if `widget` no longer has the focus; return whether it was sent."""
    if widget.app.focused is widget:
        return False
    event.prevent_default()
    send_again(widget.app, event)
    return True


def _screen_of(node: DOMNode) -> DOMNode | None:
    return (
        node
        if isinstance(node, Screen)
        else next((above for above in node.ancestors if isinstance(above, Screen)), None)
    )
