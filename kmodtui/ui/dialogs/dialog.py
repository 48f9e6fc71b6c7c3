"""Dialog: a screen in a frame over the current one, with its keys on the last line."""

from __future__ import annotations

from textual import events
from textual.screen import ModalScreen

from kmodtui.ui.screens.base import KmodtuiScreen, Result
from kmodtui.ui.themes import ink
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.key_hints import KeyHints


class Dialog(KmodtuiScreen[Result], ModalScreen[Result]):
    """What all dialogs have in common.

    Attributes:
        keys: the keys that work now, shown on the last line.
        text_line: the input line that takes letters wherever the focus is; None without one.
    """

    text_line: InputLine | None = None

    def __init__(self) -> None:
        super().__init__()
        self.keys = KeyHints()

    @property
    def is_busy(self) -> bool:
        """Whether something runs that a click beside the dialog must not stop."""
        return False

    def on_click(self, event: events.Click) -> None:
        """Close on a click beside the dialog, without doing anything."""
        if event.widget is not self or self.is_covered or self.is_busy or not self.is_current:
            return
        event.stop()
        for action in ("cancel", "close"):
            if hasattr(self, f"action_{action}"):
                self.call_next(self.run_action, action)
                return
        self.dismiss(None)

    def colour(self, name: str) -> str:
        """Return the rich style of a colour of the theme; empty if it has none."""
        return ink(self, name)

    def on_key(self, event: events.Key) -> None:
        """Send letters to the input line even if it does not have the focus (yet)."""
        line = self.text_line
        if line is None or self.focused is line:
            return
        if event.is_printable and event.character:
            event.stop()
            line.insert_text_at_cursor(event.character)
            self.set_focus(line)
