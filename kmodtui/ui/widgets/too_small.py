"""What covers a screen where the terminal is too small for it."""

from __future__ import annotations

from textual.geometry import Size
from textual.widgets import Static

SMALLEST = Size(40, 10)
"""Columns and lines below which nothing useful fits."""


class TooSmall(Static):
    """A sentence over the whole screen, shown as long as it is needed."""

    def __init__(self) -> None:
        super().__init__(id="too-small", markup=False)
        self.display = False

    def measure(self, size: Size) -> None:
        """Cover a screen of this size if it is too small, else give it free."""
        self.display = size.width < SMALLEST.width or size.height < SMALLEST.height
        if self.display:
            self.update(
                f"{size.width}×{size.height} is too small: "
                f"kmodtui needs {SMALLEST.width}×{SMALLEST.height}"
            )
