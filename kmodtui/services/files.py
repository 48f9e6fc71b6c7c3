"""Module files to be inserted: their owners, and the digest to confirm."""

from __future__ import annotations

import asyncio
import pwd
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.content import file_digest
from kmodtui.model.ownership import ownership
from kmodtui.model.result import FilePart

if TYPE_CHECKING:
    from kmodtui.services.machine import Machine


async def digest_of(machine: Machine, path: str) -> str:
    """Return the SHA-256 of a file; see `file_digest`."""
    return await asyncio.to_thread(file_digest, machine.host, path)


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
