"""The unprivileged side of a session with the helper: its start, answers, and its end.

It works over a `Transport` of lines: the socket of a real helper (see
`privileged.elevation`) or a simulated kernel that answers the same lines. Nothing here
blocks the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Self

from kmodtui.errors import (
    HelperDiedError,
    HelperError,
    HelperVersionError,
    RootSessionEndedError,
    UnexpectedAnswerError,
)
from kmodtui.model.log.record import LogRecord
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.text import clean
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
from kmodtui.privileged.transport import Transport

log = logging.getLogger("kmodtui")

START_TIME = 30.0
"""Seconds from the start of a helper to its hello, at most."""

LogSink = Callable[[LogRecord], None]
"""Called on the event loop with each record of the kernel log as it arrives."""

_LONGEST_ID = 2**53 - 1
_LAST_WORDS = 0.5  # seconds to read what the helper has written before it ended

# PAM modules and shell profiles may print before the helper does.
_NOISE_LINES = 200


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a session.

    Attributes:
        why: the reason.
        told: whether somebody knows already: a request was waiting, or the session was closed.
    """

    why: HelperError
    told: bool


@dataclass
class _Pending:
    """A request without a result yet; what arrives for a cancelled one is dropped."""

    result: asyncio.Future[Result]
    on_log: LogSink | None
    keeps_log: bool
    log: list[LogRecord] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    def take(self, progress: Progress) -> None:
        """Keep what arrived, and pass a log record on."""
        if progress.log is None:
            self.data.append(progress.data)
            return
        if self.keeps_log:
            self.log.append(progress.log)
        if self.on_log is not None:
            self.on_log(progress.log)


