"""What uses the loaded modules, read again when something that shows it may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kmodtui.model.usage import NO_USAGE, Usage
from kmodtui.services.machine import Machine
from kmodtui.services.topic import Topic


class LiveUsage:
    """The uses of all loaded modules, without open files: those take long to find.

    Attributes:
        now: the last reading.
        read: published when a reading differs from the one before.
    """

    def __init__(self, machine: Machine, failed: Callable[[BaseException], object]) -> None:
        """Prepare to read; `failed` is called with every failure."""
        self.now = NO_USAGE
        self.read: Topic[Usage] = Topic()
        self._machine = machine
        self._failed = failed
        self._due = asyncio.Event()

    def read_again(self) -> None:
        """Read again, because a reference count or something else has changed."""
        self._due.set()

    async def follow(self) -> None:
        """Read whenever it is due, until cancelled; whatever became due meanwhile, once."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                usage = await asyncio.to_thread(self._read)
                if usage != self.now:
                    self.now = usage
                    self.read.publish(usage)
            except Exception as error:
                self._failed(error)

    def _read(self) -> Usage:
        from kmodtui.kernel.proc_modules import read_modules
        from kmodtui.services.usage import usage_of

        names = tuple(read_modules(self._machine.host).by_name)
        return usage_of(self._machine.host, self._machine.index_now(), names, open_files=False)
