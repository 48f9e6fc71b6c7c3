"""SavePageDialog: asks for the file to save a page to; its ending chooses the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kmodtui.model.document import OwnFormat
from kmodtui.ui.dialogs.save import SaveDialog

ENDINGS = (".txt", ".md", ".json", ".svg")


class SavePageDialog(SaveDialog):
    """Asks for the path of a new file, or whether to overwrite an existing one."""

    def __init__(
        self, title: str, directory: Path, name: str, own: Sequence[OwnFormat] = ()
    ) -> None:
        """Offer a file; `own` are the formats that only this page has."""
        super().__init__(title, directory, name)
        self._own = own
        self._endings = (*(each.ending for each in own), *ENDINGS)

    def _start(self) -> None:
        super()._start()
        own = "".join(f"{each.ending} ({each.label}), " for each in self._own)
        self._words.update(
            f"The ending chooses the format: {own}.txt, .md (Markdown), .json, or .svg for a "
            "picture."
        )

    def _take(self, path: Path) -> None:
        endings = self._endings
        if path.suffix.lower() in endings:
            super()._take(path)
        else:
            self.say(f"The name has to end with {', '.join(endings[:-1])} or {endings[-1]}.")
