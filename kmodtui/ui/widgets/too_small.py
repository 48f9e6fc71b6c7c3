"""The message that covers the screen if the terminal is too small."""

from __future__ import annotations

from textual.geometry import Size
from textual.widgets import Static

SMALLEST = Size(40, 10)
"""Smallest terminal, in columns and lines, that is of any use."""


class TooSmall(Static):
    """A sentence over the whole screen, hidden while the terminal is large enough."""

    def __init__(self) -> None:
        super().__init__(id="too-small", markup=False)
        self.display = False

    def measure(self, size: Size) -> None:
        """Cover the screen if its size is too small, otherwise uncover it."""
        self.display = size.width < SMALLEST.width or size.height < SMALLEST.height
        if self.display:
            self.update(
                f"Terminal too small: {size.width}×{size.height}. "
                f"kmodtui needs at least {SMALLEST.width}×{SMALLEST.height}."
            )
