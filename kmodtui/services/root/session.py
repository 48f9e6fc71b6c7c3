"""The root sessions: opened when root is first needed, and watched until they end.

Every part of kmodtui that sends requests to the helper gets a session here. Subscribers of
`changes` are notified when one starts and when one ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from typing import TYPE_CHECKING

from kmodtui.errors import HelperError, RootSessionEndedError, UnexpectedAnswerError
from kmodtui.model.scope import Scope

if TYPE_CHECKING:
    from kmodtui.privileged.client import HelperClient
    from kmodtui.privileged.elevation import Foreground
    from kmodtui.services.root.access import RootAccess


class RootSessions:
    """The root sessions of a machine: at most one that only reads, and one that can change it."""

    def __init__(self, root: RootAccess) -> None:
        self._root = root
        self._channels: dict[Scope, HelperClient] = {}
        # Two simultaneous callers share one session, and one password prompt.
        self._opening = asyncio.Lock()
        self._watchers: set[asyncio.Task[None]] = set()
        self._subscribers: set[asyncio.Queue[HelperError | None]] = set()
        self.ended = ""
        """Why the last session ended: `idle`, `helper exited` or `unexpected answer`; empty if
        the user closed it."""

    @property
    def all_open(self) -> list[HelperClient]:
        """The open sessions."""
        return [channel for channel in self._channels.values() if channel.alive]

    @property
    def reading(self) -> HelperClient | None:
        """An open session that can read, preferably the one that can also change; else None."""
        return self.changing or self._open_one(Scope.READ)

    @property
    def changing(self) -> HelperClient | None:
        """The open session that can change the machine; None if there is none."""
        return self._open_one(Scope.CHANGE)

    def _open_one(self, scope: Scope) -> HelperClient | None:
        channel = self._channels.get(scope)
        return channel if channel is not None and channel.alive else None

    async def open(
        self, foreground: Foreground, scope: Scope, idle_minutes: int | None
    ) -> HelperClient:
        """Return a session that may do this, opening one if there is none.

        Args:
            foreground: hands the terminal over for a password prompt.
            scope: what it has to be able to do.
            idle_minutes: minutes without a request until the helper drops root; None for
                the helper's default.

        Raises:
            KmodtuiError: no session could be opened; the message says why.
        """
        async with self._opening:
            channel = self.reading if scope is Scope.READ else self.changing
            if channel is None:
                # In an empty context: a task keeps the context that it was created in. Here, that
                # is a worker's, which keeps its screen in memory, and the session outlasts both.
                starting = self._start(foreground, scope)
                channel = await asyncio.create_task(starting, context=Context())
                if idle_minutes is not None:
                    await channel.set_idle(60.0 * idle_minutes)
            return channel

    async def _start(self, foreground: Foreground, scope: Scope) -> HelperClient:
        channel = await self._root.open(foreground, scope)
        self._channels[scope] = channel
        self.ended = ""
        watcher = asyncio.create_task(self._watch(channel, scope))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        self._notify(None)
        return channel

    async def _watch(self, channel: HelperClient, scope: Scope) -> None:
        """Wait for the end of a session and notify the subscribers."""
        end = await channel.closed()
        if self._channels.get(scope) is channel:
            del self._channels[scope]
            match end.why:
                case RootSessionEndedError():
                    self.ended = "idle"
                case UnexpectedAnswerError():
                    self.ended = "unexpected answer"
                case _:
                    self.ended = "helper exited"
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
        """Close all sessions; return whether there was one."""
        was_open = bool(self.all_open)
        await self._close_all()
        self.ended = ""
        self._notify(None)
        return was_open

    async def close(self) -> None:
        """Close the sessions and stop watching them."""
        for watcher in self._watchers:
            watcher.cancel()
        await self._close_all()

    async def _close_all(self) -> None:
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()