class HelperSession:
    """A session with a helper that has said hello. `HelperClient` has the requests.

    Its end raises HelperDiedError in every request that waits for a result.
    """

    def __init__(self, transport: Transport, hello: Hello, via: str) -> None:
        self._transport = transport
        self._hello = hello
        self._via = via
        self._ids = count(1)
        self._answers = count(1)
        self._pending: dict[int, _Pending] = {}
        self._end: HelperError | None = None
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(), name="helper session")

    @classmethod
    async def connect(cls, transport: Transport, via: str, *, within: float = START_TIME) -> Self:
        """Return the session once the helper has said hello.

        Args:
            transport: lines to and from the helper; closed if this fails.
            via: how the helper became root, in a word: `sudo`, `root`, `demo`.
            within: seconds until the hello must arrive.

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
                f"The privileged helper did not start within {within:.0f} seconds."
            ) from None
        except BaseException:
            await transport.close()
            raise
        if hello.protocol != PROTOCOL:
            await transport.close()
            raise HelperVersionError(
                f"The privileged helper has version {clean(hello.version)} and speaks protocol "
                f"{hello.protocol}; this kmodtui speaks {PROTOCOL}.",
                "Install the helper of this version: kmodtui helper install.",
            )
        return cls(transport, hello, via)

    @property
    def hello(self) -> Hello:
        """Version and operations of the helper."""
        return self._hello

    @property
    def via(self) -> str:
        """How the helper became root, in a word: `sudo`, `root`, `demo`."""
        return self._via

    @property
    def alive(self) -> bool:
        """Whether requests can still be made."""
        return self._end is None

    async def closed(self) -> Ended:
        """Return once the session has ended, for whatever reason."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Drop privileges: the helper ends, and running requests fail with HelperDiedError.

        May be called twice.
        """
        closed = HelperDiedError("The session with the privileged helper was closed.")
        self._finish(closed, told=True)
        if self._reader is not asyncio.current_task():
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._transport.close()

    def _require(self, operation: str, what: str) -> None:
        if operation not in self._hello.operations:
            raise HelperVersionError(
                f"The privileged helper has version {clean(self._hello.version)}, which cannot "
                f"{what}.",
                "Install the helper of this version: kmodtui helper install.",
            )

    async def _ask(self, operation: str, on_log: LogSink | None = None, **fields: Any) -> Result:
        if self._end is not None:
            raise self._end
        if len(encode_request(_LONGEST_ID, operation, **fields)) > MAX_REQUEST:
            message = "The request is longer than the helper accepts."
            return Result(False, ResultCode.INVALID, message, errno.EMSGSIZE)
        number = next(self._ids)  # without gaps, which the helper would notice
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        follows = fields.get("follow", False)
        self._pending[number] = _Pending(result, on_log, keeps_log=not follows)
        try:
            try:
                await self._transport.send(encode_request(number, operation, **fields))
            except OSError:
                # It may have said why it ends.
                await asyncio.wait({self._reader}, timeout=_LAST_WORDS)
                self._finish(self._death())
            return await result
        except BaseException:
            result.cancel()
            await self._stop(number)
            raise

    async def _stop(self, request: int) -> None:
        """Have the helper not begin a request that was cancelled; its result is dropped."""
        if self._end is None:
            number = next(self._ids)
            result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            result.cancel()
            self._pending[number] = _Pending(result, None, keeps_log=False)
            with contextlib.suppress(OSError):
                await self._transport.send(encode_request(number, "stop", request=request))

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
            # Nothing reads any more: a pending request would wait forever.
            log.exception("helper session")
            why = clean(repr(error))
            self._finish(HelperError(f"The helper's answers could not be read: {why}"))
            await self._transport.close()

    def _take(self, line: bytes) -> None:
        answer = decode_answer(line)
        if isinstance(answer, Hello):
            raise UnexpectedAnswerError("a second hello")
        if answer.serial != (expected := next(self._answers)):
            raise UnexpectedAnswerError(f"answer {answer.serial} instead of {expected}")
        if isinstance(answer, Bye):
            raise _goodbye(answer)
        if isinstance(answer, Finished) and answer.id == 0:
            # Every request has an id: which one this answers is unknown.
            reason = clean(answer.result.message)
            raise UnexpectedAnswerError(f"a request that it could not read ({reason})")
        pending = self._pending.get(answer.id)
        if pending is None:
            raise UnexpectedAnswerError(f"an answer to request {answer.id}")
        if isinstance(answer, Finished):
            del self._pending[answer.id]
        if pending.result.done():
            return
        if isinstance(answer, Progress):
            try:
                pending.take(answer)
            except Exception as error:
                # A mistake of this request's caller must not end the session of others.
                pending.result.set_exception(error)
        else:
            log, data = tuple(pending.log), b"".join(pending.data)
            pending.result.set_result(replace(answer.result, log=log, data=data))

    @property
    def _awaited(self) -> bool:
        """Whether a request waits for its result; following the log does not count."""
        return any(p.keeps_log and not p.result.done() for p in self._pending.values())

    def _death(self) -> HelperDiedError:
        words = clean(self._transport.stderr_text.strip().rsplit("\n", 1)[-1])
        if self._awaited:
            silent = "without an answer."
            hint = "The request may or may not have taken effect; the kernel is being read again."
        else:
            silent = "unexpectedly."
            hint = "The next change starts the helper again."
        end = f"The privileged helper has ended {f'and last printed: {words}' if words else silent}"
        return HelperDiedError(end, hint)

    def _finish(self, error: HelperError, *, told: bool = False) -> None:
        if self._end is None:
            self._end = error
            self._ended.set_result(Ended(error, told or self._awaited))
        for pending in self._pending.values():
            if not pending.result.done():
                pending.result.set_exception(self._end)


def _goodbye(bye: Bye) -> HelperDiedError:
    if bye.reason == "idle":
        return RootSessionEndedError(
            "Privileges were dropped because the helper had no request for a while.",
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
    words = clean(transport.stderr_text.strip().rsplit("\n", 1)[-1])
    raise HelperDiedError(
        "The privileged helper did not start" + (f": {words}" if words else "."),
        "It runs under the system's Python 3.9 or later.",
    )
