"""The input line of a filter. `/` opens it; Enter and Esc close it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.complete import Completion, complete
from kmodtui.model.filter.fields import FilterKind, fields_of
from kmodtui.model.text import clean
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings, hint, hint_line
from kmodtui.ui.filters import filters_of
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.panes.pane import Pane


class FilterInput(InputLine):
    """The input."""

    completion = Completion()
    """What the text before the cursor can be completed to."""

    def offers(self, command: Command) -> bool:
        """Return whether a key acts here; see FilterBar.check_action."""
        return command.id != "filter.complete" or bool(self.completion.proposals)

    def on_hide(self, event: events.Hide) -> None:
        """Keep the focus, which Textual takes from a hidden widget when this event arrives.

        If the bar has been opened again by then, what is typed into it would be lost.
        """
        event.prevent_default()


class FilterBar(Vertical):
    """A label that names what is filtered, the input, and a line below it.

    The line below says what can be typed, or why the filter is invalid; the list then shows
    what it showed before.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("filter")]

    def __init__(self, apply: Callable[[str], None], kind: FilterKind | None = None) -> None:
        """Create the bar, hidden.

        Args:
            apply: called with the text after each key, and with an empty text after Esc.
                A call and not a message, so that the filter is in effect before the next
                key is handled. It raises a KmodtuiError if the filter is invalid.
            kind: what the filter can ask for, unless `open` says so; None if only for a text.
        """
        super().__init__(id="filter")
        self._apply = apply
        self._kind = kind
        self._applied = ""
        self._problem: KmodtuiError | None = None
        self._return_to: Widget | None = None
        self._label = Label("", markup=False)
        self._input = FilterInput("filter", id="filter-input", select_on_focus=False)
        self._below = Static("", id="filter-below", markup=False)
        self.display = False

    @property
    def kind(self) -> FilterKind | None:
        """What the filter can ask for."""
        return self._kind

    def compose(self) -> ComposeResult:
        """Yield the label, the input and the line below them."""
        with Horizontal(id="filter-line"):
            yield self._label
            yield self._input
        yield self._below

    def open(self, what: str, text: str, kind: FilterKind | None = None) -> None:
        """Show the bar and focus it; closing it returns the focus to where it is now.

        Args:
            what: what is filtered, for the label.
            text: the current filter.
            kind: the kind of list; None for that of the bar.
        """
        self._return_to = self.screen.focused
        self._label.update(f" filter {what}: ")
        self._kind = kind or self._kind
        with self._input.prevent(Input.Changed):
            self._input.value = text
        self._applied, self._problem = text, None
        # What is typed replaces the old filter; an arrow key keeps it, for editing.
        self._input.select_all()
        self.display = True
        self._explain()
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
            self._remember()

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With nothing to complete, Tab goes to the next part of the screen."""
        if action == "complete" and not self._input.completion.proposals:
            return False
        return super().check_action(action, parameters)

    def action_keep(self) -> None:
        """Keep the filter, and hide the bar; an invalid filter stays there to be corrected."""
        self._apply_once(self._input.value)
        if self._problem is None:
            self._remember()
            self._close()

    def action_clear(self) -> None:
        """Clear the filter, and hide the bar."""
        self._apply_once("")
        self._close()

    def action_complete(self) -> None:
        """Complete the field, the value or the name of a filter, as far as it is unambiguous."""
        completion = self._complete()
        before = self._input.value[: self._input.cursor_position]
        behind = self._input.value[self._input.cursor_position :]
        longest = completion.longest
        if longest == completion.typed and completion.proposals:
            longest = completion.proposals[0]
        completed = before.removesuffix(completion.typed) + longest
        self._replace(completed + behind, len(completed))

    def action_history(self, step: int) -> None:
        """Show an earlier (-1) or a later (1) filter."""
        if self._kind is None:
            return
        text = filters_of(self).step(self._kind, self._input.value, step)
        self._replace(text, len(text))

    def _replace(self, text: str, cursor: int) -> None:
        with self._input.prevent(Input.Changed):
            self._input.value = text
            self._input.cursor_position = cursor
        self._apply_once(text)

    # The line below

    def _complete(self) -> Completion:
        if self._kind is None:
            return self._input.completion
        before = self._input.value[: self._input.cursor_position]
        self._input.completion = complete(before, self._kind, filters_of(self).named)
        return self._input.completion

    def _explain(self) -> None:
        """Show why the filter is invalid, else what can be typed."""
        words = self._complete().words or self._summary()
        if self._problem is not None:
            words = str(self._problem)
        self._below.update(clean(f" {words}"))
        self._below.set_class(self._problem is not None, "-warning")

    def _summary(self) -> str:
        if self._kind is None or self._input.value:
            return ""
        named = [f"@{name}" for name in filters_of(self).named]
        fields = [f"{name}:" for name in fields_of(self._kind)]
        keys = hint_line(hint("filter.complete"), hint("filter.earlier", label="history"))
        return f"{keys} · word !not /regex/ {' '.join((*named, *fields))}"

    # Applying

    def _close(self) -> None:
        self.screen.set_focus(self._target())
        self.display = False

    def _remember(self) -> None:
        if self._kind and self._applied and self._problem is None:
            filters_of(self).remember(self._kind, self._applied)

    def _target(self) -> Widget | None:
        """Return where the focus was; if its pane shows something else since, that."""
        target = self._return_to
        if target is None or _is_displayed(target):
            return target
        panes = (node for node in target.ancestors if isinstance(node, Pane))
        return next((pane.focus_target for pane in panes), None)

    def _apply_once(self, text: str) -> None:
        if text != self._applied:
            self._applied, self._problem = text, None
            try:
                self._apply(text)
            except KmodtuiError as error:
                self._problem = error
        self._explain()


def _is_displayed(widget: Widget) -> bool:
    """Return whether neither the widget nor anything that contains it is hidden."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
