"""Loads and unloads as they happen, by anyone: the dashboard's monitor without a dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.history import Change
from kmodtui.services.monitor import Changed, Monitor, ReadingFailed, SymbolsRead, TableRead


async def changes(
    host: Host, *, interval: float = 1.0, started: asyncio.Event | None = None
) -> AsyncIterator[Change | KmodtuiError]:
    """Yield each change without end, and the reason where a reading fails.

    Args:
        host: the system.
        interval: seconds between two readings where the kernel sends no events.
        started: set once everything that happens is noticed.
    """
    async with aclosing(Monitor(host, interval=interval).watch()) as events:  # type: ignore[type-var]
        async for event in events:
            match event:
                case Changed():
                    yield event.change
                case ReadingFailed():
                    yield event.error
                case TableRead() | SymbolsRead():
                    pass
            if started is not None and not isinstance(event, TableRead):
                started.set()
