"""Lines to and from a helper: the socket of a real one, or a simulated one."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """Sends and receives lines, each a JSON object with its newline."""

    async def send(self, line: bytes) -> None:
        """Send one line.

        Raises:
            OSError: the other side is gone.
        """
        ...

    async def receive(self) -> bytes:
        """Return the next line with its newline; empty bytes once the other side is gone."""
        ...

    async def close(self) -> None:
        """End the session and wait until the other side is gone. May be called twice."""
        ...

    @property
    def stderr_text(self) -> str:
        """What the other side wrote to its standard error, which may say why it died."""
        ...
