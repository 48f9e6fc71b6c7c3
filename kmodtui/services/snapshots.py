"""Snapshots: taken of a host, written to a file, read back.

A file begins with the line `kmodtui-snapshot 1`, the number being the version
of the format. What follows is packed with Zstandard: one line of JSON (see
`model.snapshot`), then the rows of /proc/kallsyms, without their addresses
unless they were asked for. 120,000 symbols take 0.6 MB.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmodtui import __version__
from kmodtui.errors import KmodtuiError, SnapshotError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import is_pseudo_owner
from kmodtui.kernel.system import read_system
from kmodtui.model.snapshot import MAX_MODULES, Origin, Snapshot, head_line, read_head
from kmodtui.model.symbols import SymbolRows, SymbolTable
from kmodtui.model.text import clean, decode, human_size
from kmodtui.services.reading import read_both

FORMAT = 1
"""Version of the format that is written and read; files of another version are refused."""

SUFFIX = ".kmodtui"
"""What the name of a snapshot's file ends with."""

PACKED_LIMIT = 32 * 1024 * 1024
"""Bytes that a file may have; a snapshot with addresses has 2 MB."""

UNPACKED_LIMIT = 64 * 1024 * 1024
"""Bytes that it may unpack to; 250,000 symbols with addresses have 14 MB."""

_HEAD_LIMIT = 4 * 1024 * 1024
_ROWS_LIMIT = 2_000_000
_MAGIC = b"kmodtui-snapshot "
_LEVEL = 9
_ROW = re.compile(rb"(?m)^[0-9a-fA-F]+ (\S .*)$")
_NO_ADDRESS = b"0" * 16 + b" "

FORCE_HINT = "Choose another name, or say --force to write over it."


def take(
    host: Host, *, addresses: bool = False, clock: Callable[[], float] = time.time
) -> Snapshot:
    """Return a snapshot of a host, now. Reads files: not for the event loop.

    Args:
        host: the system to read.
        addresses: whether addresses are to be in it. They tell where the kernel lies in
            memory and so defeat KASLR: whoever has the file has them.
        clock: seconds since the epoch.

    Raises:
        UnreadableError: it cannot be read, or the kernel hides the addresses.
    """
    facts = read_system(host)
    reading = read_both(host)
    symbols = reading.symbols or SymbolTable()
    if addresses and symbols.addresses_hidden:
        by = ", ".join(facts.addresses_hidden_by) or "kptr_restrict"
        raise UnreadableError(
            f"The kernel hides addresses from this user ({by}).",
            "Run it as root, or leave --addresses out: names compare all the same.",
        )
    origin = Origin(
        taken=clock(),
        hostname=facts.hostname or "",
        release=facts.release or "",
        machine=facts.machine or "",
        version=facts.version or "",
        command_line=facts.cmdline or "",
        boot=_boot_id(host),
        tainted=facts.tainted or 0,
        addresses=addresses,
        kmodtui=__version__,
    )
    return Snapshot(origin, reading.table.modules, symbols)


def _boot_id(host: Host) -> str:
    try:
        return clean(decode(host.read("/proc/sys/kernel/random/boot_id", 64)).strip())
    except OSError:
        return ""


# Writing


def default_path(snapshot: Snapshot, folder: Path) -> Path:
    """Return a name in a folder that tells host and time, and that nothing has yet."""
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", snapshot.origin.hostname).strip(".-") or "machine"
    when = time.strftime("%Y%m%d-%H%M%S", time.localtime(snapshot.origin.taken))
    path = folder / f"{host}-{when}{SUFFIX}"
    number = 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{host}-{when}-{number}{SUFFIX}"
    return path


def save(snapshot: Snapshot, path: Path, *, force: bool = False) -> int:
    """Write a snapshot to a file that only its owner may read; return its size in bytes.

    It is there whole or not at all. A file that is there already stays, unless `force`.

    Raises:
        KmodtuiError: there is such a file, or it cannot be written.
    """
    data = _MAGIC + b"%d\n" % FORMAT + _zstd().compress(_body(snapshot), options=_packing())
    shown = clean(str(path))
    if not force and os.path.lexists(path):
        raise KmodtuiError(f"{shown} is there already.", FORCE_HINT)
    try:
        # A new file of tempfile's has mode 0600.
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
        raise KmodtuiError(f"{shown} is there already.", FORCE_HINT) from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise KmodtuiError(f"{shown} cannot be written: {why}.") from error
    return len(data)


