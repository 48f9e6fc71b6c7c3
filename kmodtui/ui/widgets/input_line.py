"""InputLine: a line to type into, whose keys are those of a context of the registry."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from kmodtui.ui.command import Command
from kmodtui.ui.commands import command_for
from kmodtui.ui.editing import edit_at_once
from kmodtui.ui.typing_ahead import pass_on


class InputLine(Input):
    """Handles each key at once, before it bubbles up to the application.

    Letters typed right after a key would otherwise be inserted before the key acts.
    """

    def __init__(
        self,
        context: str,
        *,
        id: str,  # noqa: A002  the name that Textual uses
        placeholder: str = "",
        select_on_focus: bool = True,
    ) -> None:
        """Create the line.

        Args:
            context: the context of the registry whose keys work in it. Their actions are
                those of the closest widget or screen around it that has them.
            id: the id of the widget.
            placeholder: shown while the line is empty.
            select_on_focus: whether the text is selected when the line gets the focus.
        """
        super().__init__(
            id=id, placeholder=placeholder, compact=True, select_on_focus=select_on_focus
        )
        self._keys_context = context
        # A blinking cursor writes to the terminal as long as it is shown.
        self.cursor_blink = False

    def offers(self, command: Command) -> bool:  # noqa: ARG002  for subclasses
        """Return whether a key acts as its command now."""
        return True

    async def on_key(self, event: events.Key) -> None:
        """Carry out the command of a key, or edit; pass the key on if the focus has moved."""
        if pass_on(self, event):
            return
        command = command_for(self._keys_context, event.key)
        if command is None or not self.offers(command):
            await edit_at_once(self, event)
            return
        event.stop()
        event.prevent_default()
        name = command.action.partition("(")[0]
        for node in self.ancestors:
            if isinstance(node, Widget) and hasattr(node, f"action_{name}"):
                await node.run_action(command.action)
                return
