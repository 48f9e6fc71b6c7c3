"""The first line of the screen: the machine, its kernel, what is loaded, and the root session."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget

from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.live import LiveSystem
from kmodtui.ui.subscription import subscribe

Piece = tuple[int, str, str]
"""A part of the line: how important it is, its text, and the name of its style."""


class HeaderLine(Widget):
    """One line; where it is narrow, the least important parts are left out first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "header--badge",
        "header--strong",
        "header--dim",
        "header--warn",
    }

    def __init__(self, live: LiveSystem) -> None:
        super().__init__(id="header")
        self._live = live

    def on_mount(self) -> None:
        """Follow the status of the system."""
        subscribe(self._live.status_changed, self._show_status)

    def _show_status(self, _status: object) -> None:
        self.refresh()

    @property
    def _totals(self) -> str:
        status = self._live.status
        if not self._live.has_modules:
            return "no modules"
        if status.modules is None:
            return ""
        return f"{counted(status.modules, 'module')} {human_size(status.memory)}"

    def pieces(self) -> tuple[str, list[Piece]]:
        """Return the kernel, which can be shortened, and the parts of the line."""
        machine, status = self._live.machine, self._live.status
        kernel = machine.kernel_words
        halt = "STOPPED" if status.stopped else "PAUSED" if status.paused else ""
        return kernel, [
            (9, machine.host.badge and f" {machine.host.badge} ", "badge"),
            (9, halt, "warn"),
            (4, machine.facts.hostname or "", "strong"),
            (6, kernel, "dim"),
            (7, self._totals, "strong"),
            (5, f"taint {status.taint}" if status.taint else "untainted", "dim"),
            (8, status.root, "dim"),
        ]

    def render(self) -> Text:
        """Return the line as it fits the width."""
        kernel, pieces = self.pieces()
        short_kernel = " ".join(kernel.split(" ")[:2])
        kept = [(importance, clean(text), style) for importance, text, style in pieces if text]
        width = self.size.width - 2

        def length() -> int:
            return sum(cell_len(text) for _, text, _ in kept) + 3 * (len(kept) - 1)

        if length() > width:
            kept = [(i, short_kernel if text == kernel else text, s) for i, text, s in kept]
        while length() > width and len(kept) > 1:
            kept.remove(min(kept, key=lambda piece: piece[0]))
        line = Text(" ", no_wrap=True, overflow="ellipsis", end="")
        for number, (_, text, style) in enumerate(kept):
            if number:
                line.append(" · ", self.get_component_rich_style("header--dim"))
            line.append(text, self.get_component_rich_style(f"header--{style}"))
        return line
