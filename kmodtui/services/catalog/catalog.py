"""All modules of a kernel release with the modinfo of their files, read once and cached.

Reading 4,000 files takes one second, or ten if they are compressed with xz. The result is
kept in a cache file of the user (`catalog_cache`) while depmod's files do not change. After
depmod has run, only the module files that have changed are read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.model.catalog_entry import Catalog, CatalogEntry, described
from kmodtui.services.catalog.cache import CatalogCache, Kept, Stamp, index_stamps

WORTH_KEEPING = 0.1
"""Seconds that reading must take for its result to be cached."""

Progress = Callable[[int], bool]
"""Called after each module with the number of modules read; returns whether to continue."""


class ReadingStoppedError(KmodtuiError):
    """Reading the catalog was cancelled."""


def names_of(index: ModuleIndex) -> Catalog:
    """Return a catalog from the index alone: names, paths, aliases. Takes milliseconds.

    Raises:
        KmodtuiError: the index cannot be read.
    """
    aliases = index.other_names()
    entries = [
        CatalogEntry(name, index.place_of(name), aliases=aliases.get(name, ()))
        for name in index.names
    ]
    entries += [
        CatalogEntry(name, index.place_of(name), builtin=True, aliases=aliases.get(name, ()))
        for name in index.builtin_names
        if name not in index
    ]
    entries.sort(key=lambda entry: entry.name)
    return Catalog(index.release, tuple(entries))


def read_catalog(
    host: Host,
    release: str,
    cache: CatalogCache | None = None,
    on_progress: Progress = lambda _done: True,
    *,
    worth_keeping: float = WORTH_KEEPING,
) -> Catalog:
    """Return the catalog with the modinfo of all files, from the cache where it is up to date.

    Args:
        host: the observed system.
        release: the kernel release.
        cache: the cache to read and write; None for none.
        on_progress: called after each module that was read from its file.
        worth_keeping: seconds that reading must take for its result to be cached.

    Raises:
        KmodtuiError: the index cannot be read.
        ReadingStoppedError: `on_progress` returned False.
    """
    begin = time.monotonic()
    # Read it here, so that its content is not older than the timestamps taken next.
    index = read_index(host, release)
    before = index_stamps(index)
    known: Mapping[str, Kept] = {}
    if cache is not None:
        stamps, known = cache.read(index)
        if stamps == before:
            entries = [kept.entry for kept in known.values()]
            if not any(entry.problem for entry in entries):
                return Catalog(index.release, tuple(entries))
    rows = list(_read(index, names_of(index).entries, known, on_progress))
    if cache is not None and time.monotonic() - begin >= worth_keeping:
        # With the timestamps from before: if depmod has run since, they will not match.
        cache.write(index, before, rows)
    return Catalog(index.release, tuple(row.entry for row in rows))


def _read(
    index: ModuleIndex,
    entries: Iterable[CatalogEntry],
    known: Mapping[str, Kept],
    on_progress: Progress,
) -> Iterable[Kept]:
    for done, entry in enumerate(entries):
        stamp = None if entry.builtin else _stamp(index, entry.name)
        before = known.get(entry.name)
        if before is not None and stamp is not None and before.stamp == stamp:
            # The file is unchanged; its path and aliases come from depmod.
            cached = before.entry
            if cached.path == entry.path and not cached.problem:
                yield Kept(replace(cached, aliases=entry.aliases), stamp)
                continue
        yield Kept(described_by_file(index, entry), stamp)
        if not on_progress(done + 1):
            raise ReadingStoppedError("Reading the catalog was cancelled.")


def described_by_file(index: ModuleIndex, entry: CatalogEntry) -> CatalogEntry:
    """Return an entry with the modinfo of its file, or with why that cannot be read."""
    try:
        return described(entry, index.read_info(entry.name))
    except KmodtuiError as error:
        return described(entry, problem=str(error))


def _stamp(index: ModuleIndex, name: str) -> Stamp | None:
    path = index.path_of(name)
    try:
        status = index.host.stat(path) if path else None
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if status else None
