"""The line to type a filter into; it opens at `/` and closes when it is done with."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from kmodtui.ui.editing import edit_at_once
from kmodtui.ui.typing_ahead import pass_on


class FilterInput(Input):
    """The input; Enter and Esc end the typing at once, so that the next key is a command again."""

    def __init__(self, end: Callable[[bool], None]) -> None:
        """Prepare it; `end` is told whether what was typed is to be kept."""
        super().__init__(id="filter-input", compact=True, select_on_focus=False)
        # One that blinks writes to the terminal for as long as it is there.
        self.cursor_blink = False
        self._end = end

    async def on_key(self, event: events.Key) -> None:
        """End the typing, or leave the key to whoever has the focus by now."""
        if pass_on(self, event) or await edit_at_once(self, event):
            return
        if event.key in ("enter", "escape"):
            event.stop()
            event.prevent_default()
            self._end(event.key == "enter")

    def on_hide(self, event: events.Hide) -> None:
        """Keep the focus: Textual takes it from what was hidden, if only once it hears of it.

        Where the line was opened again meanwhile, what is typed into it would be lost.
        """
        event.prevent_default()


class FilterBar(Horizontal):
    """A label that says what is filtered, and an input."""

    def __init__(self, apply: Callable[[str], None]) -> None:
        """Prepare it, hidden.

        Args:
            apply: told the text as it is typed; the empty one where Esc ends the typing.
                Called and not sent a message, so that it is done when the next key counts.
        """
        super().__init__(id="filter")
        self._apply = apply
        self._applied = ""
        self._return_to: Widget | None = None
        self._label = Label("", markup=False)
        self._input = FilterInput(self._end)
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
        self._return_to = self.screen.focused
        self._label.update(f" filter {what}: ")
        with self._input.prevent(Input.Changed):
            self._input.value = text
        self._applied = text
        self._input.cursor_position = len(text)
        self.display = True
        # At once, not when the next event is handled: what is typed right behind the
        # key that opens this must never be taken for commands.
        self.screen.set_focus(self._input)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        event.stop()
        if self.display:  # else it comes late, and the end of the typing has told it
            self._tell(self._input.value)

    def on_descendant_blur(self) -> None:
        """Hide the bar where the focus went elsewhere, by Tab or a click; the filter stays."""
        if self.display and self.screen.focused not in (self._input, None):
            self.display = False
            self._tell(self._input.value)

    def _end(self, keep: bool) -> None:
        """Hide the bar; Enter keeps the filter, Esc clears it and never does anything else."""
        self._tell(self._input.value if keep else "")
        self.screen.set_focus(self._return_to)
        self.display = False

    def _tell(self, text: str) -> None:
        if text != self._applied:
            self._applied = text
            self._apply(text)
