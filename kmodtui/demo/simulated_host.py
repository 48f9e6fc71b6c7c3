"""The host of the simulated machine: a directory that changes, and uevents that announce it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kmsg import PATH as KMSG
from kmodtui.kernel.kmsg import KernelLog
from kmodtui.kernel.uevents import ModuleUevent, UeventSource

Subscribe = Callable[[Callable[[ModuleUevent], None]], Callable[[], None]]
"""Adds a listener for uevents; returns a function that removes it."""


class SimulatedHost(LocalHost):
    """A simulated machine: its files are in a directory, its uevents are simulated."""

    def __init__(self, root: Path, subscribe: Subscribe, *, badge: str = "DEMO") -> None:
        """Read the machine's files below `root`, and receive its uevents from `subscribe`."""
        super().__init__(root, badge=badge)
        self._subscribe = subscribe

    @property
    def live(self) -> bool:
        """True: it changes while it is observed."""
        return True

    def uevents(self) -> UeventSource:
        """Return a source of the simulated kernel's module uevents, starting now."""
        return SimulatedUevents(self._subscribe)

    def kernel_log(self) -> KernelLog:
        """Raise PermissionError, as on Debian without root privileges: the helper reads the log."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), KMSG)


class SimulatedUevents:
    """Module uevents of a simulated kernel, which may run in another thread."""

    def __init__(self, subscribe: Subscribe) -> None:
        self._loop = asyncio.get_running_loop()
        self._received: deque[ModuleUevent] = deque()  # its methods are thread-safe
        self._sequence = 0
        self._available = asyncio.Event()
        self._unsubscribe = subscribe(self._receive)

    @property
    def sequence(self) -> int:
        """Sequence number of the last uevent that was received."""
        return self._sequence

    def drain(self) -> tuple[ModuleUevent, ...]:
        """Return the uevents since the last call, without waiting."""
        events = []
        while self._received:
            events.append(self._received.popleft())
        return tuple(events)

    async def wait(self) -> tuple[ModuleUevent, ...]:
        """Return the uevents since the last call; wait if there are none."""
        while not (events := self.drain()):
            await self._available.wait()
            self._available.clear()
        return events

    def close(self) -> None:
        """Stop receiving uevents."""
        self._unsubscribe()

    def _receive(self, event: ModuleUevent) -> None:
        self._received.append(event)
        self._sequence = event.sequence
        # A loop that has ended has nobody left to wake.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._available.set)
