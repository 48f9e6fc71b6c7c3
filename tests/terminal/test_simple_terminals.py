"""Terminals that understand little: they are asked nothing, and get no command they would print."""

from __future__ import annotations

import os
import re
import select
import termios
import threading
import time

import pytest

from kmodtui.ui.terminal import modes
from tests.terminal.conftest import Open

QUESTION = b"\x1b[?2026$p"
ANSWER = b"\x1b[?2026;2$y"

# What a VT220 knows, or ignores as a whole: CSI with numbers, private modes, character sets.
PLAIN = re.compile(rb"\x1b(?:\[\??[0-9;]*[A-Za-z]|[()][A-Z0-9]|[78=>M])")


@pytest.mark.parametrize("term", ["linux", "vt100", "vt220", "ansi", "screen"])
def test_simple_terminals_get_plain_sequences_only(
    open_terminal: Open, tree: str, term: str
) -> None:
    terminal = open_terminal("--root", tree, term=term, columns=80, rows=24)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press("?")
    terminal.wait_for("keys, columns and flags")
    terminal.press("Esc")
    terminal.wait_for(lambda t: "keys, columns and flags" not in t.text())
    terminal.press("q")
    assert terminal.wait_for_exit() == 0
    left = PLAIN.sub(b"", bytes(terminal.raw))
    assert b"\x1b" not in left, re.findall(rb"\x1b.{0,12}", left)


def test_other_terminals_are_asked(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("1 Modules", timeout=30)
    assert QUESTION in terminal.raw


def test_an_answer_that_is_on_its_way_is_not_left_to_the_shell() -> None:
    """After `q`, the program waits for it and discards it."""
    master, slave = os.openpty()
    modes.set_attributes(slave, modes.raw(termios.tcgetattr(slave)))
    waiting = threading.Thread(
        target=modes.await_input, args=(slave,), kwargs={"until": time.monotonic() + 60}
    )
    waiting.start()
    os.write(master, ANSWER)
    waiting.join(30)
    assert not waiting.is_alive()
    modes.discard_input(slave)
    assert select.select([slave], [], [], 0)[0] == []
    modes.await_input(slave, until=0.0)  # returns at once
    for descriptor in (master, slave):
        os.close(descriptor)


@pytest.mark.parametrize("encoding", ["iso8859-1", "ascii", "koi8-r"])
def test_without_utf_8_frames_are_drawn_with_ascii(
    open_terminal: Open, tree: str, encoding: str
) -> None:
    terminal = open_terminal(
        "--root", tree, term="linux", environment={"PYTHONIOENCODING": encoding}
    )
    terminal.wait_for("1 Modules", timeout=30)
    if encoding != "koi8-r":  # which has the characters of frames
        assert "+- 1 Modules -" in terminal.text()
        assert all(byte < 0x100 for byte in terminal.raw)
    assert "?" * 3 not in terminal.text()
    terminal.press("q")
    assert terminal.wait_for_exit() == 0
