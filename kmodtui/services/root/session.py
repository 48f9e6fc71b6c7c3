"""The root session: opened when root is first needed, and watched until it ends.

Every part of kmodtui that sends requests to the helper gets the session here. Subscribers
of `changes` are notified when it starts and when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from typing import TYPE_CHECKING

from kmodtui.errors import HelperError, RootSessionEndedError

if TYPE_CHECKING:
    from kmodtui.privileged.client import HelperClient
    from kmodtui.privileged.elevation import Foreground
    from kmodtui.services.root.access import RootAccess


class RootSession:
    """The root session of a machine, of which there is at most one at a time."""

    def __init__(self, root: RootAccess) -> None:
        self._root = root
        self._channel: HelperClient | None = None
        # Two simultaneous callers share one session, and one password prompt.
        self._opening = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self._subscribers: set[asyncio.Queue[HelperError | None]] = set()
        self.ended = ""
        """Why the last session ended: `idle` or `helper exited`; empty if the user closed it."""

    @property
    def channel(self) -> HelperClient | None:
        """The open session; None if there is none."""
        channel = self._channel
        return channel if channel is not None and channel.alive else None

    async def open(self, foreground: Foreground, idle_minutes: int | None) -> HelperClient:
        """Return the session, opening one if there is none.

        Args:
            foreground: hands the terminal over for a password prompt.
            idle_minutes: minutes without a request until the helper drops root; None for
                the helper's default.

        Raises:
            KmodtuiError: no session could be opened; the message says why.
        """
        async with self._opening:
            if (channel := self.channel) is None:
                # In an empty context: a task keeps the context that it was created in. Here, that
                # is a worker's, which keeps its screen in memory, and the session outlasts both.
                channel = await asyncio.create_task(self._start(foreground), context=Context())
                if idle_minutes is not None:
                    await channel.set_idle(60.0 * idle_minutes)
            return channel

    async def _start(self, foreground: Foreground) -> HelperClient:
        channel = await self._root.open(foreground)
        self._channel = channel
        self.ended = ""
        self._watcher = asyncio.create_task(self._watch(channel))
        self._notify(None)
        return channel

    async def _watch(self, channel: HelperClient) -> None:
        """Wait for the end of a session and notify the subscribers."""
        end = await channel.closed()
        if self._channel is channel:
            self._channel = None
            self.ended = "idle" if isinstance(end.why, RootSessionEndedError) else "helper exited"
        self._notify(None if end.told else end.why)
        await channel.close()

    async def changes(self) -> AsyncIterator[HelperError | None]:
        """Yield once for each start and end of a session from now on; never returns.

        Yields the reason if a session ended unexpectedly and no pending request has
        reported that, else None.
        """
        events: asyncio.Queue[HelperError | None] = asyncio.Queue()
        self._subscribers.add(events)
        try:
            while True:
                yield await events.get()
        finally:
            self._subscribers.discard(events)

    def _notify(self, reason: HelperError | None) -> None:
        for subscriber in self._subscribers:
            subscriber.put_nowait(reason)

    async def give_up(self) -> bool:
        """Close the session; return whether there was one."""
        channel, self._channel = self.channel, None
        self.ended = ""
        if channel is None:
            self._notify(None)
            return False
        await channel.close()
        self._notify(None)
        return True

    async def close(self) -> None:
        """Close the session and stop watching it."""
        channel, self._channel = self._channel, None
        if self._watcher is not None:
            self._watcher.cancel()
        if channel is not None:
            await channel.close()
