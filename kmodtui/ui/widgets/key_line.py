"""The last line of the screen: the keys that matter here, from the command registry."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.widget import Widget

from kmodtui.ui.commands import footer, key_words


class KeyLine(Widget):
    """One line of keys and words; greyed where a command cannot be used now."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--label", "keys--off"}

    def __init__(self, context: str) -> None:
        super().__init__(id="keys")
        self._commands_of = context
        self._off: frozenset[str] = frozenset()

    def grey(self, ids: frozenset[str]) -> None:
        """Show the commands with these ids as not to be had now."""
        if ids != self._off:
            self._off = ids
            self.refresh()

    def render(self) -> Text:
        """Return as many keys as fit, whole."""
        key_style, label_style, off_style = (
            self.get_component_rich_style(f"keys--{name}") for name in ("key", "label", "off")
        )
        line = Text("", no_wrap=True, end="")
        for command in footer(self._commands_of, self.size.width):
            key, label = key_words(command.keys[0]), command.label
            off = command.id in self._off
            line.append(f" {key} ", off_style if off else key_style)
            line.append(f"{label} ", off_style if off else label_style)
        return line
