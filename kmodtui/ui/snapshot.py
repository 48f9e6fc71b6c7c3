"""The command that saves a snapshot of modules and symbols to a file."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

from kmodtui.errors import UnreadableError
from kmodtui.model.snapshot import Snapshot
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.live import LiveSystem
from kmodtui.services.snapshots import save, take, unused_path
from kmodtui.ui.commands import key_of
from kmodtui.ui.dialogs.save import SaveDialog
from kmodtui.ui.screens.base import KmodtuiScreen


def save_snapshot(screen: KmodtuiScreen[Any], live: LiveSystem) -> None:
    """Take a snapshot now, and ask where to save it.

    Raises:
        UnreadableError: the current directory has been removed.
    """
    machine = live.machine
    directory = current_directory()
    name = unused_path(machine.facts.hostname or "", time.time(), directory).name
    # Of this moment, however long the path takes to type.
    taken = asyncio.ensure_future(asyncio.to_thread(take, machine.host, known=live.symbols))
    taken.add_done_callback(_look_at)
    dialog = SaveDialog("Save a snapshot", directory, name)

    def closed(path: Path | None) -> None:
        if path is None:
            taken.cancel()
        else:
            saving = partial(_save, screen, taken, path, overwrite=dialog.overwrites)
            screen.work(saving, "snapshot", exclusive=False)

    screen.app.push_screen(dialog, closed)


def _look_at(taken: asyncio.Future[Snapshot]) -> None:
    """Look at an error: it is of no interest if the user cancels, but asyncio would log it."""
    if not taken.cancelled():
        taken.exception()


async def _save(
    screen: KmodtuiScreen[Any], taken: asyncio.Future[Snapshot], path: Path, *, overwrite: bool
) -> None:
    snapshot = await taken
    size = await asyncio.to_thread(save, snapshot, path, force=overwrite)
    symbols = counted(snapshot.totals.symbols or 0, "symbol")
    # The file name has a line of its own: wrapped at its dot, its end would look like a sentence.
    screen.notify(
        f"{clean(path.name)}\nin {clean(str(path.parent))}\n"
        f"{counted(len(snapshot.modules), 'module')}, {symbols}, {human_size(size)}. "
        f"Press {key_of('dashboard.compare')} to compare it.",
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
