"""The drawer of the kernel's log in tests: opening it, and a machine whose log is everyone's."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from dataclasses import replace
from io import FileIO

from kmodtui.demo import Demo
from kmodtui.demo.simulated_host import SimulatedHost
from kmodtui.kernel.kmsg import KernelLog, Kmsg
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.root.demo import DemoRoot
from tests.ui.stage import Stage


class CountingRoot(DemoRoot):
    """Root in the demo; counts how often it was taken."""

    def __init__(self, demo: Demo) -> None:
        super().__init__(demo)
        self.opened = 0

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        self.opened += 1
        return await super().open(foreground, scope)


class OpenLog:
    """A log that everyone may read, to be written to.

    Keeps the bounds of a record as kmsg does, and gives each reader all records from the first on.
    """

    def __init__(self) -> None:
        self._kernels: list[socket.socket] = []  # one for each reader
        self._records: list[bytes] = []
        self.next = 100

    async def printk(self, *texts: str, level: int = 6) -> None:
        loop = asyncio.get_running_loop()
        for text in texts:
            record = f"{level},{self.next},{self.next * 1000},-;{text}\n SUBSYSTEM=x\n".encode()
            self.next += 1
            self._records.append(record)
            for kernel in tuple(self._kernels):
                try:
                    await loop.sock_sendall(kernel, record)
                except (BrokenPipeError, ConnectionResetError):  # that reader has closed it
                    self._kernels.remove(kernel)
                    kernel.close()

    def reader(self) -> KernelLog:
        ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kernel.setblocking(False)
        for record in self._records:
            kernel.send(record)
        self._kernels.append(kernel)
        ours.setblocking(False)
        return Kmsg(FileIO(ours.detach()))

    def close(self) -> None:
        """Let every reader find the end, as if the file were gone."""
        for kernel in self._kernels:
            kernel.close()
        self._kernels.clear()


class _Host(SimulatedHost):
    """A simulated machine whose log is there, or is refused in a way of its own."""

    log: OpenLog | None = None
    refusal = errno.ENOENT

    def kernel_log(self) -> KernelLog:
        if self.log is None:
            raise OSError(self.refusal, os.strerror(self.refusal), "/dev/kmsg")
        return self.log.reader()


def with_log(demo: Demo, log: OpenLog) -> Demo:
    """The same machine with a log that is read without help."""
    host = _Host(demo.host.root, demo.host._subscribe)
    host.log = log
    return replace(demo, host=host)


def without_log(demo: Demo, refusal: int) -> Demo:
    """The same machine where opening /dev/kmsg fails with this errno."""
    host = _Host(demo.host.root, demo.host._subscribe)
    host.refusal = refusal
    return replace(demo, host=host)


async def open_log(stage: Stage) -> None:
    """Open the drawer, and let the helper read."""
    await stage.press("L")
    await stage.until("Read the kernel log", "y read")
    await stage.press("y")
    await stage.until(lambda: "following" in state(stage))


def state(stage: Stage) -> str:
    """The last line of the drawer's frame."""
    return stage.part("#log")[-1] if stage.screen.query("#log") else ""


def lines(stage: Stage) -> list[str]:
    """The lines that are seen, without their scroll bar."""
    return [
        line.rstrip(" ▁▂▃▄▅▆▇█") for line in stage.part("#log-lines") if line.strip(" ▁▂▃▄▅▆▇█")
    ]


def texts(stage: Stage) -> list[str]:
    """Their texts: what stands behind time and level."""
    return [line[24:] for line in lines(stage)]


def fresh(stage: Stage) -> list[str]:
    """The texts of the lines that are marked as having come since the drawer was opened."""
    return [line[24:] for line in lines(stage) if line.startswith("●")]
