"""Ctrl+L repairs what another program has written over the dashboard."""

from __future__ import annotations

import pytest

from tests.terminal.conftest import Open


@pytest.mark.parametrize("term", ["xterm-256color", "linux", "vt100"])
def test_ctrl_l_repaints_what_another_program_has_overwritten(
    open_terminal: Open, tree: str, term: str
) -> None:
    terminal = open_terminal("--root", tree, columns=80, rows=24, term=term)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.settle()
    before = terminal.lines()
    # As `wall` or the console of the kernel do: the dashboard is not told.
    terminal._stream.feed(b"\x1b[5;3H\x1b[7mBroadcast message\r\n\n\x1b[0m from another program")
    assert terminal.lines() != before
    terminal.press("Ctrl+l")
    terminal.wait_for(lambda t: t.lines() == before)
