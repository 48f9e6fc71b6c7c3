"""Ctrl+Z suspends kmodtui like any program, where a shell can continue it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.support.terminal import Terminal
from tests.terminal.conftest import KMODTUI, Open


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_repaints(tree: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PS1": "$ "}
    with Terminal(["sh"], environment=environment, cwd=Path.cwd()) as terminal:
        terminal.press(f"{' '.join(KMODTUI)} --root {tree}", "Enter")
        terminal.wait_for("1 Modules", timeout=30)
        # Also while typing a filter, and on another screen.
        for key, shown in (("j", "q Quit"), ("/", "filter modules:"), ("C", "Snapshots")):
            terminal.press(key)
            terminal.wait_for(shown)
            terminal.press("Ctrl+z")
            terminal.wait_for("Stopped")
            assert not terminal.is_full_screen
            terminal.press("echo in$((4*4))between", "Enter")
            terminal.wait_for("in16between")
            terminal.press("clear; fg", "Enter")
            terminal.wait_for(shown)
            if key != "j":
                terminal.press("Esc")
                terminal.wait_for(lambda t, shown=shown: shown not in t.text())
        terminal.wait_for("1 Modules")
        terminal.press("q")
        terminal.wait_for(lambda t: t.is_as_before)
    # The shell is gone with the terminal; nothing may outlive it.
    deadline = time.monotonic() + 30
    while running := [p for p in Path("/proc").glob("[0-9]*") if tree.encode() in command_line(p)]:
        assert time.monotonic() < deadline, running
        time.sleep(0.05)


def test_bg_stops_it_again_and_fg_takes_the_terminal(tree: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PS1": "$ "}
    with Terminal(["sh"], environment=environment, cwd=Path.cwd()) as terminal:
        terminal.press(f"{' '.join(KMODTUI)} --root {tree}", "Enter")
        terminal.wait_for("1 Modules", timeout=30)
        for _ in range(2):
            terminal.press("Ctrl+z")
            terminal.wait_for("Stopped")
            stopped = "jobs > jobs; grep -q Stopped jobs"
            again = f"clear; bg; until {stopped}; do sleep 0.1; done; echo again$((4*4))"
            terminal.press(f"cd {tmp_path}; {again}", "Enter")
            terminal.wait_for("again16")
            terminal.press("clear; fg", "Enter")
            terminal.wait_for("1 Modules", timeout=30)
        terminal.press("q")
        terminal.wait_for(lambda t: t.is_as_before)


def test_fg_takes_the_terminal_from_a_shell_that_saw_it_stop_without_a_warning(
    tree: str, tmp_path: Path
) -> None:
    environment = {"HOME": str(tmp_path), "PS1": "$ "}
    with Terminal(["bash", "--norc"], environment=environment, cwd=Path.cwd()) as terminal:
        terminal.press(f"cd {tmp_path}; stty -a > before; cd {Path.cwd()}", "Enter")
        terminal.press(f"{' '.join(KMODTUI)} --root {tree}", "Enter")
        terminal.wait_for("1 Modules", timeout=30)
        (dashboard,) = [
            int(path.name)
            for path in Path("/proc").glob("[0-9]*")
            if tree.encode() in command_line(path) and b"bash" not in command_line(path)
        ]
        for _ in range(2):
            os.kill(dashboard, signal.SIGSTOP)
            terminal.wait_for("Stopped")
            terminal.press("fg", "Enter")
            terminal.wait_for(lambda t: "1 Modules" in t.text() and "Stopped" not in t.text())
            terminal.press("?")
            terminal.wait_for("keys, columns and flags")
            terminal.press("Esc")
            terminal.wait_for(lambda t: "keys, columns and flags" not in t.text())
        terminal.press("q")
        terminal.wait_for(lambda t: not t.is_full_screen)
        terminal.settle()  # what is typed while it ends would be discarded
        terminal.press(f"cd {tmp_path}; stty -a > after; diff before after && echo sa''me", "Enter")
        terminal.wait_for(r"(?m)^same$")


def command_line(process: Path) -> bytes:
    """The words of a process; none if it has ended."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_without_a_shell_that_could_continue_it_ctrl_z_says_so(
    open_terminal: Open, tree: str
) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press("Ctrl+z")
    terminal.wait_for("not started by a shell with job control")
    terminal.press("q")
    assert terminal.wait_for_exit() == 0
