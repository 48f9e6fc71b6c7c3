"""Runs in the guest: watches while somebody else loads and unloads a module in a loop.

    python loop_in_guest.py

Prints a line when the monitor has its first symbols, waits for a line on standard input,
then prints what the monitor reported until all was quiet, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from kmodtui.kernel.host import LocalHost
from kmodtui.model.history import Change
from kmodtui.model.symbols.table import SymbolTable, difference
from kmodtui.services.monitor import Changed, Monitor, SymbolsRead
from kmodtui.services.reading import read_both

PATIENCE = 120.0
QUIET = 5.0
"""Seconds without a further change after which there is none."""


async def main() -> None:
    """Watch, and print what was reported."""
    changes: list[Change] = []
    shown: list[SymbolTable] = []
    first = asyncio.Event()
    news = asyncio.Event()

    async def watch() -> None:
        async for event in Monitor(LocalHost(), interval=0.5).watch():
            if isinstance(event, Changed):
                changes.append(event.change)
            if isinstance(event, Changed | SymbolsRead) and event.symbols is not None:
                shown.append(event.symbols)
                first.set()
            news.set()

    watching = asyncio.create_task(watch())
    await asyncio.wait_for(first.wait(), PATIENCE)
    print("watching", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    while True:
        news.clear()
        try:
            await asyncio.wait_for(news.wait(), QUIET)
        except TimeoutError:
            break
    watching.cancel()
    truth = read_both(LocalHost()).symbols
    assert truth is not None
    print(
        json.dumps({
            "loads": sum(_times(change, [m.name for m in change.loaded]) for change in changes),
            "unloads": sum(_times(change, [m.name for m in change.unloaded]) for change in changes),
            "changes": len(changes),
            "not_compared": sum(bool(change.symbols_missing) for change in changes),
            "modules": sorted({
                name
                for change in changes
                for name in (*change.cycles, *(m.name for m in (*change.loaded, *change.unloaded)))
            }),
            "owners": sorted({o.owner for change in changes for o in change.symbols.owners}),
            "net": sum(change.symbols.added - change.symbols.removed for change in changes),
            "wrong_at_the_end": [o.owner for o in difference(shown[-1], truth).owners],
        })
    )  # fmt: skip


def _times(change: Change, names: list[str]) -> int:
    return sum(change.cycles.values()) + len(names)


if __name__ == "__main__":
    asyncio.run(main())
