"""The input line of a filter. `/` opens it; Enter and Esc close it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.panes.pane import Pane


class FilterInput(InputLine):
    """The input."""

    def on_hide(self, event: events.Hide) -> None:
        """Keep the focus, which Textual takes from a hidden widget when this event arrives.

        If the bar has been opened again by then, what is typed into it would be lost.
        """
        event.prevent_default()


class FilterBar(Horizontal):
    """A label that names what is filtered, and the input."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("filter")]

    def __init__(self, apply: Callable[[str], None]) -> None:
        """Create the bar, hidden.

        Args:
            apply: called with the text after each key, and with an empty text after Esc.
                A call and not a message, so that the filter is in effect before the next
                key is handled.
        """
        super().__init__(id="filter")
        self._apply = apply
        self._applied = ""
        self._return_to: Widget | None = None
        self._label = Label("", markup=False)
        self._input = FilterInput("filter", id="filter-input", select_on_focus=False)
        self.display = False

    def compose(self) -> ComposeResult:
        """Yield the label and the input."""
        yield self._label
        yield self._input

    def open(self, what: str, text: str) -> None:
        """Show the bar and focus it; closing it returns the focus to where it is now.

        Args:
            what: what is filtered, for the label.
            text: the current filter.
        """
        self._return_to = self.screen.focused
        self._label.update(f" filter {what}: ")
        with self._input.prevent(Input.Changed):
            self._input.value = text
        self._applied = text
        # What is typed replaces the old filter; an arrow key keeps it, for editing.
        self._input.select_all()
        self.display = True
        # At once, not after the next event: keys typed right after the one that opens the
        # bar must never be taken for commands.
        self.screen.set_focus(self._input)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply the filter after each key."""
        event.stop()
        if self.display:  # otherwise the event is late: closing the bar has applied the filter
            self._apply_once(self._input.value)

    def on_descendant_blur(self) -> None:
        """Hide the bar if Tab or a click moved the focus elsewhere; the filter stays."""
        if self.display and self.screen.focused not in (self._input, None):
            self.display = False
            self._apply_once(self._input.value)

    def action_keep(self) -> None:
        """Keep the filter, and hide the bar."""
        self._end(keep=True)

    def action_clear(self) -> None:
        """Clear the filter, and hide the bar."""
        self._end(keep=False)

    def _end(self, *, keep: bool) -> None:
        self._apply_once(self._input.value if keep else "")
        self.screen.set_focus(self._target())
        self.display = False

    def _target(self) -> Widget | None:
        """Return where the focus was; if its pane shows something else since, that."""
        target = self._return_to
        if target is None or _is_displayed(target):
            return target
        panes = (node for node in target.ancestors if isinstance(node, Pane))
        return next((pane.focus_target for pane in panes), None)

    def _apply_once(self, text: str) -> None:
        if text != self._applied:
            self._applied = text
            self._apply(text)


def _is_displayed(widget: Widget) -> bool:
    """Return whether neither the widget nor anything that contains it is hidden."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
