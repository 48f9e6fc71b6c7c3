"""The help: all keys, beginning with those of the focused pane, and what signs mean.

What is typed filters it, and Enter runs the command under the cursor.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input

from kmodtui.model.text import counted
from kmodtui.services.machine import Machine
from kmodtui.ui.command import EVERYWHERE, Command
from kmodtui.ui.commands import CONTEXTS, bindings, bindings_of, command_for, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.help_rows import help_sections
from kmodtui.ui.menu_flow import contexts_around, run_command
from kmodtui.ui.unavailable import why_unavailable
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.lines.help import HelpLines
from kmodtui.ui.widgets.lines.view import LineView


def open_help(screen: Screen[Any]) -> None:
    """Open the help of a screen, beginning with what has the focus."""
    view = screen.focused or screen

    def closed(command: Command | None) -> None:
        if command is not None:
            screen.call_next(partial(run_command, view, command))

    screen.app.push_screen(HelpScreen(contexts_around(view)), closed)


class HelpInput(InputLine):
    """The search; the key of the help closes it as long as nothing has been typed."""

    async def on_key(self, event: events.Key) -> None:
        """Close the help, or edit the search."""
        command = command_for("dashboard", event.key)
        if not self.value and command is not None and command.action == "help":
            event.prevent_default()
            event.stop()
            await self.screen.run_action("close")


class HelpScreen(Dialog[Command | None]):
    """Returns the command to run; None if the help was only read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("help"),
        *bindings_of("dashboard.help", action="close"),
    ]

    takes_text = True

    def __init__(self, contexts: tuple[str, ...]) -> None:
        """Create the help.

        Args:
            contexts: those whose keys work where the help was opened, the innermost first.
        """
        super().__init__()
        self._contexts = contexts
        self._frame = Vertical(classes="dialog", id="help-dialog")
        self._lines = HelpLines()
        self.text_line = HelpInput("help", id="help-input", placeholder="type to search")

    def compose(self) -> ComposeResult:
        """Lay out the search, the rows and the keys."""
        with self._frame:
            set_title(self._frame, "kmodtui: keys, columns and flags")
            assert self.text_line is not None
            yield self.text_line
            yield self._lines
            yield self.keys

    def on_mount(self) -> None:
        """Show everything, with the focus on the search."""
        self.set_focus(self.text_line)
        self.keys.show(
            hint("help.run"), hint("help.up", "help.down", label="move"), hint("help.close")
        )
        self.call_after_refresh(self._search, "")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while the user types."""
        event.stop()
        self._search(event.value)

    def _search(self, text: str) -> None:
        self._lines.show(help_sections(self._contexts, text))
        matches = counted(self._lines.matches, "match", "matches")
        set_subtitle(self._frame, matches if text else "")

    def action_move(self, lines: int) -> None:
        """Move the cursor by some lines."""
        self._lines.move_row(lines)

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Run a command that was clicked twice."""
        message.stop()
        self.action_run()

    def action_run(self) -> None:
        """Close, and run the command under the cursor where the help was opened."""
        row = self._lines.row
        if row is None or self.is_covered:
            return
        if row.command is None:
            self.say_nothing_selected("This explains a sign; there is nothing to run.", row.name)
        elif reason := self._why_not_here(row.command):
            self.notify(reason, title=row.command.label, markup=False, timeout=4)
        else:
            self.dismiss(row.command)

    def _why_not_here(self, command: Command) -> str:
        if command.context not in (*self._contexts, EVERYWHERE):
            place = CONTEXTS[command.context]
            return f"It works {place[0].lower()}{place[1:]} only."
        machine = getattr(self.app, "machine", None)
        reason = why_unavailable(command, machine) if isinstance(machine, Machine) else ""
        return f"Unavailable: {reason}." if reason else ""

    def action_back(self) -> None:
        """Clear the search, or close."""
        assert self.text_line is not None
        if self.text_line.value:
            self.text_line.value = ""
        else:
            self.dismiss(None)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
