"""What screens ask of the application, without knowing which application it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, cast

from textual.dom import DOMNode


class Desk(Protocol):
    """Where failures go, and who gives the terminal away."""

    def report(self, error: BaseException) -> None:
        """Tell a person what went wrong."""
        ...

    def log_failure(self, error: BaseException) -> None:
        """Write a failure to the log file with its traceback."""
        ...

    def note_malformed(self, line: str) -> None:
        """Tell once of a line of /proc/modules that makes no sense."""
        ...

    def foreground(self) -> AbstractContextManager[None]:
        """Give the terminal to whoever asks for a password, and take it back afterwards."""
        ...


def desk(node: DOMNode) -> Desk:
    """Return the application of a widget or screen."""
    return cast("Desk", node.app)
