"""Nothing changes, nothing is written: kmodtui is used over slow lines and left open for days."""

from __future__ import annotations

import pytest

from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.terminal.conftest import Open


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.full)])
def test_without_a_change_no_byte_is_written(open_terminal: Open, tree: str, seconds: int) -> None:
    terminals = [
        open_terminal(*arguments, columns=columns, rows=rows)
        for arguments in (("--root", tree), ("--demo",))
        for columns, rows in ((80, 24), (200, 50))
    ]
    for terminal in terminals:
        terminal.wait_for("1 Modules", timeout=30)
    for terminal in terminals:
        terminal.settle(quiet=1.5)
    before = [len(terminal.raw) for terminal in terminals]
    assert terminals[0].output_within(seconds) == 0
    assert [len(terminal.raw) for terminal in terminals] == before


def test_a_reading_that_is_asked_for_writes_no_byte_either(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree, "--interval", "0.2")
    terminal.wait_for("1 Modules", timeout=30)
    terminal.settle(quiet=1.5)
    terminal.press("r", "F5")
    assert terminal.output_within(2) == 0


@pytest.mark.parametrize(("key", "words"), [("/", "filter modules"), ("+", "Load a module")])
def test_a_line_to_type_into_is_silent_while_nobody_types(
    open_terminal: Open, key: str, words: str
) -> None:
    terminal = open_terminal("--demo")
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press(key)
    terminal.wait_for(words)
    terminal.settle(quiet=1.5)
    assert terminal.output_within(3) == 0


def test_what_changes_is_written_and_nothing_more(
    open_terminal: Open, kernel: SimulatedKernel, tree: str
) -> None:
    terminal = open_terminal("--root", tree, "--interval", "0.2", columns=80, rows=24)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.settle(quiet=1.5)
    repaint = len(terminal.raw)
    kernel.hold("ext4", 1)
    terminal.wait_for(lambda t: " 2 " in t.line_with("ext4"))
    terminal.settle()
    # One row of a screen, not the screen.
    assert len(terminal.raw) - repaint < 1000
