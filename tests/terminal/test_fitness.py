"""Where there is no terminal, or one that cannot do it, kmodtui says so and leaves it as it is."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.terminal.conftest import KMODTUI, Open

ESCAPE = b"\x1b"


@pytest.mark.parametrize("missing", ["stdin", "stdout", "stderr"])
def test_without_a_terminal_it_says_which_stream_is_none(missing: str, tree: str) -> None:
    master, slave = os.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    del streams[missing]
    streams[missing] = subprocess.DEVNULL if missing == "stdin" else subprocess.PIPE
    done = subprocess.run([*KMODTUI, "--root", tree], **streams, timeout=30, check=False)  # type: ignore[call-overload]
    os.close(slave)
    os.set_blocking(master, False)
    said = (done.stdout or b"") + (done.stderr or b"")
    with contextlib.suppress(OSError):  # nothing was written there
        said += os.read(master, 65536)
    os.close(master)
    assert done.returncode == 2
    word = {"stdin": "input", "stdout": "output", "stderr": "error"}[missing]
    assert f"needs a terminal, and standard {word} is not a terminal".encode() in said
    assert len(said.splitlines()) == 2  # what is wrong, and what to do
    assert ESCAPE not in said


def test_without_any_stream_it_ends_all_the_same(tree: str) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *KMODTUI, "--root", tree], timeout=30, check=False
    )
    assert done.returncode == 2


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_draw_is_named_and_left_alone(
    open_terminal: Open, tree: str, term: str
) -> None:
    terminal = open_terminal("--root", tree, term=term)
    assert terminal.wait_for_exit(30) == 2
    assert f"“{term or 'none'}”" in terminal.text()
    assert ESCAPE not in terminal.raw


def test_the_verbs_print_on_any_terminal(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("list", "--root", tree, term="dumb")
    assert terminal.wait_for_exit(30) == 0
    assert "ext4" in terminal.text()
    assert ESCAPE not in terminal.raw


def test_a_terminal_that_is_too_small_says_so_and_recovers(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree, columns=20, rows=5)
    terminal.wait_for("too small", timeout=30)
    terminal.wait_for("40×10")
    terminal.resize(80, 24)
    terminal.wait_for("1 Modules")
    terminal.wait_for(lambda t: "too small" not in t.text())
    terminal.resize(20, 5)
    terminal.wait_for("too small")
    terminal.resize(1, 1)
    terminal.settle()
    terminal.resize(120, 40)
    terminal.wait_for("3 Info")
    terminal.press("q")
    assert terminal.wait_for_exit() == 0


@pytest.mark.parametrize(
    ("keys", "words"), [("?", "keys, columns and flags"), ("+", "Load a module")]
)
def test_a_dialog_lives_through_a_window_that_shrinks(
    open_terminal: Open, keys: str, words: str
) -> None:
    terminal = open_terminal("--demo", columns=100, rows=30)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press(keys)
    terminal.wait_for(words)
    terminal.resize(20, 5)
    terminal.settle()
    terminal.resize(100, 30)
    terminal.wait_for(words)
    terminal.press("Esc")
    terminal.wait_for(lambda t: "1 Modules" in t.text() and words not in t.text())
    terminal.press("q")
    assert terminal.wait_for_exit() == 0


def test_the_smallest_that_is_promised_shows_every_pane(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree, columns=40, rows=10)
    for key, words in (("1", "1 Modules"), ("2", "2 Dep"), ("3", "3 Info"), ("4", "4 Change")):
        terminal.wait_for("Modules", timeout=30)
        terminal.press(key)
        terminal.wait_for(f"─ {words}")


def test_a_folder_that_is_no_system_is_told_on_one_screenful(
    open_terminal: Open, tmp_path: Path
) -> None:
    terminal = open_terminal("--root", str(tmp_path / "nowhere"))
    assert terminal.wait_for_exit(30) == 2
    assert "is not a directory" in terminal.text()
    assert ESCAPE not in terminal.raw
