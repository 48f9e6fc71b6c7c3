"""The dashboard in GNU screen, whose alternate screen is off unless its user switches it on."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tests.terminal.conftest import KMODTUI, needs

PATIENCE = 30.0  # seconds


class Screen:
    """A session of its own with a shell in it.

    Attributes:
        terminal: the one that it is shown in.
    """

    def __init__(self, folder: Path, configuration: str) -> None:
        (folder / "sockets").mkdir(mode=0o700)
        (folder / "screenrc").write_text(configuration)
        self._environment = {
            "HOME": str(folder),
            "SCREENDIR": str(folder / "sockets"),
            "SHELL": "/bin/sh",
            "PS1": "shell$ ",
        }
        command = ["screen", "-c", str(folder / "screenrc"), "-S", "test", "sh"]
        self.terminal = self._open(command)
        self.terminal.wait_for(r"shell\$")

    def _open(self, command: list[str]) -> Terminal:
        return Terminal(
            command, columns=100, rows=30, environment=self._environment, cwd=Path.cwd()
        )

    def run(self, *arguments: str) -> None:
        """Give the session a command, as `screen -X` does."""
        subprocess.run(
            ["screen", "-S", "test", *arguments],
            env={"PATH": os.environ["PATH"], **self._environment},
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )

    def type(self, command: str) -> None:
        """Type a command of the shell."""
        self.terminal.press(command, "Enter")

    def close(self) -> None:
        """End the session with everything in it."""
        subprocess.run(
            ["screen", "-S", "test", "-X", "quit"],
            env={"PATH": os.environ["PATH"], **self._environment},
            check=False,
            capture_output=True,
            timeout=PATIENCE,
        )
        self.terminal.close()

    def detach(self) -> None:
        """Detach the session, and close its terminal."""
        self.run("-d")
        self.terminal.wait_for_exit()
        self.terminal.close()

    def attach(self) -> None:
        """Show the session in another terminal."""
        self.terminal = self._open(["screen", "-c", "/dev/null", "-r", "test"])


@pytest.fixture
def screen(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Screen]:
    needs("screen")
    screen = Screen(tmp_path, getattr(request, "param", ""))
    yield screen
    screen.close()


def open_dashboard(screen: Screen, tree: str) -> None:
    screen.type(shlex.join([*KMODTUI, "--root", tree]))
    screen.terminal.wait_for("Waiting for a module", timeout=60)


@pytest.mark.parametrize(
    ("screen", "restored"),
    [pytest.param("", False, id="as it is"), pytest.param("altscreen on\n", True, id="altscreen")],
    indirect=["screen"],
)
def test_the_picture_is_whole_and_the_next_line_of_the_shell_is_clean(
    screen: Screen, tree: str, restored: bool
) -> None:
    terminal = screen.terminal
    screen.type("echo earlier$((1)) output")
    terminal.wait_for("earlier1 output")
    open_dashboard(screen, tree)
    for key, words in (("?", "keys, columns and flags"), ("+", "Load a module")):
        terminal.press(key)
        terminal.wait_for(words)
        terminal.settle()
        shown = terminal.lines()
        terminal.press("Ctrl+l")  # sends everything: nothing may look different then
        terminal.settle()
        assert terminal.lines() == shown
        terminal.press("Esc")
        terminal.wait_for(lambda t, words=words: words not in t.text())
    terminal.press("q")
    terminal.wait_for(lambda t: "Modules" not in t.text())
    assert ("earlier1 output" in terminal.text()) is restored
    screen.type("stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | tr '\\n' '+'; echo $?")
    terminal.wait_for(r"icanon\+echo\+0")
    assert "─" not in terminal.text()
    assert not terminal.screen.cursor.hidden


def test_it_goes_on_while_it_is_detached_and_ends_with_the_session(
    screen: Screen, tree: str, tmp_path: Path
) -> None:
    open_dashboard(screen, tree)
    (dashboard,) = running(tree)
    screen.terminal.press("?")
    screen.terminal.wait_for("keys, columns and flags")
    screen.detach()
    assert running(tree) == [dashboard]
    screen.attach()
    screen.terminal.wait_for("keys, columns and flags")
    screen.terminal.press("Esc")
    screen.terminal.wait_for("Waiting for a module")
    screen.run("-X", "quit")
    deadline = time.monotonic() + PATIENCE
    while running(tree):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(tree: str) -> list[int]:
    """The dashboards of a tree."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[1:] == [*KMODTUI[1:], "--root", tree, ""]:
            found.append(int(path.parent.name))
    return found
