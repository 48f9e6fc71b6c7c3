"""The last line of a dialog: the keys that work in it now."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from kmodtui.model.text import clean
from kmodtui.ui.commands import Hint
from kmodtui.ui.themes import ink


class KeyHints(Static):
    """Keys and labels, with a sentence above them where a key is missing."""

    def __init__(self) -> None:
        super().__init__(id="dialog-keys", markup=False)

    def show(self, *hints: Hint, instead: str = "") -> None:
        """Show hints.

        Args:
            hints: the keys, with labels.
            instead: why the key that confirms is missing, as a sentence.
        """
        line = Text()
        for keys, label in hints:
            line.append(f" {keys} ", ink(self, "accent"))
            line.append(f"{label}  ")
        if instead:
            line = Text.assemble((clean(instead), ink(self, "warning")), "\n", line)
        self.update(line)
