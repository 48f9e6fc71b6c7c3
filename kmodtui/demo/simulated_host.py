"""The simulated machine as the readers see it: a folder that changes and announces it."""

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
"""Takes a listener for uevents; returns what ends its listening."""


class SimulatedHost(LocalHost):
    """A simulated machine: reads like any folder, lives like a kernel."""

    def __init__(self, root: Path, subscribe: Subscribe, *, badge: str = "DEMO") -> None:
        """Read the machine below `root`, hearing its uevents through `subscribe`."""
        super().__init__(root, badge=badge)
        self._subscribe = subscribe

    @property
    def live(self) -> bool:
        """It changes by itself."""
        return True

    def uevents(self) -> UeventSource:
        """Return a source of the simulated kernel's module uevents, from now on."""
        return SimulatedUevents(self._subscribe)

    def kernel_log(self) -> KernelLog:
        """Refuse, as Debian's kernel does to everyone but root: the helper reads the log."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), KMSG)


class SimulatedUevents:
    """Module uevents of a simulated kernel, which may run in another thread."""

    def __init__(self, subscribe: Subscribe) -> None:
        self._loop = asyncio.get_running_loop()
        self._received: deque[ModuleUevent] = deque()  # its methods are safe between threads
        self._sequence = 0
        self._something = asyncio.Event()
        self._unsubscribe = subscribe(self._receive)

    @property
    def sequence(self) -> int:
        """The number of the last uevent that was received."""
        return self._sequence

    def drain(self) -> tuple[ModuleUevent, ...]:
        """Return what has been received since the last call, without waiting."""
        events = []
        while self._received:
            events.append(self._received.popleft())
        return tuple(events)

    async def wait(self) -> tuple[ModuleUevent, ...]:
        """Return what has happened since the last call; wait until something has."""
        while not (events := self.drain()):
            await self._something.wait()
            self._something.clear()
        return events

    def close(self) -> None:
        """Receive nothing any more."""
        self._unsubscribe()

    def _receive(self, event: ModuleUevent) -> None:
        self._received.append(event)
        self._sequence = event.sequence
        # A loop that has ended has nobody left to wake.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._something.set)
