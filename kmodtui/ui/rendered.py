"""What a dialog shows as lines of text, to be copied or saved."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from rich.console import Console
from textual.widgets import Static

from kmodtui.model.document import DocumentRow

WIDTH = 100
"""Cells of a line."""


def rendered_rows(body: Static) -> Iterator[DocumentRow]:
    """Yield the lines of what a widget shows, without styles."""
    output = StringIO()
    console = Console(file=output, width=WIDTH, color_system=None, legacy_windows=False)
    console.print(body.content)
    for line in output.getvalue().splitlines():
        yield DocumentRow(line)
