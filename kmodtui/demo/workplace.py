"""A temporary directory for the simulated machine, removed when the program ends."""

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
_UNLOCKED = (
    10.0  # seconds for which another program may have created its directory but not locked it
)


def new_workplace() -> Path:
    """Return an empty directory that is removed when the program ends.

    It is in memory (/dev/shm) if possible and TMPDIR is not set, because /proc/kallsyms
    is 5 MB and rewritten at every change.

    A killed program cannot remove its directory. But its lock on it ends, and so the next
    demo recognizes and removes it.

    Raises:
        UnreadableError: the directory cannot be created.
    """
    place = _place()
    for left in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime < _UNLOCKED:
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
    """Return the error for a recording that cannot be unpacked."""
    return UnreadableError(
        f"The demo's recording cannot be unpacked: {error.strerror or error}.",
        f"It needs about 20 MiB in {_place()}; set TMPDIR to use another directory.",
    )


def _place() -> Path:
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK):
        with contextlib.suppress(OSError):
            room = os.statvfs(_MEMORY)
            if room.f_bavail * room.f_frsize >= _ROOM:
                return Path(_MEMORY)
    return Path(tempfile.gettempdir())


def _lock(folder: Path) -> int:
    """Lock a directory of this user and return the descriptor that holds the lock.

    Raises:
        OSError: another process has locked it, or it belongs to another user.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
