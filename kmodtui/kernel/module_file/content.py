"""The content of a module file as it is inserted: its real path, and its digest."""

from __future__ import annotations

import os
import stat

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.in_root import real_path
from kmodtui.model.text import human_size

_CHUNK = 1024 * 1024

MAX_FILE = 512 * 1024 * 1024
"""Bytes of the largest file that the helper inserts."""


def file_digest(host: Host, path: str) -> str:
    """Return the SHA-256 of a file in 64 lower-case digits.

    Raises:
        UnreadableError: the file cannot be read, is not a regular file, or is larger than
            `MAX_FILE`.
    """
    import hashlib

    digest = hashlib.sha256()
    try:
        # Check before opening, because opening a named pipe would block.
        _check_type_and_size(path, host.stat(path))
        with host.open(path) as file:
            _check_type_and_size(path, os.fstat(file.fileno()))
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _check_type_and_size(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError(f"{path} is not a regular file.")
    if status.st_size > MAX_FILE:
        limit = human_size(MAX_FILE)
        raise UnreadableError(f"{path} is too large: kmodtui reads module files up to {limit}.")


def resolved(host: Host, path: str) -> str:
    """Resolve the symbolic links in a path of the observed system, because the helper refuses them.

    A relative path starts at the current directory; parts that do not exist are kept.

    Raises:
        UnreadableError: there are too many links.
    """
    try:
        return real_path(os.path.join(os.getcwd(), path), host.readlink)
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}.") from None
