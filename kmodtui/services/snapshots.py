"""Takes snapshots of a host, saves them to files and loads them.

A file starts with the line `kmodtui-snapshot 1`, where the number is the version of the
format. The rest is compressed with Zstandard: one line of JSON (see `model.snapshot`), then
the rows of /proc/kallsyms, without addresses unless they were requested. 120,000 symbols
take 0.6 MB.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from kmodtui import __version__
from kmodtui.errors import SnapshotError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import is_pseudo_owner
from kmodtui.kernel.system import read_system
from kmodtui.kernel.zstandard import zstandard
from kmodtui.model.snapshot import MAX_MODULES, Origin, Snapshot, header_line, read_head
from kmodtui.model.symbols.table import SymbolRows, SymbolTable
from kmodtui.model.text import clean, decode, human_size
from kmodtui.services.file_writer import write_file
from kmodtui.services.reading import read_both

FORMAT = 1
"""Version of the format that is written and read; files of other versions are refused."""

SUFFIX = ".kmodtui"
"""Suffix of snapshot files."""

PACKED_LIMIT = 32 * 1024 * 1024
"""Most bytes of a file; a snapshot with addresses has 2 MB."""

UNPACKED_LIMIT = 64 * 1024 * 1024
"""Most bytes when it is decompressed; 250,000 symbols with addresses have 14 MB."""

_HEAD_LIMIT = 4 * 1024 * 1024
_ROWS_LIMIT = 2_000_000
_MAGIC = b"kmodtui-snapshot "
_LEVEL = 9
_ROW = re.compile(rb"(?m)^[0-9a-fA-F]+ (\S .*)$")
_NO_ADDRESS = b"0" * 16 + b" "


def take(
    host: Host,
    *,
    addresses: bool = False,
    known: SymbolTable | None = None,
    clock: Callable[[], float] = time.time,
) -> Snapshot:
    """Take a snapshot of a host now. Reads files, so call it off the event loop.

    Args:
        host: the observed system.
        addresses: whether to include addresses. They reveal where the kernel is in memory,
            so anyone who has the file can defeat KASLR.
        known: an earlier reading of the symbols, of which what is unchanged is reused.
        clock: returns seconds since the epoch.

    Raises:
        UnreadableError: the system cannot be read, or the kernel hides the addresses.
    """
    facts = read_system(host)
    reading = read_both(host, known)
    symbols = reading.symbols or SymbolTable()
    if addresses and symbols.addresses_hidden:
        by = ", ".join(facts.addresses_hidden_by) or "kptr_restrict"
        raise UnreadableError(
            f"The kernel hides addresses from this user ({by}).",
            "Run this as root, or omit --addresses: comparing names does not need them.",
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
    """Return an unused path in a directory for a snapshot; see `unused_path`."""
    return unused_path(snapshot.origin.hostname, snapshot.origin.taken, folder)


def unused_path(hostname: str, taken: float, folder: Path, suffix: str = SUFFIX) -> Path:
    """Return an unused path in a directory, with the host and the time in its name."""
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", hostname).strip(".-") or "machine"
    when = time.strftime("%Y%m%d-%H%M%S", time.localtime(taken))
    path = folder / f"{host}-{when}{suffix}"
    number = 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{host}-{when}-{number}{suffix}"
    return path


def save(snapshot: Snapshot, path: Path, *, force: bool = False) -> int:
    """Save a snapshot to a file that only its owner may read; return its size in bytes.

    The file is written atomically. An existing file is only replaced with `force`.

    Raises:
        KmodtuiError: the file already exists, is not a regular file, or cannot be written.
    """
    data = _MAGIC + b"%d\n" % FORMAT + zstandard().compress(_body(snapshot), options=_packing())
    write_file(path, data, force=force)
    return len(data)


def _body(snapshot: Snapshot) -> bytes:
    table = snapshot.symbols
    owners = (table.core, *table.modules.values(), *table.pseudo.values())
    rows = b"".join(owner.raw for owner in owners)
    if not snapshot.origin.addresses:
        rows = b"".join(row + b"\n" for row in _ROW.findall(rows))
    return header_line(snapshot.origin, snapshot.modules) + b"\n" + rows


# Reading


def load(path: Path) -> Snapshot:
    """Load a snapshot from a file.

    Raises:
        SnapshotError: it is not a snapshot, or is damaged, of another format, or too large.
        UnreadableError: the file does not exist or is not readable.
    """
    shown = clean(str(path))
    data = _read(path, shown)
    head, newline, _ = data[:64].partition(b"\n")
    number = head.removeprefix(_MAGIC)
    if not data.startswith(_MAGIC) or not newline or not number.isdigit():
        raise SnapshotError(
            f"{shown} is not a kmodtui snapshot.", "Take one with kmodtui snapshot -o FILE."
        )
    if int(number) != FORMAT:
        newer = int(number) > FORMAT
        raise SnapshotError(
            f"{shown} was written by {'a newer' if newer else 'another'} kmodtui: its schema is "
            f"{int(number)}, but this kmodtui reads schema {FORMAT}.",
            "Update this kmodtui." if newer else "Take a new snapshot.",
        )
    body = _unpacked(data[len(head) + 1 :], shown)
    line, _, rows = body.partition(b"\n")
    if len(line) > _HEAD_LIMIT:
        raise _damaged(shown, "its header is too long")
    try:
        origin, modules = read_head(line)
    except SnapshotError as error:
        raise SnapshotError(
            f"{shown} is damaged. {error.message}", "Take a new snapshot."
        ) from None
    if rows.count(b"\n") > _ROWS_LIMIT:
        raise _damaged(shown, "it has more symbols than any kernel")
    return Snapshot(origin, modules, _symbols(rows, origin, shown), shown)


def _read(path: Path, shown: str) -> bytes:
    try:
        # Without O_NONBLOCK, opening a named pipe would block.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise SnapshotError(f"{shown} is not a regular file.")
            if status.st_size > PACKED_LIMIT:
                raise SnapshotError(
                    f"{shown} is {human_size(status.st_size)}, larger than any snapshot."
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
    zstd = zstandard()
    window: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}
    decompressor = zstd.ZstdDecompressor(options=window)
    try:
        body: bytes = decompressor.decompress(packed, UNPACKED_LIMIT + 1)
    except (zstd.ZstdError, EOFError, ValueError, MemoryError):
        raise _damaged(shown, "it cannot be decompressed") from None
    if len(body) > UNPACKED_LIMIT:
        raise SnapshotError(
            f"{shown} decompresses to more than {human_size(UNPACKED_LIMIT)}, unlike any snapshot.",
            "Files like this are made to exhaust memory.",
        )
    if not decompressor.eof:
        raise _damaged(shown, "its end is missing")
    if decompressor.unused_data:
        raise _damaged(shown, "there is data after its end")
    return body


def _damaged(shown: str, why: str) -> SnapshotError:
    return SnapshotError(f"{shown} is damaged: {why}.", "Copy it again, or take a new snapshot.")


def _symbols(rows: bytes, origin: Origin, shown: str) -> SymbolTable:
    """Return the symbol table in untrusted rows, in linear time."""
    prefix = b"" if origin.addresses else _NO_ADDRESS
    owners: dict[bytes, list[bytes]] = {b"": []}
    for row in rows.split(b"\n"):
        if row:
            tab = row.rfind(b"\t[") if row.endswith(b"]") else -1
            owners.setdefault(row[tab + 2 : -1] if tab >= 0 else b"", []).append(prefix + row)
            # Each owner takes a hundred times the memory of a row. It need not be in the
            # header: a module can be loaded while the snapshot is taken.
            if len(owners) > MAX_MODULES:
                raise _damaged(shown, "it has more modules than any kernel")
    core = SymbolRows(b"".join(row + b"\n" for row in owners.pop(b"")))
    modules: dict[str, SymbolRows] = {}
    pseudo: dict[str, SymbolRows] = {}
    for owner, found in owners.items():
        name = clean(decode(owner))
        kind = pseudo if is_pseudo_owner(name) else modules
        kind[name] = SymbolRows(b"".join(row + b"\n" for row in found))
    return SymbolTable(core, modules, pseudo)


def _packing() -> dict[int, int]:
    """Return the options for compression, with a checksum to detect any damage."""
    parameter = zstandard().CompressionParameter
    return {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}
