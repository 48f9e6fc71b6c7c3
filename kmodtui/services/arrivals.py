"""Module uevents between two readings: kept until a reading accounts for them."""

from __future__ import annotations

import asyncio

from kmodtui.kernel.uevents import ModuleUevent, NoUevents, UeventSource

LATE = 0.1
"""Seconds that a uevent may arrive after the kernel has counted it."""

_STEP = 0.005


class Arrivals:
    """The uevents since the last reading, and the wait for the next."""

    def __init__(self, source: UeventSource) -> None:
        self._source = source
        self._events: list[ModuleUevent] = []
        self.next: asyncio.Future[tuple[ModuleUevent, ...]] = asyncio.ensure_future(source.wait())

    def arrived(self) -> bool:
        """Keep what has arrived; return whether anything has."""
        something = self.next.done()
        if something:
            try:
                self._events += self.next.result()
            except OSError:
                # A broken socket announces nothing any more; polling goes on.
                self._source.close()
                self._source = NoUevents()
            self.next = asyncio.ensure_future(self._source.wait())
        try:
            drained = self._source.drain()
        except OSError:
            return something  # `next` reports it
        self._events += drained
        return something or bool(drained)

    async def caught_up(self, sequence: int) -> bool:
        """Wait a moment for what the kernel has counted; return whether all of it has arrived.

        It never does where uevents are sent to other network namespaces.

        Args:
            sequence: the number of the last uevent that the kernel has counted.
        """
        limit = asyncio.get_running_loop().time() + LATE
        while True:
            self.arrived()
            if self._source.sequence >= sequence:
                return True
            if isinstance(self._source, NoUevents) or asyncio.get_running_loop().time() > limit:
                return False
            await asyncio.sleep(_STEP)

    @property
    def events(self) -> tuple[ModuleUevent, ...]:
        """What has arrived since `forget`, in the kernel's order."""
        return tuple(self._events)

    @property
    def moved(self) -> frozenset[str]:
        """The modules that were added or removed."""
        return frozenset(event.name for event in self._events)

    @property
    def both(self) -> frozenset[str]:
        """The modules that were added and removed, in either order."""
        added = {event.name for event in self._events if event.action == "add"}
        return frozenset(e.name for e in self._events if e.action == "remove" and e.name in added)

    def during(self, first: int | None, last: int | None, start: int) -> bool:
        """Return whether a module was added or removed during a read.

        Args:
            first: the kernel's number of its last uevent before the read; None if unknown.
            last: the same after the read.
            start: how many events had arrived before the read, for uevents without a number.
        """
        for place, event in enumerate(self._events):
            if not event.sequence or first is None or last is None:
                if place >= start:
                    return True
            elif first < event.sequence <= last:
                return True
        return False

    def until(self, sequence: int | None) -> tuple[ModuleUevent, ...]:
        """Return what has arrived up to a number of the kernel's; all of it without one."""
        if sequence is None:
            return self.events
        return tuple(event for event in self._events if event.sequence <= sequence)

    def forget(self, sequence: int | None) -> None:
        """Drop the same: a reading accounts for it."""
        self._events = self._events[len(self.until(sequence)) :]

    async def close(self) -> None:
        """Close the source when nothing waits on it any more."""
        self.next.cancel()
        await asyncio.wait({self.next})
        self._source.close()
