"""Keys count where the focus is when they are handled, not where it was when they came.

Textual hands a key to the widget that has the focus at that moment; the key
queues there, and comes back to the application to be looked up as a command.
Where the machine is slow and the person fast, a key that moves the focus may
still be waiting in front of it: what is typed right behind `/` would be taken
for commands, or be lost.
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
    """Remembers for whom each key was typed, and judges it once it comes back."""

    def __init__(self) -> None:
        self._typed_for: WeakKeyDictionary[events.Key, DOMNode] = WeakKeyDictionary()

    def note(self, app: App[Any], event: events.Key) -> None:
        """Remember who has the focus as a key comes in."""
        self._typed_for[event] = app.focused or app.screen

    def judge(self, app: App[Any], event: events.Key) -> None:
        """Send a key again that belongs to a line of text, and drop one that came too early.

        A dialog that has opened meanwhile never gets a key that was typed before it was
        seen. What was typed behind the key that closed one is for the screen below.
        """
        then = self._typed_for.get(event)
        now = app.focused or app.screen
        if then is None or then is now:
            return
        if isinstance(now, Input) or getattr(app.screen, "takes_text", False):
            event.prevent_default()
            send_again(app, event)
        elif (screen := _screen_of(then)) is not app.screen and screen in app.screen_stack:
            event.prevent_default()


def send_again(app: App[Any], event: events.Key) -> None:
    """Let a key come in anew."""
    event.stop()
    app.post_message(events.Key(event.key, event.character))


def pass_on(widget: Widget, event: events.Key) -> bool:
    """Send a key again if `widget` has lost the focus meanwhile; return whether it was sent."""
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
