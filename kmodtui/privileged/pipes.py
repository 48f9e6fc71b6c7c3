"""Lines over the pipes of a helper process, for the event loop.

The process may be a helper, or a sudo that has gone to the background and left
the pipes with the helper it started. So it is the pipes that tell whether the
helper lives, never the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kmodtui.errors import HelperError
from kmodtui.privileged.protocol import MAX_LINE

_WORDS_KEPT = 8 * 1024
_FAREWELL = 2.0  # seconds that a helper has to end once its input has closed


@dataclass
class Process:
    """A process that was started with three pipes, not yet tied to an event loop."""

    popen: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        own_session: bool = False,
        own_group: bool = False,
    ) -> Process:
        """Start `command`; own_session takes the terminal from it, own_group only its signals.

        Raises:
            OSError: it cannot be started.
        """
        pipe = subprocess.PIPE
        return cls(
            subprocess.Popen(
                list(command),
                bufsize=0,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                start_new_session=own_session,
                process_group=0 if own_group else None,
            )
        )

    def discard(self) -> None:
        """Close the pipes of a process that has ended and is of no use."""
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            assert pipe is not None
            pipe.close()


class PipeTransport:
    """A `Transport` over the pipes of a process."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        errors: asyncio.StreamReader,
        transports: Sequence[asyncio.BaseTransport],
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._words = b""
        self._closing: asyncio.Task[None] | None = None
        self._transports = transports
        self._listening = asyncio.create_task(self._listen(errors), name="helper stderr")

    @classmethod
    async def over(cls, process: Process) -> PipeTransport:
        """Return the transport; the pipes belong to it from now on."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_LINE)
        errors = asyncio.StreamReader()
        popen = process.popen
        out, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), popen.stdout
        )
        err, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(errors), popen.stderr
        )
        into, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), popen.stdin
        )
        writer = asyncio.StreamWriter(into, protocol, None, loop)
        return cls(process, reader, writer, errors, (out, err, into))

    async def send(self, line: bytes) -> None:
        """Hand one line over; OSError if the other side is gone."""
        self._writer.write(line)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """Return the next line; empty bytes once the other side is gone.

        Raises:
            HelperError: a line is longer than the protocol allows.
        """
        try:
            return await self._reader.readline()
        except ValueError:
            raise HelperError("The privileged helper sent a line without an end.") from None

    async def close(self) -> None:
        """Close the helper's input and wait a moment for its end."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="closing the helper")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._writer.close()
        with contextlib.suppress(TimeoutError, OSError, ValueError):
            async with asyncio.timeout(_FAREWELL):
                while await self._reader.read(MAX_LINE):
                    pass
        self._listening.cancel()
        for transport in self._transports:
            transport.close()
        # It is at its end or hopeless by now; a zombie is not left in either case.
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.popen.wait, _FAREWELL)

    @property
    def last_words(self) -> str:
        """The end of what came on standard error."""
        return os.fsdecode(self._words).encode("utf-8", "backslashreplace").decode("utf-8")

    async def _listen(self, errors: asyncio.StreamReader) -> None:
        while data := await errors.read(4096):
            self._words = (self._words + data)[-_WORDS_KEPT:]
