"""The catalog in a file of the user's cache folder, so that it is read from modules once.

Two lines of JSON. The first tells what the second is: the version of the format,
times and sizes of depmod's files, and the checksum of the second, which holds a
row for each module. A file that is damaged in any way counts as none.
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

from kmodtui.kernel.catalog import ModuleIndex
from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.module_info import Parameter

VERSION = 1
"""Of the format; a file of another one is read as if it were not there."""

MOST_FILES = 8
"""Catalogs that are kept; of more the one that was written longest ago goes."""

MAX_SIZE = 256 * 1024 * 1024
"""Bytes of a file that are read at the most."""

INDEX_FILES = ("modules.dep", "modules.alias", "modules.builtin", "modules.builtin.modinfo")
"""Files of depmod that the catalog is made from beside the modules."""

Stamp = tuple[int, int]
"""Bytes of a file, and nanoseconds of its last change."""

IndexStamps = list[list[int] | None]
"""The same of each of `INDEX_FILES`, as JSON has it; None for one that is not there."""


class Kept(NamedTuple):
    """An entry and the file that it was read from; None for a built-in module."""

    entry: CatalogEntry
    stamp: Stamp | None


class CatalogCache:
    """The files of all catalogs, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, index: ModuleIndex) -> Path:
        """Return where the catalog of an index is kept: by release and by where that lies."""
        where = os.fsencode(index.host.locate(index.folder))
        release = re.sub(r"[^A-Za-z0-9.+-]", "_", index.release)[:80]
        return self.folder / f"{release}-{hashlib.sha256(where).hexdigest()[:16]}.json"

    def read(self, index: ModuleIndex) -> tuple[IndexStamps, dict[str, Kept]]:
        """Return what is kept by name, and the index that it is of; nothing if it is damaged.

        What is of another index, from before depmod has run, tells what unchanged
        modules say all the same.
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
        """Keep a catalog; return whether that could be done.

        Whoever reads meanwhile sees the old file or the new one, whole.
        """
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
            # A full disk, or a home that may not be written: it is read anew next time.
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
    """Return sizes and times of an index's files as they are now."""
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
