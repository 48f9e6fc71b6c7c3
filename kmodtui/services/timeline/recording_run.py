"""Records the timeline of a system until that is cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.timeline.event import EventKind, Lost, TimelineEvent
from kmodtui.services.event_stream import Item, timeline_events
from kmodtui.services.timeline.recorder import FLUSH, Recorder

MEBIBYTE = 1024 * 1024

SIZE = 8
"""MiB of each file, unless something else is requested: some 50,000 events."""

KEEP = 4
"""Older files that are kept, unless something else is requested."""

Problem = Callable[[KmodtuiError], None]
"""Called with what cannot be read."""


async def record(
    host: Host,
    recorder: Recorder,
    *,
    problem: Problem,
    count: int = 0,
    interval: float = 1.0,
    started: asyncio.Event | None = None,
) -> None:
    """Record; return after `count` events beside the start, or never if that is 0.

    Raises:
        KmodtuiError: the file cannot be written any more.
    """
    stream = timeline_events(host, with_start=True, interval=interval, started=started)
    flushing = asyncio.create_task(_flush(recorder))
    reading = asyncio.create_task(_read(stream, recorder, count, problem))
    try:
        await asyncio.wait({flushing, reading}, return_when=asyncio.FIRST_COMPLETED)
        for task in (flushing, reading):
            if task.done():
                task.result()
    finally:
        flushing.cancel()
        reading.cancel()
        await asyncio.wait({flushing, reading})


async def _read(
    stream: AsyncIterator[Item], recorder: Recorder, count: int, problem: Problem
) -> None:
    recorded = 0
    async with aclosing(stream) as items:  # type: ignore[type-var]
        async for item in items:
            if isinstance(item, TimelineEvent):
                recorder.add(item)
                recorded += item.kind is not EventKind.START
            else:
                problem(item)
                # Who opens the recording has to know what it lacks.
                lost = Lost(item.message)
                recorder.add(TimelineEvent(0, time.time(), EventKind.LOST, (), lost))
                recorded += 1
            if count and recorded >= count:
                return


async def _flush(recorder: Recorder) -> None:
    while True:
        await asyncio.sleep(FLUSH)
        recorder.flush()
