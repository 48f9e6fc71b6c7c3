"""Module files to be inserted: their real path, their owners, and the digest to confirm."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.in_root import real_path
from kmodtui.model.ownership import ownership
from kmodtui.model.result import FilePart
from kmodtui.model.text import human_size
from kmodtui.services.machine import Machine

_CHUNK = 1024 * 1024

MAX_FILE = 512 * 1024 * 1024
"""Bytes of the largest file that the helper inserts."""


async def digest_of(machine: Machine, path: str) -> str:
    """Return the SHA-256 of a file in 64 lower-case digits.

    Raises:
        UnreadableError: the file cannot be read, is not a regular file, or is larger than
            `MAX_FILE`.
    """
    return await asyncio.to_thread(_digest, machine.host, path)


def _digest(host: Host, path: str) -> str:
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


async def ownership_of(machine: Machine, path: str) -> tuple[str, ...]:
    """Return in words who besides root could change a file, as far as its path can be read."""
    return await asyncio.to_thread(lambda: ownership(tuple(_parts(machine.host, path)), user_name))


def _parts(host: Host, path: str) -> Iterator[FilePart]:
    """Yield the parent directories of a resolved path and then the file, as the helper does."""
    part = ""
    for name in path.split("/")[1:]:
        part += f"/{name}"
        try:
            status = host.stat(part)
        except OSError:
            return
        yield FilePart(part, status.st_uid, stat.S_IMODE(status.st_mode))


def user_name(uid: int) -> str:
    """Return the name of a user, or `user UID` if it has none on this machine."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


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
