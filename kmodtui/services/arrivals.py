"""What the kernel announces between two readings, kept until a reading has it."""

from __future__ import annotations

import asyncio

from kmodtui.kernel.uevents import ModuleUevent, NoUevents, UeventSource


class Arrivals:
    """What uevents have told since the last settled reading, and the wait for the next."""

    def __init__(self, source: UeventSource) -> None:
        self._source = source
        self._added: set[str] = set()
        self._removed: set[str] = set()
        self.next: asyncio.Future[tuple[ModuleUevent, ...]] = asyncio.ensure_future(source.wait())

    def arrived(self) -> bool:
        """Note what has arrived, and return whether anything has."""
        if not self.next.done():
            return False
        try:
            events = self.next.result()
        except OSError:
            # A socket that is broken tells nothing any more; polling goes on.
            self._source.close()
            self._source, events = NoUevents(), ()
        for event in events:
            (self._added if event.action == "add" else self._removed).add(event.name)
        self.next = asyncio.ensure_future(self._source.wait())
        return True

    @property
    def both(self) -> set[str]:
        """The modules that were added and removed, in whatever order."""
        return self._added & self._removed

    def forget(self) -> None:
        """Begin anew: all that was told is in a reading."""
        self._added.clear()
        self._removed.clear()

    async def close(self) -> None:
        """Give the source back when nothing waits on it any more."""
        self.next.cancel()
        await asyncio.wait({self.next})
        self._source.close()
