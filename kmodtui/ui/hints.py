"""Hints of keys, which are shown until the key has been used once."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult
from textual.dom import DOMNode
from textual.widget import Widget

from kmodtui.ui.commands import command_of, hint
from kmodtui.ui.desk import desk
from kmodtui.ui.themes import ink

FIRST_STEPS = ("dashboard.filter", "dashboard.load", "dashboard.help")
"""The commands that are suggested when kmodtui is started for the first time."""

_OF_PANES = (
    "dashboard.direction",
    "dashboard.symbol_view",
    "dashboard.why",
    "dashboard.modinfo",
)


def is_learned(node: DOMNode, id_: str) -> bool:
    """Return whether a command was used before; False if nothing is remembered."""
    memory = desk(node).memory
    return memory is not None and command_of(id_).action in memory.used


def learn(node: DOMNode, action: str) -> None:
    """Remember the use of a command that there are hints of."""
    memory = desk(node).memory
    hinted = (*FIRST_STEPS, *_OF_PANES)
    if memory is None or action in memory.used:
        return
    if any(command_of(id_).action == action for id_ in hinted):
        memory.note(action)
        for line in node.query(FirstStepsLine):
            line.show_rest()


class FirstStepsLine(Widget):
    """Suggests keys to press first; a key that was used is left out, and the last takes the line.

    Without a memory, nothing is suggested: it would be at each start.
    """

    def on_mount(self) -> None:
        """Show what is suggested."""
        self.show_rest()

    def show_rest(self) -> None:
        """Show what has not been used yet."""
        self.display = desk(self).memory is not None and bool(self._rest)
        self.refresh()

    @property
    def _rest(self) -> list[str]:
        return [id_ for id_ in FIRST_STEPS if not is_learned(self, id_)]

    def render(self) -> RenderResult:
        """Return the line."""
        line = Text(" Try: ", no_wrap=True, overflow="ellipsis", end="")
        for number, id_ in enumerate(self._rest):
            key, label = hint(id_)
            line.append(" · " if number else "", ink(self, "dim"))
            line.append(f"{key} ", ink(self, "accent")).append(label)
        return line