def _name(made: str, path: Path, *, force: bool) -> None:
    """Give a finished file its name; FileExistsError if that is taken and may not be."""
    if force:
        os.replace(made, path)
        return
    try:
        os.link(made, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links on this file system (FAT): take the name first, then fill it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.replace(made, path)


def _body(snapshot: Snapshot) -> bytes:
    table = snapshot.symbols
    owners = (table.core, *table.modules.values(), *table.pseudo.values())
    rows = b"".join(owner.raw for owner in owners)
    if not snapshot.origin.addresses:
        rows = b"".join(row + b"\n" for row in _ROW.findall(rows))
    return head_line(snapshot.origin, snapshot.modules) + b"\n" + rows


# Reading


def load(path: Path) -> Snapshot:
    """Return the snapshot in a file.

    Raises:
        SnapshotError: it is none, or is damaged, cut off, too new, or made to fill the memory.
        UnreadableError: it is not there, or may not be read.
    """
    shown = clean(str(path))
    data = _read(path, shown)
    head, newline, _ = data[:64].partition(b"\n")
    number = head.removeprefix(_MAGIC)
    if not data.startswith(_MAGIC) or not newline or not number.isdigit():
        raise SnapshotError(
            f"{shown} is no snapshot of kmodtui.", "kmodtui snapshot -o FILE takes one."
        )
    if int(number) != FORMAT:
        newer = int(number) > FORMAT
        raise SnapshotError(
            f"{shown} was written by {'a newer' if newer else 'another'} kmodtui: its schema is "
            f"{int(number)}, and this kmodtui reads schema {FORMAT}.",
            "Update kmodtui here." if newer else "Take a new snapshot.",
        )
    body = _unpacked(data[len(head) + 1 :], shown)
    line, _, rows = body.partition(b"\n")
    if len(line) > _HEAD_LIMIT:
        raise _damaged(shown, "what it says of its machine is too long")
    try:
        origin, modules = read_head(line)
    except SnapshotError as error:
        raise SnapshotError(f"{shown} is damaged. {error.message}", "Take a new one.") from None
    if rows.count(b"\n") > _ROWS_LIMIT:
        raise _damaged(shown, "no kernel has as many symbols")
    return Snapshot(origin, modules, _symbols(rows, origin, shown), shown)


def _read(path: Path, shown: str) -> bytes:
    try:
        # Opening a pipe would wait for its other end.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise SnapshotError(f"{shown} is no regular file.")
            if status.st_size > PACKED_LIMIT:
                raise SnapshotError(
                    f"{shown} has {human_size(status.st_size)}, which no snapshot has."
                )
            with open(handle, "rb", closefd=False) as file:
                return file.read(PACKED_LIMIT + 1)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise UnreadableError(f"There is no file {shown}.") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UnreadableError(f"{shown} cannot be read: {why}.") from error


def _unpacked(packed: bytes, shown: str) -> bytes:
    zstd = _zstd()
    window: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}
    decompressor = zstd.ZstdDecompressor(options=window)
    try:
        body: bytes = decompressor.decompress(packed, UNPACKED_LIMIT + 1)
    except (zstd.ZstdError, EOFError, ValueError, MemoryError):
        raise _damaged(shown, "it cannot be unpacked") from None
    if len(body) > UNPACKED_LIMIT:
        raise SnapshotError(
            f"{shown} unpacks to more than {human_size(UNPACKED_LIMIT)}, which no snapshot does.",
            "It was made to fill the memory, or is no snapshot.",
        )
    if not decompressor.eof:
        raise _damaged(shown, "its end is missing")
    if decompressor.unused_data:
        raise _damaged(shown, "something stands behind its end")
    return body


def _damaged(shown: str, why: str) -> SnapshotError:
    return SnapshotError(f"{shown} is damaged: {why}.", "Copy it anew, or take a new one.")


def _symbols(rows: bytes, origin: Origin, shown: str) -> SymbolTable:
    """Return the table in rows that anybody may have written, in time that grows with them only."""
    ahead = b"" if origin.addresses else _NO_ADDRESS
    owners: dict[bytes, list[bytes]] = {b"": []}
    for row in rows.split(b"\n"):
        if row:
            tab = row.rfind(b"\t[") if row.endswith(b"]") else -1
            owners.setdefault(row[tab + 2 : -1] if tab >= 0 else b"", []).append(ahead + row)
            # Each owner takes a hundred times the memory of a row. That the head names
            # it is not asked for: one may have come while the snapshot was taken.
            if len(owners) > MAX_MODULES:
                raise _damaged(shown, "no kernel has as many modules")
    core = SymbolRows(b"".join(row + b"\n" for row in owners.pop(b"")))
    modules: dict[str, SymbolRows] = {}
    pseudo: dict[str, SymbolRows] = {}
    for owner, found in owners.items():
        name = clean(decode(owner))
        kind = pseudo if is_pseudo_owner(name) else modules
        kind[name] = SymbolRows(b"".join(row + b"\n" for row in found))
    return SymbolTable(core, modules, pseudo)


def _packing() -> dict[int, int]:
    """Return how to pack: with a checksum, so that one wrong bit is noticed."""
    parameter = _zstd().CompressionParameter
    return {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}


def _zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise UnreadableError(
            "This Python cannot pack and unpack Zstandard.",
            "Install the package backports.zstd beside kmodtui.",
        ) from None
    return zstd
