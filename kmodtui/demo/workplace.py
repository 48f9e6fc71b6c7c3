"""A temporary folder for the simulated machine: gone when the program ends, however it ends."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from kmodtui.errors import UnreadableError

_PREFIX = "kmodtui-demo-"
_MEMORY = "/dev/shm"  # noqa: S108 - names below it come from mkdtemp
_ROOM = 64 * 1024 * 1024
_JUST_NOW = 10.0  # seconds in which another program may have made a folder and not locked it


def new_workplace() -> Path:
    """Return an empty folder that goes when the program ends, or when the next demo begins.

    It is in memory where the system has a place for that, unless TMPDIR says where to
    put it: /proc/kallsyms is 5 MB and written anew with every change.

    A program that is killed cleans nothing up. Its lock ends with it, though, and that is
    how the next one knows.

    Raises:
        UnreadableError: no folder can be made.
    """
    place = _place()
    for left in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime < _JUST_NOW:
                continue
            lock = _lock(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        _lock(folder)  # until the process ends
    except OSError as error:
        raise no_room(error) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def no_room(error: OSError) -> UnreadableError:
    """Return what to say when the machine cannot be written."""
    return UnreadableError(
        f"The recorded system of the demo cannot be unpacked: {error.strerror or error}.",
        f"It needs about 20 MiB in {_place()}; set TMPDIR to use another folder.",
    )


def _place() -> Path:
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK):
        with contextlib.suppress(OSError):
            room = os.statvfs(_MEMORY)
            if room.f_bavail * room.f_frsize >= _ROOM:
                return Path(_MEMORY)
    return Path(tempfile.gettempdir())


def _lock(folder: Path) -> int:
    """Return a descriptor that holds a lock on a folder of this user; OSError if another does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
