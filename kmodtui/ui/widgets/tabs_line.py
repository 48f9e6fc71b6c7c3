"""The tabs: the panes with their keys, for terminals with room for one pane at a time."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget


class TabsLine(Widget):
    """One line; if the tabs do not all fit, only the pane in front has its title."""

    class Clicked(Message):
        """A tab was clicked; its number counts from 0."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

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
        return Text("".join(self._tabs), no_wrap=True, end="")

    @property
    def _tabs(self) -> list[str]:
        """The tabs, with the blanks behind them."""
        named = [(f"{key} {title}", key == self._front) for key, title in self._titles]
        short = [(words if front else words.split(" ")[0], front) for words, front in named]
        lines = (_line(named, "  "), _line(named, ""), _line(short, ""))
        fitting = (each for each in lines if cell_len("".join(each).rstrip()) <= self.size.width)
        return next(fitting, lines[-1])

    def on_click(self, event: events.Click) -> None:
        """Report the tab that is clicked."""
        event.stop()
        end = 0
        for number, tab in enumerate(self._tabs):
            end += cell_len(tab)
            if event.x < end:
                self.post_message(self.Clicked(number))
                return


def _line(tabs: list[tuple[str, bool]], between: str) -> list[str]:
    behind = [between] * (len(tabs) - 1) + [""]
    named = [f"[{words}]" if front else f" {words} " for words, front in tabs]
    return [tab + blanks for tab, blanks in zip(named, behind, strict=False)]
