"""The dialog that asks where a file is."""

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
    """A line to type a path into; `~` stands for the home folder."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id == "dialog.cancel"),
    ]

    takes_text = True
    """What is typed before the line has the focus is meant for it all the same."""

    def __init__(self, title: str, folder: Path) -> None:
        super().__init__()
        self._title = title
        self._folder = folder
        self._problem = Static("", id="path-problem", markup=False)
        self._input = Input(id="path-input", placeholder="path of the file", compact=True)
        # One that blinks writes to the terminal for as long as it is there.
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        """Frame the line."""
        with Vertical(classes="dialog", id="path-dialog") as frame:
            set_title(frame, self._title)
            set_subtitle(frame, "Enter: open · Esc: cancel")
            yield self._input
            yield self._problem

    def on_mount(self) -> None:
        """Take keys at once."""
        self.set_focus(self._input)

    def on_key(self, event: events.Key) -> None:
        """Type into the line wherever the keys are, also before it is ready to take them."""
        if self.focused is not self._input and event.is_printable and event.character:
            event.stop()
            self._input.insert_text_at_cursor(event.character)
            self.set_focus(self._input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the path if there is a file."""
        event.stop()
        try:
            path = self._folder / Path(event.value.strip()).expanduser()
            there = path.is_file()
        except (OSError, RuntimeError, ValueError):
            there = False
        if event.value.strip() and there:
            self.dismiss(path)
        else:
            self._problem.update(
                f"There is no file {clean(event.value.strip()) or 'without a name'}."
            )

    def action_cancel(self) -> None:
        """Close; nothing is opened."""
        self.dismiss(None)
