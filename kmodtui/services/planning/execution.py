"""The requests of a plan while it is carried out: their results, and what they have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kmodtui.errors import HelperDiedError, KmodtuiError
from kmodtui.model.log.record import LogRecord
from kmodtui.model.plan.plan import Plan, PlanCommand
from kmodtui.model.plan.undo import UndoEntry
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.privileged.session import LogSink
from kmodtui.services.machine import Machine
from kmodtui.services.planning.confirmed import checked
from kmodtui.services.planning.requests import Answered, requests
from kmodtui.services.planning.undo import Before, record_change

log = logging.getLogger("kmodtui")

_background: set[asyncio.Task[None]] = set()
"""Tasks that nobody awaits: the event loop itself does not keep a reference to a task."""


class Execution:
    """The requests of a plan, and their results so far."""

    def __init__(
        self,
        machine: Machine,
        plan: Plan,
        before: Before,
        undoes: UndoEntry | None,
        on_log: LogSink,
        on_result: Callable[[Result], None] | None = None,
    ) -> None:
        self.answered: Answered = []
        self.died: HelperDiedError | None = None
        self._machine = machine
        self._plan = plan
        self._before = before
        self._undoes = undoes
        self._on_log: LogSink | None = on_log
        self._on_result = on_result
        self._running: tuple[PlanCommand, asyncio.Task[Result]] | None = None

    def pass_log_on(self, record: LogRecord) -> None:
        """Pass a record of the kernel log on, unless the execution was left."""
        if self._on_log is not None:
            self._on_log(record)

    def begin(self, request: PlanCommand, asking: Coroutine[Any, Any, Result]) -> None:
        """Start a request."""
        self._running = (request, asyncio.create_task(asking))

    async def finish(self) -> bool:
        """Wait for the running request; return whether it did what was requested."""
        if self._running is None:
            return True
        request, asked = self._running
        # Cancelling the wait does not stop the kernel: the result is recorded nevertheless.
        result = await asyncio.shield(asked)
        if self.answered and result.code is ResultCode.ALREADY_LOADED:
            # An earlier request has loaded it, as intended.
            result = replace(result, ok=True, code=ResultCode.DONE)
        result = await asyncio.to_thread(checked, self._machine, request, result)
        if self._on_result is not None:
            self._on_result(result)
        if result.ok and request.verb is Verb.INSERT:
            await asyncio.to_thread(
                self._machine.origins.note_inserted,
                request.modules[0],
                request.names[0],
                request.sha256,
            )
        self.answered.append((request, result))
        self._running = None
        log.info("%s, exit %s, errno %s", result.code, result.exit, result.errno)
        return result.ok

    def continue_in_background(self, *, cancel: bool) -> None:
        """Let the running request end by itself; `cancel` it if it waits for a module."""
        self._on_log = None
        if self._running is not None:
            request = self._running[1]
            self._machine.abandoned.add(request)
            request.add_done_callback(self._machine.abandoned.discard)
            if cancel:
                request.cancel()
        task = asyncio.create_task(self._finish_in_background())
        _background.add(task)
        task.add_done_callback(_background.discard)

    async def _finish_in_background(self) -> None:
        # However it ends, what the kernel shows then is recorded.
        with suppress(KmodtuiError, asyncio.CancelledError):
            await self.finish()
        with suppress(KmodtuiError):
            await self.record()

    async def record(self) -> None:
        """Record what has changed, or that a change was undone."""
        if self._undoes is None:
            ended = self._running is None
            await asyncio.to_thread(
                record_change, self._machine, self._plan, self._before, self.answered, ended=ended
            )
        elif len(self.answered) == len(requests(self._plan)) and all(
            result.ok for _, result in self.answered
        ):
            self._machine.done.remove(self._undoes)
