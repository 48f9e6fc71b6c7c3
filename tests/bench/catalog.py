"""The catalog: a warm start against modinfo, and what a key costs while it is searched or read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.release import read_index
from kmodtui.model.fuzzy import SearchIndex
from kmodtui.services.catalog.catalog import names_of, read_catalog
from kmodtui.services.catalog.live import LiveCatalog
from tests.bench.interleaved import Comparison, clocked, compare
from tests.bench.machine import RecordedMachine
from tests.bench.start import KMODTUI
from tests.kernel import image

QUERIES = ("b", "bt", "btr", "btrf", "btrfs", "intel wireless", "nfct", "zzzz")
"""What is searched for in one measurement, key by key."""

KEYS = 40
"""That are pressed in one measurement while the catalog is read."""

_PAUSE = 0.01  # seconds from one key to the next


def warm_catalog(_: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare listing what all modules say, from the cache, with modinfo of all files."""
    tree = _package()
    if tree is None:
        return _MISSING
    root, release = tree
    index = read_index(LocalHost(root), release)
    files = [f"{root}{index.path_of(name)}" for name in index.names]
    with TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        ours = [*KMODTUI, "--root", str(root), "--kernel", release, "catalog"]
        return compare(
            f"kmodtui catalog, {len(files):,} modules, warm",
            clocked(lambda: _run(ours, environment)),
            "modinfo of all files",
            clocked(lambda: _run(["modinfo", *files], environment)),
            limit=1.0,
            rounds=rounds,
        )


def catalog_search(_: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare searching all modules, once a key, with running `modprobe -R` as often."""
    tree = _package()
    if tree is None:
        return _MISSING
    root, release = tree
    haystack = SearchIndex(read_catalog(LocalHost(root), release).entries)

    def ours() -> None:
        for query in QUERIES:
            haystack.search(query)

    def theirs() -> None:
        for query in QUERIES:
            command = ["modprobe", "-d", str(root), "-S", release, "-qR", query]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)

    return compare(
        f"{len(QUERIES)} keys over {len(haystack.entries):,} modules",
        clocked(ours),
        "modprobe -R as often",
        clocked(theirs),
        limit=1.0,
        rounds=rounds,
    )


def key_while_reading(_: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare how long a key takes while the catalog is read with one while nothing is."""
    tree = _package()
    if tree is None:
        return _MISSING
    root, release = tree
    haystack = SearchIndex(names_of(read_index(LocalHost(root), release)).entries)

    def reading() -> float:
        return asyncio.run(_key_while_reading(haystack, root, release))

    return compare(
        "a key while all modules are read (9 of 10)",
        reading,
        "the same while nothing is read",
        lambda: asyncio.run(_slow_key(haystack)),
        limit=3.0,
        rounds=min(rounds, 7),
    )


async def _key_while_reading(haystack: SearchIndex, root: Path, release: str) -> float:
    live = LiveCatalog(LocalHost(root), release, lambda: None)
    async for state in live.states():
        if state.reading:
            break
    seconds = await _slow_key(haystack)
    if not live.state.reading:
        raise AssertionError("everything was read before all keys had been pressed")
    live.close()
    return seconds


async def _slow_key(haystack: SearchIndex) -> float:
    """Return how long all but the slowest tenth of some keys take at the most.

    A key does as much as all queries together: one search takes less time than the
    interpreter takes to change from one thread to another.
    """
    took = []
    terminal = os.open(os.devnull, os.O_WRONLY)
    for _ in range(KEYS):
        due = time.perf_counter() + _PAUSE
        await asyncio.sleep(_PAUSE)
        for query in QUERIES:
            haystack.search(query)
        # Whoever writes gives the interpreter away, and has to get it back.
        os.write(terminal, b"x" * 2000)
        took.append(time.perf_counter() - due)
    os.close(terminal)
    return sorted(took)[KEYS * 9 // 10]


_MISSING = "there is no Debian kernel package here; make kernel unpacks one"


def _package() -> tuple[Path, str] | None:
    """Return a tree with Debian's kernel package and its release, None where there is none.

    One whose modules are not packed, if there is one: unpacking takes modinfo seconds.
    """
    found = []
    for modules in image.cache_folder().glob("*/tree/lib/modules/*/modules.dep"):
        packed = b".ko.xz:" in modules.read_bytes()
        found.append((packed, modules.parents[3], modules.parent.name))
    return min(found)[1:] if found else None


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
