"""Bytes that the dashboard sends for some actions, beside what Textual's driver would send.

Both in one run: everything that is painted is counted before the layer takes it.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

from textual.drivers.headless_driver import HeadlessDriver

from kmodtui.demo import open_demo
from kmodtui.services.machine import Machine
from kmodtui.services.root.demo import DemoRoot
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.terminal.capabilities import Capabilities
from kmodtui.ui.terminal.output import TerminalOutput
from tests.bench.machine import RecordedMachine

SIZES = ((80, 24), (140, 40))
ACTIONS = (
    ("down", ("j",)),
    ("page down", ("pagedown",)),
    ("Tab", ("tab",)),
    ("picker", ("plus",)),
    ("type btrfs", tuple("btrfs")),
    ("plan", ("enter",)),
    ("load", ("y",)),
    ("close", ("enter",)),
)
QUIET = 1.5  # seconds without output after which an action is over

XTERM = Capabilities(fills=True, erases_cells=True, ends_attributes=True)


@dataclass(frozen=True)
class Bytes:
    """What was sent for an action, and what all that was painted for it would have been."""

    what: str
    sent: int
    painted: int


class _CountingDriver(HeadlessDriver):
    """Counts in memory what goes to a terminal like xterm."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._output = TerminalOutput(XTERM)
        self.sent = self.painted = 0

    @property
    def is_headless(self) -> bool:
        """Textual writes to terminals only."""
        return False

    def write(self, data: str) -> None:
        self.painted += len(data.encode())
        self.sent += len(self._output.write(data).encode())

    def flush(self) -> None:
        self.sent += len(self._output.flush().encode())


def bytes_sent(_machine: RecordedMachine, _rounds: int) -> list[Bytes]:
    """Count the bytes of each action on the demo, at two sizes."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    return [one for size in SIZES for one in asyncio.run(_actions(size))]


async def _actions(size: tuple[int, int]) -> list[Bytes]:
    demo = open_demo()
    app = KmodtuiApp(Machine(demo.host, DemoRoot(demo)))
    app.driver_class = _CountingDriver
    found = []
    async with app.run_test(headless=False, size=size, notifications=True) as pilot:
        driver = app._driver
        assert isinstance(driver, _CountingDriver)
        await _quiet(driver)
        for name, keys in ACTIONS:
            driver.sent = driver.painted = 0
            await pilot.press(*keys)
            await _quiet(driver)
            what = f"bytes for {name} at {size[0]}x{size[1]}"
            found.append(Bytes(what, driver.sent, driver.painted))
    return found


async def _quiet(driver: _CountingDriver) -> None:
    painted = -1
    while painted != driver.painted:
        painted = driver.painted
        await asyncio.sleep(QUIET)
