"""Symbol tables of 120,000 to 250,000 rows: a change, the browser, a search, the memory."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from textual.drivers.headless_driver import HeadlessDriver

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kallsyms import PATH, parse_symbols, read_symbols
from kmodtui.model.history import Change, Event, Totals
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.query import parse_query
from kmodtui.model.symbols.search import Matches, find_all
from kmodtui.model.symbols.table import SymbolTable, difference
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.screens.browser import BrowserScreen
from kmodtui.ui.screens.dashboard import DashboardScreen
from tests.bench.interleaved import Amount, Comparison, clocked, compare, of_pairs
from tests.bench.machine import RecordedMachine
from tests.bench.start import KMODTUI, TOO_LONG
from tests.bench.tables import SIZES, AtKernelSpeed, cat, generated
from tests.support.terminal import Terminal

PAGE = 50
"""Rows of a screen."""

PATTERNS = ("ioctl", "alloc", "xfs_btree_nothing", "_")
"""What some hundred names have, what thousands have, what none has, what nearly all have."""

NEWEST = 5_000
"""Rows that come with a load."""

MEMORY = 120
"""Megabytes that the whole program may take with the largest table."""


def large_tables(machine: RecordedMachine, rounds: int) -> Iterator[Comparison | Amount | str]:
    """Yield what is promised of large tables, measured."""
    if not Path(PATH).exists():
        yield f"there is no {PATH} here"
        return
    for rows, of_modules in SIZES:
        size = f"{rows // 1000},000 rows"
        data = generated(rows, of_modules)
        yield _change(size, data, generated(rows, of_modules, NEWEST), rounds)
        yield from _search(size, data, rounds)
    yield from asyncio.run(_painted(machine, rounds))
    yield _memory(machine)


def _change(size: str, before: bytes, after: bytes, rounds: int) -> Comparison:
    host = AtKernelSpeed()
    host.table = before
    old = read_symbols(host)
    host.table = after

    def notice() -> None:
        delta = difference(old, read_symbols(host, old))
        if (delta.added, delta.removed) != (NEWEST, 0):
            raise AssertionError(f"+{delta.added} -{delta.removed}")

    name = f"change ready, {size}, {NEWEST:,} new"
    return compare(
        name, clocked(notice), "cat of as many bytes", cat(len(after)), limit=1.2, rounds=rounds
    )


def _search(size: str, data: bytes, rounds: int) -> Iterator[Comparison]:
    symbols = SymbolList.of_table(parse_symbols(data))
    list(symbols.prepare())  # as the browser does while nothing is typed
    with tempfile.NamedTemporaryFile(prefix="kmodtui-dump-") as dump:
        dump.write(data)
        dump.flush()
        for pattern in PATTERNS:

            def first(pattern: str = pattern) -> None:
                hits = Matches(symbols, parse_query(pattern))
                hits.until(PAGE)
                for index in range(min(PAGE, len(hits))):
                    hits.row(index).symbol  # noqa: B018  it is parsed

            def every(pattern: str = pattern) -> None:
                find_all(symbols, parse_query(pattern))

            for what, mine, limit in (("first page", first, 1.0), ("full count", every, 3.0)):
                # grep stops at its first hit when nobody reads what it finds; whoever wants
                # the count of all of them has to read.
                read = what == "full count"
                yield compare(
                    f"{what} of {pattern!r}, {size}",
                    clocked(mine),
                    f"grep {pattern} dump {'| cat ' if read else ''}>/dev/null",
                    clocked(partial(_grep, pattern, dump.name, read=read)),
                    limit=limit,
                    rounds=rounds,
                )


def _grep(pattern: str, path: str, *, read: bool) -> None:
    if not read:
        subprocess.run(["grep", pattern, path], stdout=subprocess.DEVNULL, check=False)
        return
    with subprocess.Popen(["grep", pattern, path], stdout=subprocess.PIPE) as grep:
        subprocess.run(["cat"], stdin=grep.stdout, stdout=subprocess.DEVNULL, check=True)


# What is painted


class _Clock(HeadlessDriver):
    """A terminal that remembers when it was last written to, and when some words first were.

    Attributes:
        words: those words; the time is forgotten by whoever sets them.
    """

    written = 0.0
    words = ""
    seen = 0.0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written = time.perf_counter()
        if not self.seen and self.words in data:
            self.seen = self.written


async def _painted(machine: RecordedMachine, rounds: int) -> list[Comparison]:
    """Return how long a change and the browser take to be on the screen."""
    rows, of_modules = SIZES[-1]
    data = generated(rows, of_modules)
    file = machine.root / "proc/kallsyms"
    recorded = file.read_bytes()
    file.write_bytes(data)
    try:
        host = LocalHost(machine.root)
        app = KmodtuiApp(Machine(host, NoRoot("captured")), interval=3600)
        app.driver_class = _Clock
        async with app.run_test(headless=False, size=(120, 40)) as pilot:
            screen = app.screen
            assert isinstance(screen, DashboardScreen)
            pane, live = screen._symbols, app.live
            while live.symbols is None:
                await pilot.pause(0.05)
            await pilot.pause(0.5)
            table = live.symbols
            changes = _large_changes(table)
            first = next(islice(table.core, PAGE // 2, None)).name

            async def painted(action: Callable[[], Any]) -> float:
                driver: Any = app._driver
                begin = time.perf_counter()
                action()
                await pilot.pause(0.12)
                if driver.written < begin:
                    raise AssertionError("nothing was painted")
                return float(driver.written - begin)

            async def full() -> float:
                return await painted(lambda: app.refresh(layout=True))

            async def change() -> float:
                return await painted(partial(pane._show_change, next(changes)))

            async def browser() -> float:
                opened = BrowserScreen(live)
                driver: Any = app._driver
                driver.words, driver.seen = first, 0.0
                begin = time.perf_counter()
                app.push_screen(opened)
                while not driver.seen:  # noqa: ASYNC110  an event would come a turn later
                    await asyncio.sleep(0)
                opened.dismiss()
                await pilot.pause(0.3)
                return float(driver.seen - begin)

            of = "one full repaint"
            measured = cat(len(data))
            return [
                await _in_turns(
                    f"change of {of_modules:,} rows ready to painted", change, of, full, 2.0, rounds
                ),
                await _in_turns(
                    f"browser's first page, {rows:,} rows",
                    browser,
                    "cat of as many bytes",
                    lambda: asyncio.to_thread(measured),
                    1.0,
                    rounds,
                ),
            ]
    finally:
        file.write_bytes(recorded)


def _large_changes(table: SymbolTable) -> Iterator[Event]:
    """Yield events in which every module comes, or goes; nothing is kept from one to the next."""
    number = 0
    while True:
        number += 1
        fresh = parse_symbols(b"".join(rows.raw for rows in table.modules.values()))
        delta = difference(SymbolTable(), fresh) if number % 2 else difference(fresh, SymbolTable())
        yield Event(Change(number, 0.0, symbols=delta), Totals())


async def _in_turns(
    what: str,
    mine: Callable[[], Awaitable[float]],
    yardstick: str,
    theirs: Callable[[], Awaitable[float]],
    limit: float,
    rounds: int,
) -> Comparison:
    await mine(), await theirs()
    pairs = [(await mine(), await theirs()) for _ in range(rounds)]
    return of_pairs(what, yardstick, pairs, limit=limit)


# What is taken


def _memory(machine: RecordedMachine) -> Amount:
    """Return what the program takes once every row was read, searched and shown."""
    rows, of_modules = SIZES[-1]
    file = machine.root / "proc/kallsyms"
    recorded = file.read_bytes()
    file.write_bytes(generated(rows, of_modules))
    try:
        with Terminal([*KMODTUI, "--root", str(machine.root)], columns=120, rows=40) as terminal:
            terminal.wait_for(r"\d+ modules \d", timeout=TOO_LONG)
            # Until the first reading has come there is nothing to look through.
            terminal.press("B")
            terminal.wait_for(rf"{rows:,} symbols", timeout=TOO_LONG)
            terminal.press("_")
            terminal.wait_for(rf"[1-9][\d,]* of {rows:,} symbols", timeout=TOO_LONG)
            terminal.press("Esc")
            terminal.wait_for(rf"── {rows:,} symbols", timeout=TOO_LONG)
            terminal.press("re:alloc")
            terminal.wait_for(rf"[1-9][\d,]* of {rows:,} symbols", timeout=TOO_LONG)
            status = Path(f"/proc/{terminal.process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            assert found
            return Amount(f"memory at most, {rows:,} rows", int(found[1]) / 1000, MEMORY)
    finally:
        file.write_bytes(recorded)
