"""Module files to be inserted: which one it is, and that it stays the one that was seen."""

from __future__ import annotations

import asyncio
import hashlib
import os

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.services.machine import Machine

_PIECE = 1024 * 1024


async def digest_of(machine: Machine, path: str) -> str:
    """Return the SHA-256 of a file in 64 lower-case digits.

    Raises:
        UnreadableError: the file cannot be read.
    """
    return await asyncio.to_thread(_digest, machine.host, path)


def _digest(host: Host, path: str) -> str:
    digest = hashlib.sha256()
    try:
        with host.open(path) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def resolved(path: str) -> str:
    """Return a path without symbolic links in it: the helper follows none."""
    return os.path.realpath(path)
