"""The dialog that asks for the path of a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kmodtui.model.text import clean
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.caption import set_subtitle, set_title


class PathDialog(ModalScreen[Path | None]):
    """An input line for a path; `~` is the home directory. Returns an existing file."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id == "dialog.cancel"),
    ]

    takes_text = True
    """Whether keys typed before the input line has the focus are meant for that line."""

    def __init__(self, title: str, directory: Path) -> None:
        super().__init__()
        self._title = title
        self._directory = directory
        self._problem = Static("", id="path-problem", markup=False)
        self._input = Input(id="path-input", placeholder="path of the file", compact=True)
        # A blinking cursor writes to the terminal as long as it is shown.
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        """Lay out the input line and the error below it."""
        with Vertical(classes="dialog", id="path-dialog") as frame:
            set_title(frame, self._title)
            set_subtitle(frame, "Enter: open · Esc: cancel")
            yield self._input
            yield self._problem

    def on_mount(self) -> None:
        """Focus the input line."""
        self.set_focus(self._input)

    def on_key(self, event: events.Key) -> None:
        """Send letters to the input line even if it does not have the focus (yet)."""
        if self.focused is not self._input and event.is_printable and event.character:
            event.stop()
            self._input.insert_text_at_cursor(event.character)
            self.set_focus(self._input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the path if the file exists."""
        event.stop()
        try:
            path = self._directory / Path(event.value.strip()).expanduser()
            exists = path.is_file()
        except (OSError, RuntimeError, ValueError):
            exists = False
        if event.value.strip() and exists:
            self.dismiss(path)
        else:
            self._problem.update(
                f"No such file: {clean(event.value.strip())}"
                if event.value.strip()
                else "Enter the path of a file."
            )

    def action_cancel(self) -> None:
        """Close without opening a file."""
        self.dismiss(None)
