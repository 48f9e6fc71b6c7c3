"""The command that saves a snapshot of modules and symbols in the current directory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from textual.screen import Screen

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.snapshots import default_path, save, take
from kmodtui.ui.desk import desk


async def save_snapshot(screen: Screen[Any], host: Host) -> None:
    """Save modules and symbols of now, and say on the screen where, or why not."""
    try:
        snapshot = await asyncio.to_thread(take, host)
        path = default_path(snapshot, current_directory())
        size = await asyncio.to_thread(save, snapshot, path)
    except KmodtuiError as error:
        desk(screen).report(error)
        return
    symbols = counted(snapshot.totals.symbols or 0, "symbol")
    # The file name has a line of its own: wrapped at its dot, its end would look like a sentence.
    screen.notify(
        f"{clean(path.name)}\nin {clean(str(path.parent))}\n"
        f"{counted(len(snapshot.modules), 'module')}, {symbols}, {human_size(size)}. "
        "Press C to compare it.",
        title="Snapshot saved",
        markup=False,
        timeout=8,
    )


def current_directory() -> Path:
    """Return the current directory.

    Raises:
        UnreadableError: it has been removed.
    """
    try:
        return Path.cwd()
    except OSError:
        raise UnreadableError(
            "The directory that kmodtui was started in no longer exists.",
            "Start kmodtui in another directory, or use kmodtui snapshot -o FILE.",
        ) from None
