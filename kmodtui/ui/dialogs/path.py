"""PathDialog: the dialog that asks for the path of a file."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from kmodtui.model.text import clean
from kmodtui.services.path_completion import complete_path
from kmodtui.ui.commands import bindings, bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.input_line import InputLine

SHOWN = 12
"""Largest number of names that are shown when a path can go on in several ways."""


class PathDialog(Dialog[Path | None]):
    """An input line for a path, with completion; returns an existing file."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.cancel"), *bindings("path")]

    takes_text = True

    label = "open"
    """What Enter does."""

    def __init__(self, title: str, directory: Path, text: str = "") -> None:
        """Ask for a file.

        Args:
            title: the title of the dialog.
            directory: where a relative path begins.
            text: the path that is offered.
        """
        super().__init__()
        self._title = title
        self._directory = directory
        self._said_of: str | None = None  # the text that a sentence was shown about
        self._words = Static("", id="path-words", markup=False)
        self.text_line = InputLine("path", id="path-input", placeholder="path of the file")
        self.text_line.value = text
        self._input = self.text_line

    def compose(self) -> ComposeResult:
        """Lay out the input line, the message below it, and the keys."""
        with Vertical(classes="dialog", id="path-dialog") as frame:
            set_title(frame, self._title)
            yield self._input
            yield self._words
            yield self.keys

    def on_mount(self) -> None:
        """Focus the input line."""
        self.set_focus(self._input)
        self._start()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Forget what was said about the path before."""
        event.stop()
        # The message is late if Enter followed the letter at once.
        if self._input.value != self._said_of:
            self._start()

    def _start(self) -> None:
        self._words.update(f"In {clean(str(self._directory))}, unless a directory is given.")
        self._show_keys(self.label)

    def _show_keys(self, label: str) -> None:
        keys = (hint("path.accept", label=label), hint("path.complete"), hint("dialog.cancel"))
        self.keys.show(*keys)

    def say(self, words: str) -> None:
        """Show a sentence about the path until it is changed."""
        self._said_of = self._input.value
        self._words.update(clean(words))

    @property
    def typed(self) -> str:
        """What was typed."""
        return self._input.value.strip()

    @property
    def path(self) -> Path | None:
        """The path that was typed; None if nothing was, or a home directory is unknown."""
        try:
            return self._directory / Path(self.typed).expanduser() if self.typed else None
        except (RuntimeError, ValueError):
            return None

    def action_accept(self) -> None:
        """Close with the path if the file exists."""
        path = self.path
        try:
            exists = path is not None and path.is_file()
        except (OSError, ValueError):
            exists = False
        if exists:
            self.dismiss(path)
        else:
            self.say(f"No such file: {self.typed}" if self.typed else "Enter the path of a file.")

    def action_complete(self) -> None:
        """Complete the path as far as it is unambiguous, and show how it can go on."""
        self.work(partial(self._complete, self._input.value), "completion")

    async def _complete(self, text: str) -> None:
        found = await asyncio.to_thread(complete_path, text, self._directory)
        if self._input.value != text:
            return  # typed on meanwhile
        if found.text != text:
            with self._input.prevent(Input.Changed):
                self._input.value = found.text
            self._start()
        self._input.cursor_position = len(found.text)
        if len(found.candidates) > 1:
            more = len(found.candidates) - SHOWN
            names = "  ".join(found.candidates[:SHOWN])
            self.say(f"{names}  and {more} more" if more > 0 else names)
        elif not found.candidates:
            self.say("No file or directory begins like this.")

    def action_cancel(self) -> None:
        """Close without a path."""
        self.dismiss(None)
