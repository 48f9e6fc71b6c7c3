"""A running dashboard on a simulated kernel: keys go in, the screen is looked at.

    async with opened(demo) as stage:
        await stage.press("plus")
        await stage.until("Load a module")
        await stage.type("btrfs")
        ...

Waiting is for what is seen, never for time to pass. Where a test says that
something does *not* happen, `stage.calm()` lets everything run out first.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from textual import events
from textual.driver import Driver
from textual.pilot import Pilot
from textual.screen import Screen

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.palettes import PALETTES
from kmodtui.model.theme import DARK, MONOCHROME
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.services.root.access import RootAccess
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.timeline.recording import Recording
from kmodtui.services.view_memory import ViewMemory
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.panes import PANES
from kmodtui.ui.screens.dashboard import DashboardScreen
from tests.ui.emulated import EmulatedTerminal

PATIENCE = 30.0
"""Seconds until a condition that does not come true fails the test."""

HORIZON = 0.3
"""Seconds in which a timer that is due counts as work going on."""

SIZES = ((80, 24), (120, 40), (200, 50))

CHARACTERS = {
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "colon": ":",
    "question_mark": "?",
    "space": " ",
    "enter": "\r",
    "tab": "\t",
    "escape": "\x1b",
}
"""What a terminal sends for keys that Textual knows by another name."""

KEYS = {character: name for name, character in CHARACTERS.items()} | {
    "_": "underscore",
    "=": "equals_sign",
    "|": "vertical_line",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    ".": "full_stop",
    '"': "quotation_mark",
}

Condition = str | Callable[[], object]
"""Words to be found on the screen, or a question."""


class Stage:
    """One dashboard in one terminal."""

    def __init__(self, app: KmodtuiApp, pilot: Pilot[str], demo: Demo) -> None:
        self.app = app
        self.demo = demo
        self._pilot = pilot

    @property
    def kernel(self) -> SimulatedKernel:
        """The simulated kernel: its `load` is another shell's."""
        return self.demo.kernel

    @property
    def terminal(self) -> EmulatedTerminal:
        driver = self.app._driver
        assert isinstance(driver, EmulatedTerminal)
        return driver

    # What goes in

    def send(self, *keys: str) -> None:
        """Let keys come in at once, before any of them is handled."""
        for key in keys:
            character = CHARACTERS.get(key) or (key if len(key) == 1 else None)
            event = events.Key(KEYS.get(key, key), character)
            event.set_sender(self.app)
            self.app.post_message(event)

    async def press(self, *keys: str) -> None:
        """Press keys and let them be handled."""
        self.send(*keys)
        await self.handled()

    async def type(self, text: str) -> None:
        """Type a text, as fast as a paste."""
        self.send(*text)
        await self.handled()

    async def click(self, column: int, row: int, times: int = 1) -> None:
        """Click on a cell of the screen, several times before any click is handled."""
        for kind in (events.MouseDown, events.MouseUp) * times:
            event = kind(None, column, row, 0, 0, 1, shift=False, meta=False, ctrl=False)
            event.set_sender(self.app)
            self.app.post_message(event)
        await self.handled()

    async def handled(self) -> None:
        """Let what has come in go its way, from the application to a widget and back."""
        for _ in range(6):
            await self._pilot.pause(0)

    async def resize(self, width: int, height: int) -> None:
        self.terminal.resized(width, height)
        await self._pilot.resize_terminal(width, height)

    # Waiting

    async def until(self, condition: Condition, *more: Condition) -> None:
        """Wait until words are on the screen, or a question is answered with yes."""
        deadline = time.monotonic() + PATIENCE
        for one in (condition, *more):
            while not self._holds(one):
                if time.monotonic() > deadline:
                    focus = f"with the focus on {self.app.focused!r}"
                    raise AssertionError(f"{one!r} did not come true {focus} on:\n{self.text}")
                await self._pilot.pause(0.01)

    async def until_gone(self, words: str) -> None:
        await self.until(lambda: words not in self.text)

    async def calm(self, quiet: float = 0.15) -> None:
        """Wait until whatever was to happen has happened, however slow the machine is.

        That is: nothing was written for a while, no thread is at work, and no timer is due
        within HORIZON. What repeats for ever, such as a look at a log, is not waited for.
        """
        loop = asyncio.get_running_loop()
        since, written = time.monotonic(), self.terminal.written
        while (rest := time.monotonic() - since) < quiet or (rest < 1 and _timer_is_due(loop)):
            await self._pilot.pause(0.01)
            if self.terminal.written != written or _threads_work(loop):
                since, written = time.monotonic(), self.terminal.written

    def _holds(self, condition: Condition) -> object:
        return condition in self.text if isinstance(condition, str) else condition()

    # What is seen

    @property
    def screen(self) -> Screen[object]:
        return self.app.screen

    @property
    def dashboard(self) -> DashboardScreen:
        return next(s for s in self.app.screen_stack if isinstance(s, DashboardScreen))

    @property
    def lines(self) -> list[str]:
        """The rows of the terminal."""
        width, height = self.app.size
        return [self.terminal.row(row, 0, width) for row in range(height)]

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)

    @property
    def words(self) -> str:
        """The words of the dialog that is open, as if its lines had not been broken."""
        return _joined(self.part(".dialog"))

    @property
    def toasts(self) -> str:
        """The words of the notifications, likewise."""
        return _joined(
            self.terminal.row(row, toast.region.x, toast.region.right)
            for toast in self.screen.query("Toast")
            for row in range(toast.region.y, toast.region.bottom)
        )

    @property
    def header(self) -> str:
        return self.lines[0]

    @property
    def footer(self) -> str:
        return self.lines[-1]

    def part(self, selector: str) -> list[str]:
        """The rows of a widget, as far as it is seen, without blanks behind."""
        region = self.screen.query_one(selector).region
        return [
            self.terminal.row(row, region.x, region.right).rstrip()
            for row in range(region.y, region.bottom)
        ]

    def pane(self, name: str) -> str:
        """The text of a pane, with its frame."""
        return "\n".join(self.part(f"#{name}"))

    def pane_words(self, name: str) -> str:
        return _joined(self.part(f"#{name}"))

    @property
    def rows(self) -> list[list[str]]:
        """The rows of the modules pane, split at blanks, marks left out."""
        return [line[2:].split() for line in self.part("#module-lines") if line[2:].strip()]

    @property
    def modules(self) -> list[str]:
        """Names in the modules pane, from the top."""
        return [row[0] for row in self.rows]

    def row(self, name: str) -> list[str]:
        """The words of a module's row; empty ones if it is not shown."""
        return next((row for row in self.rows if row[0] == name), [""] * 8)

    @property
    def cursor(self) -> str:
        """The name on the row of the modules pane that has the cursor's colour; or empty."""
        return next(iter(self.highlighted("#module-lines")[2:].split()), "")

    def highlighted(self, selector: str) -> str:
        """The row of a widget that has the cursor's colour; empty if none has."""
        region = self.screen.query_one(selector).region
        colours = (PALETTES[DARK]["cursor"], PALETTES[DARK]["cursor-idle"])
        for row in range(region.y, region.bottom):
            if self.terminal.ground(row, region.x + 2) in colours:
                return self.terminal.row(row, region.x, region.right).rstrip()
        return ""

    def colour_of(self, words: str) -> str:
        """The colour of the first character of words that are on the screen."""
        for number, line in enumerate(self.lines):
            if words in line:
                return self.terminal.ink(number, line.index(words))
        raise AssertionError(f"{words!r} is not on:\n{self.text}")

    @property
    def focused_pane(self) -> str:
        """The pane that the keys go to."""
        focused = self.app.focused
        panes = {entry.id for entry in PANES}
        return next((n.id for n in focused.ancestors if n.id in panes), "") if focused else ""

    async def select(self, name: str) -> None:
        """Go to a module of the modules pane with keys."""
        await self.press("1")
        await self.until(lambda: self.focused_pane == "modules")
        self.send("g", *["j"] * self.modules.index(name))
        await self.until(lambda: self.cursor == name)

    async def load(self, name: str) -> None:
        """Load a module with keys, and close the dialog of the result."""
        await self.press("plus")
        await self.until("Load a module")
        await self.type(name)
        await self.press("enter")
        await self.until("y load")
        await self.press("y")
        await self.until("Enter close")
        await self.press("enter")
        await self.until(lambda: self.screen is self.dashboard)
        await self.handled()

    async def other_shell(self, doing: Callable[[], object]) -> None:
        """Let another shell do something to the kernel, and wait until its change is shown."""
        before = self.changes
        doing()
        await self.until(lambda: self.changes > before)
        await self.handled()

    @property
    def changes(self) -> int:
        """The number in the title of the change view."""
        change = self.dashboard._symbols._change.change
        return change.number if change else 0


