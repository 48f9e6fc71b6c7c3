"""A transport for the event loop over the socket between kmodtui and a helper process.

The process may be the helper itself, or a sudo that exits and leaves its standard input and
output to the helper. So only the end of the stream shows that the helper has exited.

The two ends of a socket differ, those of a pipe do not: whoever opens /proc/PID/fd/0 of a process
that only passes a pipe on, such as run0, can write requests to it. A socket cannot be opened
there, and what is written to the helper's end comes to kmodtui.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kmodtui.errors import HelperError
from kmodtui.privileged.protocol import MAX_LINE

_MAX_STDERR = 8 * 1024  # bytes
_EXIT_TIMEOUT = 2.0  # seconds that the helper has to exit after its input is closed


@dataclass
class Process:
    """A process and this side of its standard input and output, not yet in an event loop."""

    popen: subprocess.Popen[bytes]
    channel: socket.socket

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        own_session: bool = False,
        own_group: bool = False,
    ) -> Process:
        """Start `command`.

        Args:
            command: the program and its arguments.
            environment: its environment; None for this process's.
            own_session: start it in a session of its own, without a controlling terminal.
            own_group: start it in a process group of its own, which the terminal's signals
                do not reach.

        Raises:
            OSError: it cannot be started.
        """
        here, there = socket.socketpair()
        with there:
            try:
                popen = subprocess.Popen(
                    list(command),
                    bufsize=0,
                    stdin=there.fileno(),
                    stdout=there.fileno(),
                    stderr=subprocess.PIPE,
                    env=environment,
                    start_new_session=own_session,
                    process_group=0 if own_group else None,
                )
            except BaseException:
                here.close()
                raise
        return cls(popen, here)

    def discard(self) -> None:
        """Close the connection to a process that has failed."""
        assert self.popen.stderr is not None
        self.popen.stderr.close()
        self.channel.close()


class _Protocol(asyncio.StreamReaderProtocol):
    """Takes the loss of the connection as its end, so that what the helper wrote last is read.

    A helper that ends without having read everything resets the connection.
    """

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Report the end of the stream."""
        super().connection_lost(None)


class SocketTransport:
    """A `Transport` over the socket of a process."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        errors: asyncio.StreamReader,
        errors_transport: asyncio.BaseTransport,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._stderr = b""
        self._closing: asyncio.Task[None] | None = None
        self._errors_transport = errors_transport
        self._stderr_reader = asyncio.create_task(self._read_stderr(errors), name="helper stderr")

    @classmethod
    async def over(cls, process: Process) -> SocketTransport:
        """Return a transport, which owns the connection to `process` from now on."""
        loop = asyncio.get_running_loop()
        errors = asyncio.StreamReader()
        errors_transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(errors), process.popen.stderr
        )
        reader = asyncio.StreamReader(limit=MAX_LINE)
        transport, protocol = await loop.create_unix_connection(
            lambda: _Protocol(reader), sock=process.channel
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return cls(process, reader, writer, errors, errors_transport)

    async def send(self, line: bytes) -> None:
        """Send a line; OSError if the other side has gone."""
        self._writer.write(line)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """Return the next line; empty bytes once the other side has gone.

        Raises:
            HelperError: a line is longer than the protocol allows.
        """
        try:
            return await self._reader.readline()
        except ValueError:
            raise HelperError("The privileged helper sent a line that is too long.") from None

    async def close(self) -> None:
        """Close the helper's input and wait at most a few seconds until it has exited."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="closing the helper")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError, OSError, ValueError):
            self._writer.write_eof()
            async with asyncio.timeout(_EXIT_TIMEOUT):
                while await self._reader.read(MAX_LINE):
                    pass
        self._stderr_reader.cancel()
        self._errors_transport.close()
        self._writer.close()
        # Reap the process if it has exited; if it hangs, nothing more can be done.
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.popen.wait, _EXIT_TIMEOUT)

    @property
    def stderr_text(self) -> str:
        """The last part of the process's standard error."""
        return os.fsdecode(self._stderr).encode("utf-8", "backslashreplace").decode("utf-8")

    async def _read_stderr(self, errors: asyncio.StreamReader) -> None:
        while data := await errors.read(4096):
            self._stderr = (self._stderr + data)[-_MAX_STDERR:]
