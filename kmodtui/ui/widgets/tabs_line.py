"""The tabs: the panes with their keys, for terminals with room for one pane at a time."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget


class TabsLine(Widget):
    """One line; if the tabs do not all fit, only the pane in front has its title."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._titles: tuple[tuple[str, str], ...] = ()
        self._front = ""

    def show(self, titles: tuple[tuple[str, str], ...], front: str) -> None:
        """Show the panes, each by key and title; `front` is the key of the one in front."""
        if (titles, front) != (self._titles, self._front):
            self._titles, self._front = titles, front
            self.refresh()

    def render(self) -> Text:
        """Return the line."""
        named = [(f"{key} {title}", key == self._front) for key, title in self._titles]
        short = [(words if front else words.split(" ")[0], front) for words, front in named]
        lines = (_line(named, "  "), _line(named, ""), _line(short, ""))
        fitting = (line for line in lines if cell_len(line.rstrip()) <= self.size.width)
        return Text(next(fitting, lines[-1]), no_wrap=True, end="")


def _line(tabs: list[tuple[str, bool]], between: str) -> str:
    return between.join(f"[{words}]" if front else f" {words} " for words, front in tabs)
