"""Writes the events of the timeline to a file; when it is full, to the next one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from kmodtui.errors import KmodtuiError
from kmodtui.model.history import Totals
from kmodtui.model.modules import LoadedModule
from kmodtui.model.text import clean
from kmodtui.model.timeline.event import EventKind, ModulesChanged, Started, TimelineEvent
from kmodtui.model.timeline.event_json import event_json
from kmodtui.services.timeline.frames import MAGIC, FrameWriter

SUFFIX = ".kmodtui-record"

FLUSH = 0.8
"""Seconds after which an event is in the file."""


def default_path() -> Path:
    """Return the path of the recording of this user's machine, in the state directory."""
    state = os.environ.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    return Path(state, "kmodtui", f"timeline{SUFFIX}")


def older(path: Path, number: int) -> Path:
    """Return the path of an older file of a recording: 1 for the one before the current."""
    return path.with_name(f"{path.name}.{number}")


class Recorder:
    """A recording that is being written; use it as a context.

    Attributes:
        events: the number of events so far.
    """

    def __init__(self, path: Path, *, size: int, keep: int) -> None:
        """Open a recording, or continue one.

        Args:
            path: the file.
            size: bytes at which another file is begun.
            keep: how many older files are kept.

        Raises:
            KmodtuiError: there is another file of that name, another kmodtui writes to it, or
                it cannot be written.
        """
        self.events = 0
        self._path, self._size, self._keep = path, size, keep
        self._writer = FrameWriter()
        self._pending: list[bytes] = []
        self._start: TimelineEvent | None = None
        self._loaded: dict[str, LoadedModule] = {}
        self._totals = Totals()
        for number in range(1, keep + 1):
            _check_recording(older(path, number))
        self._file = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
            self._write(self._writer.end())
        finally:
            os.close(self._file)

    @property
    def pending(self) -> bool:
        """Whether there are events that are not in the file yet."""
        return bool(self._pending)

    def add(self, event: TimelineEvent) -> None:
        """Add an event; `flush` writes it."""
        self._follow(event)
        self._pending.append(_line(event))
        self.events += 1

    def flush(self) -> None:
        """Write the events that were added, and begin another file if this one is full.

        Raises:
            KmodtuiError: they cannot be written.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        self._write(self._writer.lines(pending))
        if os.fstat(self._file).st_size >= self._size:
            self._rotate()

    def _follow(self, event: TimelineEvent) -> None:
        """Know what is loaded: every file begins with that."""
        detail = event.detail
        if isinstance(detail, Started):
            self._start = event
            self._loaded = {module.name: module for module in detail.loaded}
            self._totals = detail.totals
        elif isinstance(detail, ModulesChanged):
            change = detail.event.change
            for module in change.unloaded:
                self._loaded.pop(module.name, None)
            self._loaded |= {m.name: m for m in (*change.loaded, *change.reloaded)}
            self._totals = detail.event.totals

    def _rotate(self) -> None:
        self._write(self._writer.end())
        with suppress(OSError):
            os.fdatasync(self._file)
        try:
            for number in range(self._keep, 1, -1):
                with suppress(FileNotFoundError):
                    os.replace(older(self._path, number - 1), older(self._path, number))
            if self._keep:
                os.replace(self._path, older(self._path, 1))
            else:
                os.unlink(self._path)
        except OSError as error:
            raise _not_written(self._path, error) from error
        new = _open(self._path)
        os.close(self._file)
        self._file = new
        start = self._start
        if start is not None and isinstance(start.detail, Started):
            loaded = tuple(self._loaded.values())
            detail = replace(start.detail, loaded=loaded, totals=self._totals)
            again = TimelineEvent(start.number, start.when, EventKind.START, (), detail)
            self._write(self._writer.lines([_line(again)]))

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise _not_written(self._path, error) from error


def _line(event: TimelineEvent) -> bytes:
    fields = event_json(event)
    del fields["summary"]  # it is made from the others
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def _not_written(path: Path, error: OSError) -> KmodtuiError:
    why = os.strerror(error.errno) if error.errno else str(error)
    return KmodtuiError(f"{clean(str(path))} cannot be written: {why}.")


def _open(path: Path) -> int:
    """Return the descriptor of a recording that this process alone may write to."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    shown = clean(str(path))
    try:
        file = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise KmodtuiError(
                f"{shown} is a symbolic link, which is not followed.", "Give the file itself."
            ) from None
        raise _not_written(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise KmodtuiError(f"{shown} is not a regular file.", "Choose another name.")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KmodtuiError(
                f"Another kmodtui writes to {shown}.", "End it, or choose another name."
            ) from None
        head = os.pread(file, len(MAGIC), 0)
        if head != MAGIC:
            if not MAGIC.startswith(head):
                raise _other_file(path)
            os.ftruncate(file, 0)  # empty, or its writer was killed at once
            os.write(file, MAGIC)
    except OSError as error:
        os.close(file)
        raise _not_written(path, error) from error
    except KmodtuiError:
        os.close(file)
        raise
    return file


def _check_recording(path: Path) -> None:
    """Raise KmodtuiError if a file exists that would be overwritten and is not a recording."""
    if not os.path.lexists(path):
        return
    try:
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    return
    except OSError as error:
        raise _not_written(path, error) from error
    raise _other_file(path)


def _other_file(path: Path) -> KmodtuiError:
    return KmodtuiError(
        f"{clean(str(path))} is not a recording of kmodtui, and is not overwritten.",
        "Choose another name.",
    )
