"""Random steps: the terminal shows what it would show if everything that is painted was sent."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual import events
from textual.drivers.headless_driver import HeadlessDriver

from kmodtui.demo import Demo
from kmodtui.ui.commands import COMMANDS
from kmodtui.ui.terminal.capabilities import Capabilities
from kmodtui.ui.terminal.output import TerminalOutput
from tests.support.alarm import alarm
from tests.support.emulator import Emulator
from tests.ui.stage import PATIENCE, Stage, opened

XTERM = Capabilities(fills=True, erases_cells=True, ends_attributes=True)
KITTY = Capabilities(fills=True, erases_cells=True, repeats=True, ends_attributes=True)
SCREEN = Capabilities(answers=False, ends_attributes=True)
VT100 = Capabilities(answers=False)

SIZES = ((80, 24), (140, 40), (60, 20))

WORDS = ("btrfs", "ext4", "hello", "漢字 text", "cafe\u0301", "👩‍🚀!", "ｆｕｌｌ", "x" * 300)
"""What is pasted and reported: also wide characters, and such that are made of several."""

# Without those that end the dashboard, write a file, or give the terminal to a shell.
KEYS = sorted({key for c in COMMANDS for key in c.keys} - {"q", "ctrl+q", "ctrl+s", "ctrl+z"})

SHORT = 25
"""Steps that are the same in each run of `make test`."""

STEPS = {
    "key": 60,
    "text": 8,
    "paste": 4,
    "report": 6,
    "load": 5,
    "unload": 5,
    "resize": 5,
    "another program": 5,
}
"""What happens, and how often among so many steps."""


class TwoTerminals(HeadlessDriver):
    """Writes everything to one terminal, and to the other what the layer sends.

    Attributes:
        everything, real: the terminals.
        problem: what was different first.
    """

    capabilities = XTERM

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        columns, rows = self._get_terminal_size()
        kind = self.capabilities
        self.everything = Emulator(columns, rows, crops=True)
        self.real = Emulator(
            columns, rows, fills=kind.fills, erases=kind.erases_cells, repeats=kind.repeats
        )
        self.output = TerminalOutput(kind)
        self.problem = ""
        self.frames = 0

    @property
    def is_headless(self) -> bool:
        """Textual writes to terminals only."""
        return False

    def write(self, data: str) -> None:
        self.everything.feed(data)
        self.real.feed(self.output.write(data))

    def flush(self) -> None:
        self.real.feed(self.output.flush())
        self.frames += 1
        if not self.problem:
            pairs = zip(self.everything.picture(), self.real.picture(), strict=True)
            for number, (wanted, shown) in enumerate(pairs):
                if wanted != shown:
                    column = next(x for x in range(len(wanted)) if wanted[x] != shown[x])
                    self.problem = (
                        f"row {number}, column {column}: {shown[column]}"
                        f" instead of {wanted[column]} on\n{self.real.text()}"
                    )
                    break

    def resized(self, columns: int, rows: int) -> None:
        self.everything.crop(columns, rows)
        self.real.resize(columns, rows)
        self.output.resize(columns, rows)


async def _random_step(stage: Stage, driver: TwoTerminals, dice: random.Random) -> str:
    """Do something to the dashboard; return what, for the report of a failure."""
    kind, done = dice.choices(tuple(STEPS), tuple(STEPS.values()))[0], ""
    match kind:
        case "key":
            done = dice.choice([*KEYS, *["enter", "y", "tab"] * 4, *["escape"] * 20])
            stage.send(done)
        case "text":
            done = dice.choice(("btr", "hello", "ext4", "loop"))
            stage.send(*done)
        case "paste":
            # An accent loses its letter where the cursor of an input line is between them.
            done = dice.choice(WORDS).replace("e\u0301", "\u00e9")
            stage.app.post_message(events.Paste(done))
        case "report":
            done = " ".join(dice.choices(WORDS, k=6))
            stage.app.notify(done, title=done[:20], timeout=dice.choice((0.01, 1)), markup=False)
        case "load":
            done = dice.choice(("btrfs", "loop", "dummy"))
            stage.kernel.load(done)
        case "unload":
            done = dice.choice(stage.kernel.loaded)
            stage.kernel.unload(done)
        case "resize":
            size = dice.choice(SIZES)
            done = str(size)
            driver.resized(*size)
            await stage._pilot.resize_terminal(*size)
        case "another program":
            driver.real.feed("\x1b[2;2HAnother program writes here.")
            driver.output.forget()
            driver.flush()
    await stage._pilot.pause(1 / 60)  # Textual paints after so long
    return f"{kind} {done}"


def _forget_codes() -> None:
    """Rich keeps the escape sequence of a style for good, whichever number of colours it is for."""
    for each in gc.get_objects():
        if type(each) is Style:
            each._ansi = None


@pytest.fixture(autouse=True)
def _own_codes() -> Iterator[None]:
    """Leave no sequences for 16 colours to the next test, which may share the styles."""
    _forget_codes()
    yield
    _forget_codes()


@pytest.mark.parametrize(
    ("size", "colours", "kind"),
    [
        ((80, 24), ColorSystem.TRUECOLOR, XTERM),
        ((140, 40), ColorSystem.EIGHT_BIT, KITTY),
        ((60, 20), ColorSystem.STANDARD, SCREEN),
        ((80, 24), None, VT100),
    ],
    ids=["truecolor", "256", "16", "monochrome"],
)
@pytest.mark.parametrize("steps", [SHORT, pytest.param(500, marks=pytest.mark.full)])
async def test_both_terminals_show_the_same(
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    colours: ColorSystem | None,
    kind: Capabilities,
    steps: int,
) -> None:
    if colours is None:
        monkeypatch.setenv("NO_COLOR", "1")
    is_short = steps == SHORT
    seed = int(os.environ.get("KMODTUI_SEED") or (SHORT if is_short else random.randrange(2**32)))
    sys.stdout.write(f"KMODTUI_SEED={seed} does the same again\n")
    dice, done = random.Random(seed), ["opening"]
    driver_class = type("Driver", (TwoTerminals,), {"capabilities": kind})
    driver: TwoTerminals | None = None

    def report() -> str:
        shown = driver.real.text() if driver else ""
        return f"KMODTUI_SEED={seed}, after {len(done)} steps: {done}\n{shown}"

    with alarm(PATIENCE, report) as begin_again:
        async with opened(demo, size=size, interval=0.05, driver_class=driver_class) as stage:
            assert isinstance(stage.app._driver, TwoTerminals)
            driver = stage.app._driver
            stage.app.console._color_system = colours or ColorSystem.STANDARD
            for _ in range(steps):
                begin_again()
                done.append(await _random_step(stage, driver, dice))
                assert not driver.problem, f"{driver.problem}\n{report()}"
                assert stage.app.is_running, report()
            assert driver.frames > steps / 3
            assert driver.real.fed < driver.everything.fed
            begin_again()
            done.append("closing")
            await stage.handled()  # the last keys
