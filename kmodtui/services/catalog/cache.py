"""The catalog cached in a file, so that module files are read only once.

The file has two lines of JSON. The first has the version of the format, the timestamps and
sizes of depmod's files, and the checksum of the second line. The second has a row for each
module. A damaged file is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.module_info import Parameter

VERSION = 1
"""Version of the format; files of other versions are ignored."""

MOST_FILES = 8
"""Catalogs that are kept; the oldest ones are removed."""

MAX_SIZE = 256 * 1024 * 1024
"""Most bytes of a cache file that are read."""

INDEX_FILES = ("modules.dep", "modules.alias", "modules.builtin", "modules.builtin.modinfo")
"""The index files from which a catalog is made."""

Stamp = tuple[int, int]
"""Size of a file in bytes, and its modification time in nanoseconds."""

IndexStamps = list[list[int] | None]
"""The stamp of each of `INDEX_FILES` as in JSON; None for a missing file."""


class Kept(NamedTuple):
    """A cached entry, and the stamp of its file; None for a built-in module."""

    entry: CatalogEntry
    stamp: Stamp | None


class CatalogCache:
    """The cache files of all catalogs, in one directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, index: ModuleIndex) -> Path:
        """Return the cache file for an index, named after the release and the path of the index."""
        where = os.fsencode(index.host.locate(index.folder))
        release = re.sub(r"[^A-Za-z0-9.+-]", "_", index.release)[:80]
        return self.folder / f"{release}-{hashlib.sha256(where).hexdigest()[:16]}.json"

    def read(self, index: ModuleIndex) -> tuple[IndexStamps, dict[str, Kept]]:
        """Return the cached entries by name, and the stamps of the index they were made from.

        Both are empty without a valid cache file. If the index has changed since, the entries
        of unchanged module files are still valid.
        """
        try:
            with open(self.path_of(index), "rb") as file:
                head, _, rows = file.read(MAX_SIZE).partition(b"\n")
            about = json.loads(head)
            if about["version"] != VERSION or about["checksum"] != zlib.crc32(rows):
                return [], {}
            found = {row[0]: _kept(row) for row in json.loads(rows)}
            return about["index"], found
        except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
            return [], {}

    def write(self, index: ModuleIndex, stamps: IndexStamps, kept: Iterable[Kept]) -> bool:
        """Write a catalog to its cache file, atomically; return whether that was possible."""
        rows = json.dumps([_row(one) for one in kept], separators=(",", ":")).encode()
        head = {"version": VERSION, "checksum": zlib.crc32(rows), "index": stamps}
        path = self.path_of(index)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=self.folder)
            try:
                with open(descriptor, "wb") as file:
                    file.write(json.dumps(head).encode() + b"\n" + rows)
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError:
            # The disk is full or the home directory is read-only: do without the cache.
            return False
        self._forget_old()
        return True

    def _forget_old(self) -> None:
        with contextlib.suppress(OSError):
            files = sorted(self.folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
            for file in files[:-MOST_FILES]:
                file.unlink(missing_ok=True)


def user_cache() -> CatalogCache:
    """Return the cache of this user: `$XDG_CACHE_HOME/kmodtui/catalog`, or `~/.cache/…`."""
    import platformdirs

    return CatalogCache(platformdirs.user_cache_path("kmodtui", appauthor=False) / "catalog")


def index_stamps(index: ModuleIndex) -> IndexStamps:
    """Return the current stamps of an index's files."""
    stamps: IndexStamps = []
    for file in INDEX_FILES:
        try:
            status = index.host.stat(f"{index.folder}/{file}")
            stamps.append([status.st_size, status.st_mtime_ns])
        except OSError:
            stamps.append(None)
    return stamps


def _row(kept: Kept) -> list[Any]:
    entry = kept.entry
    return [
        entry.name,
        entry.path,
        entry.builtin,
        entry.aliases,
        entry.problem,
        entry.description,
        entry.license,
        entry.version,
        entry.intree,
        entry.signer,
        entry.firmware,
        [(one.name, one.type, one.description) for one in entry.parameters],
        kept.stamp,
    ]


def _kept(row: list[Any]) -> Kept:
    (
        name,
        path,
        builtin,
        aliases,
        problem,
        description,
        license_,
        version,
        intree,
        signer,
        firmware,
        parameters,
        stamp,
    ) = row
    entry = CatalogEntry(
        name,
        path,
        builtin,
        tuple(aliases),
        True,
        problem,
        description,
        license_,
        version,
        intree,
        signer,
        tuple(firmware),
        tuple(Parameter(*one) for one in parameters) if parameters else (),
    )
    return Kept(entry, (stamp[0], stamp[1]) if stamp else None)
