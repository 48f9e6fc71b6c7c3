"""However kmodtui ends, the terminal is as it was before, and nothing goes on behind it."""

from __future__ import annotations

import signal
import termios
import time
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tests.support.working import processes
from tests.terminal.conftest import KMODTUI, Open


def test_quitting_gives_the_terminal_back_as_it_was(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree)
    before = termios.tcgetattr(terminal._master)
    terminal.wait_for("1 Modules", timeout=30)
    assert terminal.is_full_screen
    assert termios.tcgetattr(terminal._master) != before
    terminal.press("q")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_as_before
    assert termios.tcgetattr(terminal._master) == before
    assert terminal.text().strip() == ""


def test_what_was_on_the_screen_is_there_again(tree: str, tmp_path: Path) -> None:
    with Terminal(["sh"], environment={"HOME": str(tmp_path), "PS1": "$ "}) as terminal:
        terminal.press("echo be$((3*4))fore", "Enter")
        terminal.wait_for("be12fore")
        terminal.press(f"{' '.join(KMODTUI)} --root {tree}; echo status $?", "Enter")
        terminal.wait_for("1 Modules", timeout=30)
        terminal.press("q")
        terminal.wait_for("status 0")
        assert "be12fore" in terminal.text()
        assert terminal.is_as_before


@pytest.mark.parametrize("arguments", [("--demo",), ("--root", "TREE")])
def test_a_lost_connection_ends_it(
    open_terminal: Open, tree: str, arguments: tuple[str, ...]
) -> None:
    """The directory of a demo may stay if the machine is busy; the next demo removes it."""
    terminal = open_terminal(*(tree if word == "TREE" else word for word in arguments))
    terminal.wait_for("1 Modules", timeout=30)
    terminal.hang_up()
    terminal.wait_for_exit()
    assert not processes(terminal.mark)


def test_a_terminal_that_goes_without_a_signal_ends_it_as_well(tmp_path: Path) -> None:
    """As under `su -c`, which puts it into a session of its own, without a terminal."""
    command = ["setsid", "--wait", *KMODTUI, "--demo"]
    with Terminal(command, environment={"TMPDIR": str(tmp_path)}) as terminal:
        terminal.wait_for("1 Modules", timeout=30)
        assert processes(terminal.mark), "it shows no sign of life"
        terminal.hang_up()
        deadline = time.monotonic() + 30
        while processes(terminal.mark):
            assert time.monotonic() < deadline, "it goes on without a terminal"
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_terminal_given_back(
    open_terminal: Open, tree: str, number: signal.Signals
) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.process.send_signal(number)
    terminal.wait_for_exit()
    assert terminal.is_as_before


def test_ctrl_c_does_not_end_it_but_says_how_to(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press("Ctrl+c")
    terminal.wait_for(r"(?i)press.*q.*to quit")
    terminal.press("Ctrl+q")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_as_before


def test_esc_never_quits(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("1 Modules", timeout=30)
    for _ in range(3):
        terminal.press("Esc")
        terminal.settle(quiet=0.2)
    assert terminal.process.poll() is None
    assert terminal.is_full_screen


def test_the_screen_without_modules_opens_the_demo_and_leaves_as_cleanly(
    open_terminal: Open, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    (bare / "proc").mkdir(parents=True)
    (bare / "proc" / "kallsyms").write_text("0000000000000000 T _stext\n")
    terminal = open_terminal("--root", str(bare))
    terminal.wait_for("no loadable modules", timeout=30)
    terminal.wait_for("_stext")
    terminal.press("d")
    terminal.wait_for("DEMO", timeout=30)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press("q")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_as_before
    assert not list(tmp_path.glob("kmodtui-demo-*"))
