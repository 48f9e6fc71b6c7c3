"""Writes files of the user as a whole or not at all, and overwrites none without being asked."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import clean

FORCE_HINT = "Choose another name, or overwrite it with --force."


def write_file(path: Path, data: bytes, *, force: bool, hint: str = FORCE_HINT) -> None:
    """Write a file atomically that only its owner may read.

    Args:
        path: the file; its directory has to exist.
        data: its content.
        force: whether to replace an existing file.
        hint: what to do if it exists.

    Raises:
        KmodtuiError: the file already exists, is not a regular file, or cannot be written.
    """
    shown = clean(str(path))
    if not force and os.path.lexists(path):
        raise KmodtuiError(f"{shown} already exists.", hint)
    # Replaced by a file, /dev/null would be gone for the whole system.
    if path.exists() and not path.is_file():
        raise KmodtuiError(f"{shown} is not a regular file.", "Choose another name.")
    try:
        # tempfile creates files with mode 0600.
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _name(made, path, force=force)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made)
    except FileExistsError:
        raise KmodtuiError(f"{shown} already exists.", hint) from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise KmodtuiError(f"{shown} cannot be written: {why}.") from error


def _name(made: str, path: Path, *, force: bool) -> None:
    """Rename a finished file; FileExistsError if `path` exists and `force` is false."""
    if force:
        os.replace(made, path)
        return
    try:
        os.link(made, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # The file system has no hard links, such as FAT: create the file, then replace it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.replace(made, path)
