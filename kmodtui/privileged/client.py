"""The unprivileged side of a helper session: asks, streams, and notices when the helper dies.

Everything that changes the kernel goes through a `HelperChannel`. There is one
implementation, `HelperClient`, over a `Transport` of lines: the pipes of a real
helper (see `privileged.elevation`) or a simulated kernel that answers the same
lines. Nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol

from kmodtui.errors import (
    HelperDiedError,
    HelperError,
    HelperVersionError,
    RootGivenUpError,
)
from kmodtui.model.log_record import LogRecord
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.text import clean
from kmodtui.privileged.channel import Ended, HelperChannel, LogSink
from kmodtui.privileged.protocol import (
    MAX_REQUEST,
    PROTOCOL,
    Bye,
    Finished,
    Hello,
    Progress,
    decode_answer,
    encode_request,
)

__all__ = ["START_TIME", "HelperChannel", "HelperClient", "LogSink", "Transport"]

log = logging.getLogger("kmodtui")

START_TIME = 30.0
"""Seconds that a helper has from being started to its hello."""

# PAM modules and shells' profiles may print before the helper has its say.
_NOISE_LINES = 200


class Transport(Protocol):
    """Lines to and from a helper, each a JSON object with its newline."""

    async def send(self, line: bytes) -> None:
        """Hand one line over.

        Raises:
            OSError: the other side is gone.
        """
        ...

    async def receive(self) -> bytes:
        """Return the next line with its newline; empty bytes once the other side is gone."""
        ...

    async def close(self) -> None:
        """End the session and wait until the other side has gone. May be called twice."""
        ...

    @property
    def last_words(self) -> str:
        """What the other side wrote beside the protocol (stderr), to tell why it died."""
        ...


@dataclass
class _Pending:
    """A request that has no result yet."""

    answer: asyncio.Future[Result]
    on_log: LogSink | None
    keeps_log: bool
    log: list[LogRecord] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    def take(self, progress: Progress) -> None:
        """Keep what came, and hand a log record to whoever waits for it."""
        if progress.log is None:
            self.data.append(progress.data)
            return
        if self.keeps_log:
            self.log.append(progress.log)
        if self.on_log is not None:
            self.on_log(progress.log)


class HelperClient:
    """A session with a helper that has said hello."""

    def __init__(self, transport: Transport, hello: Hello, via: str) -> None:
        self._transport = transport
        self._hello = hello
        self._via = via
        self._ids = count(1)
        self._pending: dict[int, _Pending] = {}
        self._end: HelperError | None = None
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(), name="helper session")

    @classmethod
    async def connect(
        cls, transport: Transport, via: str, *, within: float = START_TIME
    ) -> HelperClient:
        """Return the session once the helper has said hello.

        Args:
            transport: lines to and from the helper; closed again if this fails.
            via: how root was had, in a word.
            within: seconds until the hello must have come.

        Raises:
            HelperDiedError: it ended, or said nothing in time.
            HelperVersionError: it speaks another version of the protocol.
        """
        try:
            async with asyncio.timeout(within):
                hello = await _hello(transport)
        except TimeoutError:
            await transport.close()
            raise HelperDiedError(
                f"The privileged helper said nothing within {within:.0f} seconds."
            ) from None
        except BaseException:
            await transport.close()
            raise
        if hello.protocol != PROTOCOL:
            await transport.close()
            raise HelperVersionError(
                f"The privileged helper is version {clean(hello.version)} and speaks protocol "
                f"{hello.protocol}; this kmodtui speaks {PROTOCOL}.",
                "Install the helper of this version: kmodtui helper install.",
            )
        return cls(transport, hello, via)

    @property
    def hello(self) -> Hello:
        """Who answers, and what it can do."""
        return self._hello

    @property
    def via(self) -> str:
        """How root was had, in a word."""
        return self._via

    @property
    def alive(self) -> bool:
        """Whether requests can still be made."""
        return self._end is None

    async def load(
        self, name: str, parameters: Sequence[str] = (), on_log: LogSink | None = None
    ) -> Result:
        """Load a module by name; see `HelperChannel.load`."""
        return await self._ask("load", on_log, name=name, parameters=list(parameters))

    async def insert(
        self,
        name: str,
        path: str,
        sha256: str,
        parameters: Sequence[str] = (),
        on_log: LogSink | None = None,
    ) -> Result:
        """Insert a module file; see `HelperChannel.insert`."""
        return await self._ask(
            "insert", on_log, name=name, path=path, sha256=sha256, parameters=list(parameters)
        )

    async def unload(
        self, names: Sequence[str], on_log: LogSink | None = None, *, wait: float = 0.0
    ) -> Result:
        """Unload modules in this order; see `HelperChannel.unload`."""
        return await self._ask("unload", on_log, names=list(names), wait=wait)

    async def reload(
        self,
        name: str,
        parameters: Sequence[str] = (),
        on_log: LogSink | None = None,
        *,
        wait: float = 0.0,
    ) -> Result:
        """Unload a module and load it again; see `HelperChannel.reload`."""
        return await self._ask("reload", on_log, name=name, parameters=list(parameters), wait=wait)

    async def write_parameter(self, name: str, parameter: str, value: str) -> Result:
        """Write a parameter; see `HelperChannel.write_parameter`."""
        return await self._ask("write-parameter", name=name, parameter=parameter, value=value)

    async def blacklist(self, names: Sequence[str]) -> Result:
        """Put modules on the blacklist; see `HelperChannel.blacklist`."""
        return await self._ask("blacklist", names=list(names))

    async def unblacklist(self, names: Sequence[str]) -> Result:
        """Take modules off it; see `HelperChannel.unblacklist`."""
        return await self._ask("unblacklist", names=list(names))

    async def kallsyms(self) -> Result:
        """Read /proc/kallsyms; see `HelperChannel.kallsyms`."""
        return await self._ask("kallsyms")

    async def read_log(self) -> Result:
        """Read the kernel's log; see `HelperChannel.read_log`."""
        return await self._ask("log", follow=False)

    async def follow_log(self, on_log: LogSink) -> Result:
        """Follow the kernel's log; see `HelperChannel.follow_log`."""
        return await self._ask("log", on_log, follow=True)

    async def set_idle(self, seconds: float) -> Result:
        """Set the time without requests; see `HelperChannel.set_idle`."""
        return await self._ask("idle", seconds=seconds)

    async def closed(self) -> Ended:
        """Return once the session has ended, by whomever."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Give root up: requests under way fail with HelperDiedError."""
        closed = HelperDiedError("The session with the privileged helper was closed.")
        self._finish(closed, told=True)
        if self._reader is not asyncio.current_task():
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._transport.close()

    async def _ask(self, operation: str, on_log: LogSink | None = None, **fields: Any) -> Result:
        if self._end is not None:
            raise self._end
        number = next(self._ids)
        line = encode_request(number, operation, **fields)
        if len(line) > MAX_REQUEST:
            message = "There is more in this request than the helper takes at once."
            return Result(False, ResultCode.INVALID, message, errno.EMSGSIZE)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        follows = fields.get("follow", False)
        self._pending[number] = _Pending(answer, on_log, keeps_log=not follows)
        try:
            try:
                await self._transport.send(line)
            except OSError:
                self._finish(self._death())
            return await answer
        except BaseException:
            await self._stop(number)
            raise
        finally:
            # Also when the person has stopped waiting: what comes later is dropped.
            self._pending.pop(number, None)

    async def _stop(self, request: int) -> None:
        """Have the helper not begin what nobody waits for any more; its answer is dropped."""
        if self._end is None:
            with contextlib.suppress(OSError):
                line = encode_request(next(self._ids), "stop", request=request)
                await self._transport.send(line)

    async def _read(self) -> None:
        try:
            while line := await self._transport.receive():
                self._take(line)
            self._finish(self._death())
        except HelperError as error:
            self._finish(error)
            await self._transport.close()
        except OSError:
            self._finish(self._death())
        except Exception as error:
            # Nobody reads any more: who waits for an answer would wait for ever.
            log.exception("helper session")
            why = clean(repr(error))
            self._finish(HelperError(f"The helper's answers could not be read: {why}"))
            await self._transport.close()

    def _take(self, line: bytes) -> None:
        answer = decode_answer(line)
        if isinstance(answer, Bye):
            raise _goodbye(answer)
        if isinstance(answer, Hello):
            raise HelperError("The privileged helper said hello in the middle of a session.")
        if isinstance(answer, Finished) and answer.id == 0:
            # Every request that is sent has an id: whose answer this is cannot be known.
            told = clean(answer.result.message)
            raise HelperError(f"The privileged helper could not read a request: {told}")
        pending = self._pending.get(answer.id)
        if pending is None or pending.answer.done():
            return
        if isinstance(answer, Progress):
            try:
                pending.take(answer)
            except Exception as error:
                # It is the asker's mistake, and must not end the session of others.
                pending.answer.set_exception(error)
        elif isinstance(answer, Finished):
            log, data = tuple(pending.log), b"".join(pending.data)
            pending.answer.set_result(replace(answer.result, log=log, data=data))

    @property
    def _awaited(self) -> bool:
        """Whether somebody waits for the result of a request; a log that is followed has none."""
        return any(p.keeps_log and not p.answer.done() for p in self._pending.values())

    def _death(self) -> HelperDiedError:
        words = clean(self._transport.last_words.strip().rsplit("\n", 1)[-1])
        if self._awaited:
            silent = "without an answer."
            hint = "What it was doing may or may not have happened; the kernel is being read again."
        else:
            silent = "though nobody has told it to."
            hint = "The next change starts the helper again."
        return HelperDiedError(
            f"The privileged helper has ended {f'and said last: {words}' if words else silent}",
            hint,
        )

    def _finish(self, error: HelperError, *, told: bool = False) -> None:
        if self._end is None:
            self._end = error
            self._ended.set_result(Ended(error, told or self._awaited))
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(self._end)


def _goodbye(bye: Bye) -> HelperDiedError:
    if bye.reason == "idle":
        return RootGivenUpError(
            "Root was given up, because nothing was asked of the helper for a while.",
            "The next change starts the helper again.",
        )
    return HelperDiedError(f"The privileged helper has ended: {clean(bye.message)}")


async def _hello(transport: Transport) -> Hello:
    for _ in range(_NOISE_LINES):
        line = await transport.receive()
        if not line:
            break
        if not line.lstrip().startswith(b"{"):
            continue
        answer = decode_answer(line)
        if isinstance(answer, Hello):
            return answer
        if isinstance(answer, Bye):
            raise _goodbye(answer)
        break
    words = clean(transport.last_words.strip().rsplit("\n", 1)[-1])
    raise HelperDiedError(
        "The privileged helper did not start" + (f": {words}" if words else "."),
        "It runs under the system's Python 3.9 or later.",
    )
