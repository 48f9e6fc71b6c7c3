"""The catalog of a running dashboard: read in the background, and again after depmod has run.

Reading and the dashboard share one interpreter, so the reader pauses after every few modules.
A key press never waits longer than it takes to read those few.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from dataclasses import dataclass, replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import read_index
from kmodtui.model.catalog_entry import Catalog
from kmodtui.services.catalog.cache import CatalogCache, user_cache
from kmodtui.services.catalog.catalog import ReadingStoppedError, names_of, read_catalog

WORK = 0.002
"""Seconds of reading until it pauses."""

REST = 0.001
"""Seconds of a pause, in which other threads can run."""

TELL = 0.1
"""Seconds between two progress reports."""

log = logging.getLogger("kmodtui")


@dataclass(frozen=True, slots=True)
class CatalogState:
    """The catalog and the progress of reading it.

    Attributes:
        catalog: as far as it has been read; None before the index has been read, or without
            one.
        done: number of modules that have been read.
        reading: whether reading is in progress.
        problem: why there is no catalog, with the remedy; empty if there is one.
    """

    catalog: Catalog | None = None
    done: int = 0
    reading: bool = False
    problem: str = ""


class LiveCatalog:
    """The catalog of a release, read when it is first needed."""

    def __init__(
        self,
        host: Host,
        release: str,
        cache: Callable[[], CatalogCache | None] = user_cache,
    ) -> None:
        self._host = host
        self._release = release
        self._cache = cache
        self._state = CatalogState()
        self._subscribers: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._read = False
        self._generation = 0  # results of earlier ones are discarded

    @property
    def state(self) -> CatalogState:
        """The current state; reads no files."""
        return self._state

    async def states(self) -> AsyncIterator[CatalogState]:
        """Yield the current state, and again whenever it has changed; never returns."""
        changed = asyncio.Event()
        self._subscribers.add(changed)
        try:
            if not self._read:
                self._begin()
            while True:
                changed.clear()
                yield self._state
                await changed.wait()
        finally:
            self._subscribers.discard(changed)

    def forget(self) -> None:
        """Read the catalog again after depmod has run; at once if there are subscribers."""
        self._generation += 1
        self._read = False
        if self._subscribers:
            self._begin()

    def close(self) -> None:
        """Stop reading."""
        self._generation += 1
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _begin(self) -> None:
        self._generation += 1
        self._read = True
        # In an empty context: that of the caller's worker would keep its screen in memory.
        self._task = asyncio.create_task(self._read_all(self._generation), context=Context())

    async def _read_all(self, generation: int) -> None:
        """Read the names first, which is fast, and then the modinfo of all files."""
        try:
            names = await asyncio.to_thread(self._names)
            if self._state.catalog is None:
                self._publish(generation, CatalogState(names, reading=True))
            else:
                # The catalog from before depmod ran is better than names alone.
                self._publish(generation, replace(self._state, done=0, reading=True))
            loop = asyncio.get_running_loop()
            whole = await asyncio.to_thread(self._whole, generation, loop)
            self._publish(generation, CatalogState(whole, done=len(whole.entries)))
        except ReadingStoppedError:
            pass
        except KmodtuiError as error:
            self._publish(generation, CatalogState(problem=str(error)))
        except Exception as error:
            log.error("%s", error, exc_info=error)
            problem = "The catalog cannot be read; see the log file."
            self._publish(generation, CatalogState(problem=problem))

    def _names(self) -> Catalog:
        return names_of(read_index(self._host, self._release))

    def _whole(self, generation: int, loop: asyncio.AbstractEventLoop) -> Catalog:
        rested = reported = time.monotonic()

        def progress(done: int) -> bool:
            nonlocal rested, reported
            now = time.monotonic()
            if now - reported >= TELL:
                reported = now
                # The loop may have been closed.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._publish_progress, generation, done)
            if now - rested >= WORK:
                time.sleep(REST)
                rested = time.monotonic()
            return generation == self._generation

        return read_catalog(self._host, self._release, self._cache(), progress)

    def _publish_progress(self, generation: int, done: int) -> None:
        self._publish(generation, replace(self._state, done=done))

    def _publish(self, generation: int, state: CatalogState) -> None:
        if generation != self._generation:
            return
        self._state = state
        for changed in self._subscribers:
            changed.set()
