"""Follows the kernel log while a module is watched, and finds oopses and warnings in it.

Where only root may read the log, it is read through the helper once that runs. Until then, only
the records that arrive during a load are seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.source_line import read_source_line
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.trouble import Trouble, TroubleReader
from kmodtui.model.watch.state import FoundTrouble
from kmodtui.services.kernel_log import AT_ONCE, HiddenLogError, directly, open_log, through_helper
from kmodtui.services.machine import Machine

_REST = 0.5
"""Seconds after which a report that has begun is taken as complete."""

_AGAIN = 1.0

log = logging.getLogger("kmodtui")


class TroubleWatch:
    """Reports oopses and warnings that are logged from now on, each once."""

    def __init__(
        self,
        machine: Machine,
        found: Callable[[Trouble], None],
        followed: Callable[[bool], None],
    ) -> None:
        """Call `found` with each, and `followed` when following the log begins or ends."""
        self._machine = machine
        self._found = found
        self._followed = followed
        self._reader = TroubleReader()
        self._seen = -1
        self._rest: asyncio.TimerHandle | None = None
        self._follows = False
        self._tried = asyncio.Event()  # set when the helper may be running now

    async def follow(self) -> None:
        """Follow the log until cancelled."""
        while True:
            try:
                if await self._follow_once():
                    continue
            except KmodtuiError as error:
                log.info("the kernel log is not followed any more: %s", error)
            self._set(follows=False)
            self._tried.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN):
                    await self._tried.wait()

    async def _follow_once(self) -> bool:
        """Follow the log to the end of its source; return whether there was one."""
        try:
            batches = directly(open_log(self._machine.host))
        except HiddenLogError as hidden:
            channel = self._machine.sessions.reading
            if not hidden.helps or channel is None:
                return False
            batches = through_helper(channel)
        async with aclosing(batches):
            async for batch in batches:
                if not batch.fresh and self._seen < 0:
                    self._seen = batch.records[-1].seq if batch.records else 0
                self._take(batch.records)
                if batch.fresh or len(batch.records) < AT_ONCE:
                    self._set(follows=True)
        return True

    def _set(self, *, follows: bool) -> None:
        if follows is not self._follows:
            self._follows = follows
            self._followed(follows)

    def take(self, records: Sequence[LogRecord]) -> None:
        """Take records that arrived during a load, unless the log is followed anyway.

        After a load, the helper runs, which may be able to read the log.
        """
        self._tried.set()
        if not self._follows:
            self._take(records)

    def _take(self, records: Sequence[LogRecord]) -> None:
        new = [record for record in records if record.seq > self._seen]
        if not new:
            return
        self._seen = new[-1].seq
        self._report(self._reader.take(new))
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._reader.is_open:
            loop = asyncio.get_running_loop()
            self._rest = loop.call_later(_REST, lambda: self._report(self._reader.end()))

    def _report(self, troubles: Sequence[Trouble]) -> None:
        for trouble in troubles:
            self._found(trouble)


def described(trouble: Trouble, name: str, taint: str) -> FoundTrouble:
    """Return a report with its place in a module, or else in the kernel.

    Args:
        trouble: the report.
        name: of the module.
        taint: the kernel's taint flags afterwards.
    """
    place = trouble.place_in(name) or next(iter(trouble.places), None)
    if place is None:
        return FoundTrouble(trouble, taint=taint)
    return FoundTrouble(trouble, str(place), place.source, taint)


def source_line(host: Host, path: str, name: str, trouble: Trouble) -> str:
    """Return the source line of a report, from the debug information of a module file.

    Empty if the file has none, or the report is not about the module. Reads the file.
    """
    place = trouble.place_in(name)
    if place is None:
        return ""
    try:
        return read_source_line(host, path, place.symbol, place.offset)
    except KmodtuiError:
        return ""
