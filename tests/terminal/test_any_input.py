"""Whatever a terminal sends, the dashboard goes on, and does what is pressed next."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmodtui.ui.terminal.keyboard import PASTE_SILENCE
from tests.support.terminal import KEYS, Terminal
from tests.terminal.conftest import KMODTUI, Open

# Without those that quit, or that stop it.
_TYPED = "".join(chr(code) for code in range(32, 127) if chr(code) != "q").encode()
_NAMED = [key.encode() for name, key in KEYS.items() if name not in ("Ctrl+q", "Ctrl+z")]
_PARTS = [b"\x1b[", b"\x1bO", b"\x1b]", b"\x1b[M", b"\x1b[<", b";", b"$", b"?", b"~", b"u", b"\xff"]
# Quit by Ctrl+q, a click, or from the palette. Ctrl+C and Ctrl+\\ that come while it ends are
# signals again: the terminal has been restored.
_QUIT = (0, 130, -signal.SIGQUIT)
_HARMLESS = bytes(code for code in range(256) if code not in b"q\x11\x1a")


def _mouse(dice: random.Random) -> bytes:
    button, column, row = (
        dice.choice((0, 1, 2, 32, 35, 64, 65)),
        dice.randrange(1, 130),
        dice.randrange(1, 40),
    )
    if dice.random() < 0.1:
        column, row = dice.choice((0, -5, 10**9)), dice.choice((0, 10**9))
    return f"\x1b[<{button};{column};{row}{dice.choice('Mm')}".encode()


_KINDS: list[Callable[[random.Random], bytes]] = [
    lambda dice: bytes(dice.choices(_TYPED, k=dice.randrange(1, 4))),
    lambda dice: dice.choice(_NAMED),
    lambda dice: dice.choice(_NAMED),
    _mouse,
    _mouse,
    lambda dice: bytes(dice.choices(_HARMLESS, k=dice.randrange(1, 16))),
    lambda dice: b"\x1b[M" + bytes(dice.choices(_HARMLESS, k=3)),
    lambda dice: b"".join(dice.choices(_PARTS, k=dice.randrange(1, 6))),
    lambda dice: b"\x1b[200~" + bytes(dice.choices(_HARMLESS, k=50)) + b"\x1b[201~",
    lambda dice: f"\x1b[{dice.randrange(114, 2000)};{dice.randrange(20)}u".encode(),
]  # fmt: skip


class Fuzzed:
    """Dashboards of the demo; one that has been quit by chance is followed by another."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.log = home / "state" / "kmodtui" / "log" / "kmodtui.log"
        self.quits = 0
        self.open()

    def open(self) -> None:
        self.terminal = Terminal(
            [*KMODTUI, "--demo"],
            environment={
                "HOME": str(self._home),
                "TMPDIR": str(self._home),
                "XDG_STATE_HOME": str(self._home / "state"),
            },
            cwd=self._home,
        )
        self.terminal.wait_for("1 Modules", timeout=60)

    def send(self, data: bytes) -> None:
        try:
            self.terminal.send(data)
        except OSError:
            self.check(self.terminal.wait_for_exit(30))
            self.terminal.close()
            self.quits += 1
            self.open()

    def check(self, status: int) -> None:
        log = self.log.read_text() if self.log.exists() else ""
        assert status in _QUIT, f"{status}\n{bytes(self.terminal.raw[-2000:])!r}\n{log}"
        assert b"Traceback" not in self.terminal.raw
        assert "Traceback" not in log, log

    def finish(self) -> None:
        self.send(b"\x11")
        self.check(self.terminal.wait_for_exit(30))
        assert self.terminal.is_as_before


@pytest.fixture
def fuzzed(tmp_path: Path) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(tmp_path)
    yield fuzzed
    fuzzed.terminal.close()


def send_random(fuzzed: Fuzzed, going_on: Callable[[int], bool]) -> None:
    seed = int(os.environ.get("KMODTUI_SEED") or random.randrange(2**32))
    sys.stdout.write(f"KMODTUI_SEED={seed} sends the same again\n")
    dice = random.Random(seed)
    number = 0
    while going_on(number):
        number += 1
        fuzzed.send(dice.choice(_KINDS)(dice))
        if number % 100 == 0:
            fuzzed.terminal.resize(dice.randrange(1, 200), dice.randrange(1, 60))
        time.sleep(dice.random() * 0.02)  # sometimes two at once, sometimes with a pause
    fuzzed.terminal.resize(120, 40)
    fuzzed.finish()


def test_random_keys_mouse_reports_and_bytes_end_nothing(fuzzed: Fuzzed) -> None:
    send_random(fuzzed, lambda number: number < 1500)


@pytest.mark.full
def test_random_keys_mouse_reports_and_bytes_end_nothing_in_ten_minutes(fuzzed: Fuzzed) -> None:
    end = time.monotonic() + 600
    send_random(fuzzed, lambda _: time.monotonic() < end)


NO_KEYS = [
    b"\xff",
    b"\xe9",
    b"\x1b[M\xff\xff\xff",
    b"\x1b[M\x20\xe9\xe9",
    b"\x1b[<35;5;5M" * 3000,
    b"\x1b[99999999999u",
    b"\x1b[48;0;0;0;0t",
    b"\x1b[48;60000;60000;1;1t",
    b"\x1b[200~",
]


def test_it_goes_on_and_handles_the_next_key(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("Waiting for a module", timeout=60)
    for sent in NO_KEYS:
        terminal.send(sent)
        if sent == b"\x1b[200~":
            time.sleep(PASTE_SILENCE + 0.2)  # pasted text without an end has ended
        terminal.press("?")
        terminal.wait_for("keys, columns and flags", timeout=30)
        terminal.press("Esc")
        terminal.wait_for(lambda t: "keys, columns and flags" not in t.text())
    terminal.press("Ctrl+q")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_as_before


@pytest.mark.parametrize(
    "line", ["", "+", *(pytest.param(key, marks=pytest.mark.full) for key in ("/", "B"))]
)
@pytest.mark.parametrize(("begin", "end"), [(b"", b""), (b"\x1b[200~", b"\x1b[201~")])
def test_ctrl_q_is_obeyed_right_behind_100_kb(
    open_terminal: Open, tree: str, line: str, begin: bytes, end: bytes
) -> None:
    """Before, each character was a key: 34 seconds of work."""
    terminal = open_terminal("--root", tree)
    terminal.wait_for("Waiting for a module", timeout=60)
    if line:
        terminal.press(line)
        terminal.settle()
    terminal.send(begin + b"modprobe y x + - kmodtui\n"[: 25 - (not line)] * 4000 + end)
    terminal.press("Ctrl+q")
    assert terminal.wait_for_exit(20) == 0
    assert terminal.is_as_before
