"""Every module of a kernel release with what its file says of it, read once and kept.

To read 4,000 files takes a second, or ten where they are packed with xz. What
they say is kept in a file of the user's (`catalog_cache`) for as long as
depmod's files are the same; after depmod has run, only the files that are
others are read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.catalog import ModuleIndex, read_index
from kmodtui.kernel.host import Host
from kmodtui.model.catalog_entry import Catalog, CatalogEntry, described
from kmodtui.services.catalog_cache import CatalogCache, Kept, Stamp, index_stamps

WORTH_KEEPING = 0.1
"""Seconds that reading has to take for its result to be kept in a file."""

Progress = Callable[[int], bool]
"""Is told how many modules have been read, after each; returns whether to go on."""


class ReadingStoppedError(KmodtuiError):
    """Whoever wanted the catalog does not want it any more."""


def names_of(index: ModuleIndex) -> Catalog:
    """Return the catalog as far as the index tells it: names, files, aliases. Takes milliseconds.

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
    """Return the catalog with what the files say, from the cache as far as that is right.

    Args:
        host: the system whose modules are meant.
        release: of its kernel.
        cache: where to look first, and to keep what was read; None for nowhere.
        on_progress: told of each module that was read from its file.
        worth_keeping: seconds that reading must take for its result to be kept.

    Raises:
        KmodtuiError: the index cannot be read.
        ReadingStoppedError: `on_progress` has returned False.
    """
    begin = time.monotonic()
    # One of its own: what is read from it is then no older than the times of its files.
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
        # With the times from before it was read: if depmod has run meanwhile, they tell.
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
            # The file is the one that was read; its place and its aliases are depmod's.
            was = before.entry
            if was.path == entry.path and not was.problem:
                yield Kept(replace(was, aliases=entry.aliases), stamp)
                continue
        yield Kept(described_by_file(index, entry), stamp)
        if not on_progress(done + 1):
            raise ReadingStoppedError("The reading of the catalog was stopped.")


def described_by_file(index: ModuleIndex, entry: CatalogEntry) -> CatalogEntry:
    """Return an entry with what its file says, or with the sentence that says why it does not."""
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
