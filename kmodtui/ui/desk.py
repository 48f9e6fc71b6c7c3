"""What screens need of the application, as a protocol, so that they do not import it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, cast

from textual.dom import DOMNode

from kmodtui.services.view_memory import ViewMemory


class Desk(Protocol):
    """Reports failures, suspends the terminal, and knows the last session.

    Attributes:
        memory: what the last session left; None if nothing is remembered.
        lite: whether little is drawn, for slow lines.
    """

    memory: ViewMemory | None
    lite: bool

    def report(self, error: BaseException) -> None:
        """Show an error in a sentence, and write the details to the log file."""
        ...

    def foreground(self) -> AbstractContextManager[None]:
        """Suspend the screen while another program asks for a password in the terminal."""
        ...

    def next_theme(self) -> None:
        """Use the next theme, and say which one."""
        ...


def desk(node: DOMNode) -> Desk:
    """Return the application of a widget or screen."""
    return cast("Desk", node.app)