@asynccontextmanager
async def opened(
    demo: Demo,
    *,
    size: tuple[int, int] = (120, 40),
    root: RootAccess | None = None,
    interval: float = 0.05,
    ready: bool = True,
    faults: Sequence[str] = (),
    driver_class: type[Driver] = EmulatedTerminal,
    recording: Recording | None = None,
    memory: ViewMemory | None = None,
    lite: bool = False,
) -> AsyncIterator[Stage]:
    """Open the dashboard and close it again; fail if a fault of its own was logged meanwhile.

    Args:
        demo: the machine.
        size: columns and lines.
        root: how root is had; by default as in the demo.
        interval: seconds between two readings.
        ready: whether to wait until modules and symbols have been read.
        faults: parts of the faults that are expected in the log.
        driver_class: what the dashboard writes to; most of `Stage` needs an EmulatedTerminal.
        recording: what is shown instead of the machine.
        memory: what the last session left.
        lite: whether little is drawn, for slow lines.
    """
    machine = Machine(demo.host, root or DemoRoot(demo))
    app = KmodtuiApp(
        machine,
        interval=interval,
        theme=MONOCHROME if lite else DARK,
        recording=recording,
        memory=memory,
        lite=lite,
    )
    app.driver_class = driver_class
    logged = _Logged()
    logger = logging.getLogger("kmodtui")
    logger.addHandler(logged)
    try:
        async with app.run_test(headless=False, size=size, notifications=True) as pilot:
            stage = Stage(app, pilot, demo)
            if ready and recording is None:
                await stage.until(lambda: app.live.symbols)
                await stage.until(lambda: machine.index_if_read or machine.index_problem)
                await stage.handled()
            yield stage
    finally:
        logger.removeHandler(logged)
    unexpected = [f for f in logged.faults if not any(words in f for words in faults)]
    assert not unexpected, unexpected
    await asyncio.sleep(0)


def _threads_work(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether work goes on in a thread of the loop's."""
    executor = getattr(loop, "_default_executor", None)
    return executor is not None and bool(
        executor._work_queue.qsize() or executor._idle_semaphore._value < len(executor._threads)
    )


def _timer_is_due(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a timer is due soon, the monitor's next look at /proc/modules aside."""
    soon = loop.time() + HORIZON
    return any(
        handle.when() < soon and getattr(handle._callback, "__func__", None) is not Monitor._look
        for handle in getattr(loop, "_scheduled", ())
        if not handle.cancelled()
    )


def _joined(lines: Iterable[str]) -> str:
    """Return lines as one, with frames and runs of blanks as one blank."""
    return re.sub(r"[\s│╭╮╰╯─▌▐▅▇█]+", " ", "\n".join(lines))


class _Logged(logging.Handler):
    """What went into the log as a fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.faults.append(record.getMessage())
