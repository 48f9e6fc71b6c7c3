"""The footer: the most important keys of a context, from the command registry."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.widget import Widget

from kmodtui.ui.command import Command
from kmodtui.ui.commands import footer
from kmodtui.ui.desk import desk
from kmodtui.ui.key_names import key_words
from kmodtui.ui.menu_flow import run_command

LITE_WIDTH = 44
"""Cells of the footer on a slow line: it is drawn again after each dialog."""


class KeyLine(Widget):
    """One line of keys and labels; commands that cannot be used now are greyed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--label", "keys--off"}

    def __init__(self, context: str) -> None:
        super().__init__(id="keys")
        self._command_context = context
        self._greyed: frozenset[str] = frozenset()
        self._ends: list[tuple[int, Command]] = []  # where each command ends

    def grey(self, ids: frozenset[str]) -> None:
        """Grey the commands with these ids."""
        if ids != self._greyed:
            self._greyed = ids
            self.refresh()

    def render(self) -> Text:
        """Return as many whole keys and labels as fit."""
        key_style, label_style, off_style = (
            self.get_component_rich_style(f"keys--{name}") for name in ("key", "label", "off")
        )
        line = Text("", no_wrap=True, end="")
        self._ends.clear()
        width = min(self.size.width, LITE_WIDTH) if desk(self).lite else self.size.width
        for command in footer(self._command_context, width):
            key, label = key_words(command.keys[0]), command.label
            greyed = command.id in self._greyed
            line.append(f" {key} ", off_style if greyed else key_style)
            line.append(f"{label} ", off_style if greyed else label_style)
            self._ends.append((line.cell_len, command))
        return line

    async def on_click(self, event: events.Click) -> None:
        """Run the command that is clicked."""
        event.stop()
        for end, command in self._ends:
            if event.x < end:
                await run_command(self, command)
                return
