"""The first line of the screen: which machine, which kernel, what is loaded, what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget

from kmodtui.model.text import clean


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the header says.

    Attributes:
        badge: DEMO, or the folder of a captured tree; empty for this machine.
        host: the machine's name.
        kernel: `Linux 6.1.0-56-amd64 x86_64`.
        totals: `87 modules 14.2 MiB`.
        taint: the kernel's taint letters; empty for none.
        privilege: `read-only`, `helper: locked`, `helper: sudo`…
        halt: `PAUSED` or `STOPPED` where the kernel is not read; empty where it is.
    """

    badge: str = ""
    host: str = ""
    kernel: str = ""
    totals: str = ""
    taint: str = ""
    privilege: str = ""
    halt: str = ""


class HeaderLine(Widget):
    """One line; what matters least is left out first where it is narrow."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "header--badge",
        "header--strong",
        "header--dim",
        "header--warn",
    }

    def __init__(self) -> None:
        super().__init__(id="header")
        self._facts = HeaderFacts()

    @property
    def facts(self) -> HeaderFacts:
        """What is shown."""
        return self._facts

    @facts.setter
    def facts(self, facts: HeaderFacts) -> None:
        if facts != self._facts:
            self._facts = facts
            self.refresh()

    def show_privilege(self, words: str) -> None:
        """Tell how things stand with root now; all else stays as it was told last."""
        self.facts = replace(self._facts, privilege=words)

    def render(self) -> Text:
        """Return the line as it fits the width."""
        facts = self._facts
        strong, dim, warn = (
            self.get_component_rich_style(f"header--{name}") for name in ("strong", "dim", "warn")
        )
        badge = self.get_component_rich_style("header--badge")
        kernel = facts.kernel
        short_kernel = " ".join(kernel.split(" ")[:2])
        # Pieces with their importance: the least important goes first.
        pieces = [
            (9, facts.badge and f" {facts.badge} ", badge),
            (9, facts.halt, warn),
            (4, facts.host, strong),
            (6, kernel, dim),
            (7, facts.totals, strong),
            (5, f"taint {facts.taint}" if facts.taint else "untainted", dim),
            (8, facts.privilege, dim),
        ]
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
                line.append(" · ", dim)
            line.append(text, style)
        return line
