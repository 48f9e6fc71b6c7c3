"""The catalog of a running dashboard: read beside it, and again when depmod has run.

Reading takes turns with the dashboard in one interpreter. After every few
modules it rests for a moment, so that a key that was pressed never waits longer
than it takes to read those few.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.catalog import read_index
from kmodtui.kernel.host import Host
from kmodtui.model.catalog_entry import Catalog
from kmodtui.services.catalog import ReadingStoppedError, names_of, read_catalog
from kmodtui.services.catalog_cache import CatalogCache, user_cache

WORK = 0.002
"""Seconds of reading until it rests."""

REST = 0.001
"""Seconds that it rests, for whoever waits for the interpreter."""

TELL = 0.1
"""Seconds between two words on how far it is."""

log = logging.getLogger("kmodtui")


@dataclass(frozen=True, slots=True)
class CatalogState:
    """How far the catalog is.

    Attributes:
        catalog: what is known; None before the index has been read, and where there is none.
        done: modules that have been read.
        reading: whether that goes on.
        problem: why there is no catalog, with the remedy; empty if there is one.
    """

    catalog: Catalog | None = None
    done: int = 0
    reading: bool = False
    problem: str = ""


class LiveCatalog:
    """The catalog of one release, read when somebody first looks at it."""

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
        self._lookers: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._read = False
        self._turn = 0

    @property
    def state(self) -> CatalogState:
        """What is known at this moment; reads nothing."""
        return self._state

    async def states(self) -> AsyncIterator[CatalogState]:
        """Yield what is known, and again whenever more is; never ends by itself."""
        news = asyncio.Event()
        self._lookers.add(news)
        try:
            if not self._read:
                self._begin()
            while True:
                news.clear()
                yield self._state
                await news.wait()
        finally:
            self._lookers.discard(news)

    def forget(self) -> None:
        """Read it anew, at once if somebody looks at it: depmod has run."""
        self._turn += 1
        self._read = False
        if self._lookers:
            self._begin()

    def close(self) -> None:
        """Stop reading."""
        self._turn += 1
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _begin(self) -> None:
        self._turn += 1
        self._read = True
        self._task = asyncio.get_running_loop().create_task(self._follow(self._turn))

    async def _follow(self, turn: int) -> None:
        """Read names first, which takes no time, and then what the files say."""
        try:
            names = await asyncio.to_thread(self._names)
            if self._state.catalog is None:
                self._tell(turn, CatalogState(names, reading=True))
            else:
                # What was known before depmod ran is better than names alone.
                self._tell(turn, replace(self._state, done=0, reading=True))
            whole = await asyncio.to_thread(self._whole, turn, asyncio.get_running_loop())
            self._tell(turn, CatalogState(whole, done=len(whole.entries)))
        except ReadingStoppedError:
            pass
        except KmodtuiError as error:
            self._tell(turn, CatalogState(problem=str(error)))
        except Exception as error:
            log.error("%s", error, exc_info=error)
            self._tell(turn, CatalogState(problem="The catalog cannot be read; see the log file."))

    def _names(self) -> Catalog:
        return names_of(read_index(self._host, self._release))

    def _whole(self, turn: int, loop: asyncio.AbstractEventLoop) -> Catalog:
        rested = told = time.monotonic()

        def progress(done: int) -> bool:
            nonlocal rested, told
            now = time.monotonic()
            if now - told >= TELL:
                told = now
                # A loop that has ended has nobody left to tell.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._tell_progress, turn, done)
            if now - rested >= WORK:
                time.sleep(REST)
                rested = time.monotonic()
            return turn == self._turn

        return read_catalog(self._host, self._release, self._cache(), progress)

    def _tell_progress(self, turn: int, done: int) -> None:
        self._tell(turn, replace(self._state, done=done))

    def _tell(self, turn: int, state: CatalogState) -> None:
        if turn != self._turn:
            return
        self._state = state
        for news in self._lookers:
            news.set()
