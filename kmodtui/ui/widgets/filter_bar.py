"""The line to type a filter into; it opens at `/` and closes when it is done with."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


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
        self._input = Input(id="filter-input", compact=True, select_on_focus=False)
        self.display = False

    def compose(self) -> ComposeResult:
        """Label and input."""
        yield self._label
        yield self._input

    def open(self, what: str, text: str) -> None:
        """Show the bar for typing.

        Args:
            what: what is filtered, for the label.
            text: what the filter is now.
        """
        self._label.update(f" filter {what}: ")
        with self._input.prevent(Input.Changed):
            self._input.value = text
        self._input.cursor_position = len(text)
        self.display = True
        # At once, not when the next event is handled: what is typed right behind the
        # key that opens this must never be taken for commands.
        self.screen.set_focus(self._input)

    def close(self) -> None:
        """Hide the bar."""
        self.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter keeps the filter."""
        event.stop()
        self.post_message(self.Done(keep=True))

    def on_key(self, event: events.Key) -> None:
        """Esc clears the filter, and never does anything else."""
        if event.key == "escape":
            event.stop()
            self.post_message(self.Done(keep=False))
