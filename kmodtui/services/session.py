"""The session with root: opened for whoever needs it first, and followed until it ends.

Takes a way to root, gives the session, and tells everybody who looks of its beginning
and its end. Whatever asks the helper for something gets its session here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from kmodtui.errors import HelperError, RootGivenUpError
from kmodtui.privileged.channel import HelperChannel
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.root import RootAccess


class RootSession:
    """The one session with root of a machine, or none."""

    def __init__(self, root: RootAccess) -> None:
        self._root = root
        self._channel: HelperChannel | None = None
        # Two who need it at the same moment are asked for one password.
        self._opening = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._lookers: set[asyncio.Queue[HelperError | None]] = set()
        self.ended = ""
        """Why the last one has ended, in a word: `idle`, or `ended`; empty if D ended it."""

    @property
    def channel(self) -> HelperChannel | None:
        """The session that stands; None if there is none."""
        channel = self._channel
        return channel if channel is not None and channel.alive else None

    async def open(self, foreground: Foreground, idle_minutes: int | None) -> HelperChannel:
        """Return the session, opening one if there is none.

        Args:
            foreground: gives the terminal to whoever asks for a password.
            idle_minutes: after how long without a request root is given up; as the helper
                has it if not told.

        Raises:
            KmodtuiError: root was not to be had; the message says why.
        """
        async with self._opening:
            if (channel := self.channel) is None:
                channel = await self._root.open(foreground)
                self._channel = channel
                self.ended = ""
                self._follower = asyncio.create_task(self._follow(channel))
                self._tell(None)
                if idle_minutes is not None:
                    await channel.set_idle(60.0 * idle_minutes)
            return channel

    async def _follow(self, channel: HelperChannel) -> None:
        """Tell of a session's end, by whomever."""
        end = await channel.closed()
        if self._channel is channel:
            self._channel = None
            self.ended = "idle" if isinstance(end.why, RootGivenUpError) else "ended"
        self._tell(None if end.told else end.why)
        await channel.close()

    async def changes(self) -> AsyncIterator[HelperError | None]:
        """Yield at each beginning and each end from now on; never ends by itself.

        What comes is why it has ended, where nobody has been told of it who was waiting
        for an answer; else None.
        """
        news: asyncio.Queue[HelperError | None] = asyncio.Queue()
        self._lookers.add(news)
        try:
            while True:
                yield await news.get()
        finally:
            self._lookers.discard(news)

    def _tell(self, why: HelperError | None) -> None:
        for looker in self._lookers:
            looker.put_nowait(why)

    async def give_up(self) -> bool:
        """End the session; return whether there was one."""
        channel, self._channel = self.channel, None
        self.ended = ""
        if channel is None:
            self._tell(None)
            return False
        await channel.close()
        self._tell(None)
        return True

    async def close(self) -> None:
        """End the session, and follow none any more."""
        channel, self._channel = self._channel, None
        if self._follower is not None:
            self._follower.cancel()
        if channel is not None:
            await channel.close()
