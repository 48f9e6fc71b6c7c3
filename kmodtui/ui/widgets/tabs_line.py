"""The names of the panes with their keys, where only one pane at a time has room."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget


class TabsLine(Widget):
    """One line; where it is short, only the pane in front has its name."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._titles: tuple[tuple[str, str], ...] = ()
        self._front = ""

    def show(self, titles: tuple[tuple[str, str], ...], front: str) -> None:
        """Name the panes, each a key and a title, and which key is that of the one in front."""
        if (titles, front) != (self._titles, self._front):
            self._titles, self._front = titles, front
            self.refresh()

    def render(self) -> Text:
        """Return the line."""
        told = [(f"{key} {title}", key == self._front) for key, title in self._titles]
        if cell_len(_line(told).rstrip()) > self.size.width:
            told = [(words if front else words.split(" ")[0], front) for words, front in told]
        return Text(_line(told), no_wrap=True, end="")


def _line(told: list[tuple[str, bool]]) -> str:
    return "  ".join(f"[{words}]" if front else f" {words} " for words, front in told)
