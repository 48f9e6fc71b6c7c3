"""The line to type a filter into; it opens at `/` and closes when it is done with."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Label

from kmodtui.ui.editing import edit_at_once
from kmodtui.ui.typing_ahead import pass_on


class FilterInput(Input):
    """The input; Enter and Esc end the typing at once, so that the next key is a command again."""

    class Ended(Message):
        """Enter or Esc was pressed."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(id="filter-input", compact=True, select_on_focus=False)
        # One that blinks writes to the terminal for as long as it is there.
        self.cursor_blink = False
        self.return_to: Widget | None = None

    async def on_key(self, event: events.Key) -> None:
        """End the typing, or leave the key to whoever has the focus by now."""
        if pass_on(self, event) or await edit_at_once(self, event):
            return
        if event.key in ("enter", "escape"):
            event.stop()
            event.prevent_default()
            self.screen.set_focus(self.return_to)
            self.post_message(self.Ended(event.key))


class FilterBar(Horizontal):
    """A label that says what is filtered, and an input."""

    class Typed(Message):
        """The text has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Done(Message):
        """The person is done.

        Attributes:
            keep: True for Enter, False for Esc: the filter is to be cleared.
        """

        def __init__(self, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    def __init__(self) -> None:
        super().__init__(id="filter")
        self._label = Label("", markup=False)
        self._input = FilterInput()
        self.display = False

    def compose(self) -> ComposeResult:
        """Label and input."""
        yield self._label
        yield self._input

    def open(self, what: str, text: str) -> None:
        """Show the bar for typing; the focus goes back afterwards to where it is now.

        Args:
            what: what is filtered, for the label.
            text: what the filter is now.
        """
        self._input.return_to = self.screen.focused
        self._label.update(f" filter {what}: ")
        with self._input.prevent(Input.Changed):
            self._input.value = text
        self._input.cursor_position = len(text)
        self.display = True
        # At once, not when the next event is handled: what is typed right behind the
        # key that opens this must never be taken for commands.
        self.screen.set_focus(self._input)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_descendant_blur(self) -> None:
        """Hide the bar where the focus went elsewhere, by Tab or a click; the filter stays."""
        if self.screen.focused not in (self._input, None):
            self.display = False

    def on_filter_input_ended(self, event: FilterInput.Ended) -> None:
        """Hide the bar; Enter keeps the filter, Esc clears it and never does anything else."""
        event.stop()
        self.display = False
        self.post_message(self.Done(keep=event.key == "enter"))
