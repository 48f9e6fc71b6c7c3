"""SaveDialog: the dialog that asks where to save a file."""

from __future__ import annotations

import os
from pathlib import Path

from kmodtui.ui.dialogs.path import PathDialog


class SaveDialog(PathDialog):
    """Asks for the path of a new file, or whether to overwrite an existing one.

    Attributes:
        overwrites: whether the user agreed to overwrite the file.
    """

    label = "save"

    def __init__(self, title: str, directory: Path, name: str) -> None:
        """Offer a file; `name` is also used if only a directory is entered."""
        super().__init__(title, directory, name)
        self._name_offered = name
        self.overwrites = False
        self._asked_about: Path | None = None

    def _start(self) -> None:
        self._asked_about = None
        super()._start()

    def action_accept(self) -> None:
        """Close with the path; ask first if the file already exists."""
        path = self.path
        try:
            if path is None:
                self.say("Enter the path of the file.")
            elif path.is_dir():
                self._take(path / self._name_offered)
            elif not path.parent.is_dir():
                self.say(f"There is no directory {path.parent}.")
            else:
                self._take(path)
        except (OSError, ValueError) as error:
            self.say(f"It cannot be saved there: {error}")

    def _take(self, path: Path) -> None:
        # Also if it is a link to a file that does not exist.
        if os.path.lexists(path) and self._asked_about != path:
            self.say(f"{path} already exists.")
            # Later: Enter that was pressed before this is visible does not answer it.
            self.call_after_refresh(self._ask_about, path, self.typed)
            return
        self.overwrites = self._asked_about == path
        self.dismiss(path)

    def _ask_about(self, path: Path, typed: str) -> None:
        """Overwrite a file at the next Enter, unless another path has been typed."""
        if self.typed == typed:
            self._asked_about = path
            self._show_keys("overwrite it")
