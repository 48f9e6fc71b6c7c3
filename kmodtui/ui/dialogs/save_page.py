"""SavePageDialog: asks for the file to save a page to; its ending chooses the format."""

from __future__ import annotations

from pathlib import Path

from kmodtui.ui.dialogs.save import SaveDialog

ENDINGS = (".txt", ".md", ".json", ".svg")


class SavePageDialog(SaveDialog):
    """Asks for the path of a new file, or whether to overwrite an existing one."""

    def _start(self) -> None:
        super()._start()
        self._words.update(
            "The ending chooses the format: .txt, .md (Markdown), .json, or .svg for a picture."
        )

    def _take(self, path: Path) -> None:
        if path.suffix.lower() in ENDINGS:
            super()._take(path)
        else:
            self.say(f"The name has to end with {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
