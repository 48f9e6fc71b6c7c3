"""The dashboard in tmux, which is a terminal of its own kind: the picture is right there, too."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.emulator import Emulator
from tests.support.working import MARK, works
from tests.terminal.conftest import KMODTUI, needs

PATIENCE = 30.0  # seconds


class Tmux:
    """A server of its own with one window."""

    def __init__(self, folder: Path, command: str, columns: int, rows: int) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self._environment = {"LANG": "C.UTF-8", **inherited, "HOME": str(folder)}
        self._mark = self._environment[MARK] = str(folder)
        self._socket = str(folder / "tmux")
        self.size = columns, rows
        size = ["-x", str(columns), "-y", str(rows)]
        self.run("-f", "/dev/null", "new-session", "-d", *size, command)

    def run(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout

    def text(self) -> str:
        return self.run("capture-pane", "-p")

    def picture(self) -> object:
        """What is seen, with colours."""
        emulator = Emulator(*self.size)
        for row, line in enumerate(self.run("capture-pane", "-e", "-p").splitlines()):
            emulator.feed(f"\x1b[{row + 1};1H\x1b[K{line}")
        return emulator.picture()

    def until(self, question: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not question():
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)

    def settled(self) -> object:
        """Return the picture once the dashboard has nothing left to do, also at its next poll."""
        since, last = time.monotonic(), self.picture()
        while time.monotonic() - since < 1.2 or works(self._mark):
            if (now := self.picture()) != last:
                since, last = time.monotonic(), now
        return last


@pytest.fixture
def tmux(tmp_path: Path, tree: str) -> Iterator[Tmux]:
    needs("tmux")
    command = " ".join([f"cd {Path.cwd()};", *KMODTUI, "--root", tree])
    tmux = Tmux(tmp_path, f"{command}; echo 'exit status' $?; exec sh", 120, 30)
    yield tmux
    tmux.run("kill-server")


STEPS = [
    ("?", "keys, columns and flags"),
    ("Escape", "1 Modules ──────"),
    ("j", "evdev"),
    ("Tab", "2 Dependencies"),
    ("+", "Load a module"),
    ("Escape", "1 Modules ──────"),
]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(STEPS[:2], id="a dialog"),
        pytest.param(STEPS, id="all", marks=pytest.mark.full),
    ],
)
def test_in_tmux_only_changes_are_sent_and_the_picture_is_whole(
    tmux: Tmux, steps: list[tuple[str, str]]
) -> None:
    tmux.until(lambda: "1 Modules ──────" in tmux.text())
    tmux.settled()
    for key, words in steps:
        tmux.run("send-keys", key)
        tmux.until(lambda words=words: words in tmux.text())
        shown = tmux.settled()
        # Ctrl+L sends everything: nothing may look different then.
        tmux.run("send-keys", "C-l")
        assert tmux.settled() == shown, key
    # As when another terminal of another size is attached.
    tmux.run("resize-window", "-x", "90", "-y", "24")
    tmux.size = 90, 24
    tmux.until(lambda: "[1 Modules]" in tmux.text() or "2 Tree" in tmux.text())
    shown = tmux.settled()
    tmux.run("send-keys", "C-l")
    assert tmux.settled() == shown
    tmux.run("send-keys", "q")
    tmux.until(lambda: "exit status 0" in tmux.text())
    assert "Modules" not in tmux.text()
