"""The timeline as it happens: the events of the dashboard without a dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.history import Event, Totals
from kmodtui.model.timeline.event import TimelineEvent
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Changed, Monitor, ReadingFailed, SymbolsRead, TableRead
from kmodtui.services.root.access import NoRoot
from kmodtui.services.seen import note_seen
from kmodtui.services.timeline.live_events import LiveEvents

Item = TimelineEvent | KmodtuiError


async def timeline_events(
    host: Host,
    *,
    interval: float = 1.0,
    with_start: bool = False,
    started: asyncio.Event | None = None,
) -> AsyncIterator[Item]:
    """Yield each event without end, and the reason where something cannot be read.

    Args:
        host: the system.
        interval: seconds between two readings where the kernel sends no events.
        with_start: whether the first event lists the modules of the start.
        started: set once everything that happens is noticed.
    """
    stream = _Stream(host, interval)
    working = asyncio.create_task(stream.run(with_start=with_start, started=started))
    working.add_done_callback(lambda _: stream.items.put_nowait(None))
    try:
        while (item := await stream.items.get()) is not None:
            yield item
        working.result()  # it ends only because of an error
    finally:
        working.cancel()
        await asyncio.wait({working})


class _Stream:
    """Follows a host, and queues what it reports."""

    def __init__(self, host: Host, interval: float) -> None:
        self.items: asyncio.Queue[Item | None] = asyncio.Queue()
        self._machine = Machine(host, NoRoot("Events are only read."))
        self._monitor = Monitor(host, interval=interval)
        self._interval = interval
        self._live = LiveEvents(self._machine, self._failed)
        self._live.added.subscribe(self._add)
        self._seen: set[str] = set()

    def _add(self, events: Iterable[TimelineEvent]) -> None:
        for event in events:
            self.items.put_nowait(event)

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, KmodtuiError):
            raise error
        self.items.put_nowait(error)

    async def run(self, *, with_start: bool, started: asyncio.Event | None) -> None:
        """Follow the host until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            following = False
            async for event in self._monitor.watch():
                match event:
                    case Changed():
                        totals = Totals.of(event.table, event.symbols)
                        await self._live.take_change(Event(event.change, totals), event.table)
                        await self._note_seen({*event.table.by_name, *event.change.cycles})
                    case ReadingFailed():
                        self.items.put_nowait(event.error)
                    case TableRead():
                        self._live.take_table(event.table)
                        await self._note_seen(event.table.by_name)
                        continue
                    case SymbolsRead():
                        pass
                if not following:
                    following = True
                    if with_start:
                        symbols = event.symbols if isinstance(event, SymbolsRead) else None
                        self._live.start(self._live.table, symbols)
                    tasks.create_task(self._live.follow(interval=self._interval))
                    await asyncio.sleep(0)  # its sources are open now
                    if started is not None:
                        started.set()

    async def _note_seen(self, names: Iterable[str]) -> None:
        new = set(names) - self._seen
        if new:
            self._seen |= new
            await asyncio.to_thread(note_seen, self._machine.host, new)
