"""The commands that keep what happens in files: a recording of the timeline, a bug report."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from textual.worker import Worker

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.live import LiveSystem
from kmodtui.services.machine import Machine
from kmodtui.services.snapshots import unused_path
from kmodtui.services.timeline.recorder import SUFFIX, Recorder
from kmodtui.services.timeline.recording_run import KEEP, MEBIBYTE, SIZE, record
from kmodtui.ui.dialogs.save import SaveDialog
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.snapshot import current_directory

_REPORT_SUFFIX = ".tar.gz"


class TimelineRecording:
    """Records the timeline to a file, from one call of `toggle` to the next."""

    def __init__(self, screen: KmodtuiScreen[Any], live: LiveSystem) -> None:
        """Prepare to record what happens to a system; `screen` has the dialog."""
        self._screen = screen
        self._machine = live.machine
        self._worker: Worker[None] | None = None

    def toggle(self) -> None:
        """Ask where to record to, or end the recording.

        Raises:
            KmodtuiError: nothing can be recorded here.
        """
        if self._worker is not None and self._worker.is_running:
            self._worker.cancel()
            return
        if not self._machine.host.live:
            raise UsageError("Nothing changes in a captured tree or in a recording.")
        directory = current_directory()
        hostname = self._machine.facts.hostname or ""
        name = unused_path(hostname, time.time(), directory, SUFFIX).name
        dialog = SaveDialog("Record the timeline", directory, name)

        def closed(path: Path | None) -> None:
            if path is not None:
                recording = partial(self._record, path, overwrite=dialog.overwrites)
                self._worker = self._screen.work(recording, "recording", exclusive=False)

        self._screen.app.push_screen(dialog, closed)

    async def _record(self, path: Path, *, overwrite: bool) -> None:
        try:
            if overwrite:
                await asyncio.to_thread(path.unlink)
            with Recorder(path, size=SIZE * MEBIBYTE, keep=KEEP) as recorder:
                self._say("Recording the timeline", path, "The same command ends it.")
                try:
                    await record(self._machine.host, recorder, problem=self._screen.report)
                finally:
                    words = f"{counted(recorder.events, 'event')}. To open it: kmodtui --replay"
                    self._say("Recording ended", path, f"{words} {clean(path.name)}")
        except OSError as error:
            raise KmodtuiError(f"It cannot be recorded: {error.strerror or error}.") from error

    def _say(self, title: str, path: Path, words: str) -> None:
        _say(self._screen, title, path, words)


def save_report(screen: KmodtuiScreen[Any], machine: Machine, module: str | None) -> None:
    """Ask where to save the archive of a bug report, and write it.

    Args:
        screen: has the dialog.
        machine: the machine that it is about.
        module: the module that it is about; None if none is selected.

    Raises:
        KmodtuiError: the current directory has been removed.
    """
    directory = current_directory()
    name = unused_path(machine.facts.hostname or "", time.time(), directory, _REPORT_SUFFIX).name
    about = f"Bug report about {clean(module)}" if module else "Bug report"
    dialog = SaveDialog(about, directory, name)

    def closed(path: Path | None) -> None:
        if path is not None:
            writing = partial(_write, screen, machine, module, path, overwrite=dialog.overwrites)
            screen.work(writing, "report", exclusive=False)

    screen.app.push_screen(dialog, closed)


async def _write(
    screen: KmodtuiScreen[Any],
    machine: Machine,
    module: str | None,
    path: Path,
    *,
    overwrite: bool,
) -> None:
    _say(screen, "Writing the bug report", path, "This takes some seconds.")
    # A process of its own: the verbs that it consists of print to its standard output.
    words = [*system_options(machine), "report", *([module] if module else [])]
    words += ["--json", "--output", str(path), *(["--force"] if overwrite else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "kmodtui", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise KmodtuiError(clean(errors.decode("utf-8", "replace").strip()))
    fields = json.loads(out)
    parts = counted(len(fields["included"]), "file")
    _say(
        screen,
        "Bug report saved",
        path,
        f"{parts}, {human_size(fields['size'])}, without kernel addresses. Read it before you "
        "send it: it describes this machine.",
    )


def system_options(machine: Machine) -> list[str]:
    """Return the options of the command line for the system that is shown."""
    host = machine.host
    options = []
    if host.badge and host.live:
        options.append("--demo")
    elif not host.live:
        options += ["--root", host.locate("/")]
    if machine.release and not machine.looks_at_running:
        options += ["--kernel", machine.release]
    return options


def _say(screen: KmodtuiScreen[Any], title: str, path: Path, words: str) -> None:
    # The file name has a line of its own: wrapped at its dot, its end would look like a sentence.
    message = f"{clean(path.name)}\nin {clean(str(path.parent))}\n{words}"
    screen.notify(message, title=title, markup=False, timeout=8)
