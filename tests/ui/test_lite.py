"""`--lite`: the exercise on a slow line."""

from __future__ import annotations

import re

from kmodtui.demo import open_demo
from kmodtui.ui.terminal.capabilities import Capabilities
from kmodtui.ui.terminal.output import TerminalOutput
from tests.ui.emulated import EmulatedTerminal
from tests.ui.stage import opened

MOST = 12_000
"""Bytes: 10 s at 9,600 baud."""

FRAMES = re.compile("[─-╿█▄▀▌▐]")


class SlowLine(EmulatedTerminal):
    """Counts the bytes that go to a terminal like xterm."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        kind = Capabilities(fills=True, erases_cells=True, ends_attributes=True)
        self._output = TerminalOutput(kind)
        self.sent = ""

    def write(self, data: str) -> None:
        super().write(data)
        self.sent += self._output.write(data)

    def flush(self) -> None:
        self.sent += self._output.flush()


async def test_the_exercise_sends_little_and_draws_no_frames_and_colours() -> None:
    demo = open_demo(pace=0)
    async with opened(demo, size=(80, 24), driver_class=SlowLine, lite=True) as stage:
        terminal = stage.terminal
        assert isinstance(terminal, SlowLine)
        await stage.press("j", "j", "j")
        await stage.calm()
        await stage.press("plus")
        await stage.until(" of 164 modules")
        await stage.type("btrfs")
        await stage.until("1 of 164 modules")
        await stage.press("enter")
        await stage.until("modprobe -- btrfs", " y load")
        assert not FRAMES.search(stage.text)
        await stage.press("y")
        await stage.until("Loaded btrfs", "symbols in 6 modules", "in the kernel log (L)")
        await stage.press("enter")
        await stage.until("1.7 MiB    0  Live", "newest first")
        await stage.press("4")
        await stage.until("+4,474")
        await stage.press("1", "minus")
        await stage.until("modprobe -r -- btrfs", " y unload")
        await stage.press("y")
        await stage.until("Unloaded btrfs", "symbols in 6 modules")
        await stage.press("enter")
        await stage.until(lambda: "btrfs" not in stage.text)
        await stage.calm()
        assert not FRAMES.search(stage.text)
        assert not re.search(r"\x1b\[[\d;]*\b[34][0-8]\b[\d;]*m", terminal.sent)
        assert len(terminal.sent.encode()) <= MOST
