"""The terminal for tests behaves like a real one."""

import re
import signal
import sys

import pytest

from tests.support.terminal import Terminal

SHELL = ["sh"]


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_it_shows_output_and_sends_keys() -> None:
    with Terminal(SHELL, columns=40, rows=10) as terminal:
        terminal.press("echo $((6*7)) $TERM; tput cols; tput lines", "Enter")
        terminal.wait_for("42 xterm-256color\n40\n10\n")


def test_it_returns_the_exit_status() -> None:
    with Terminal(["sh", "-c", "exit 3"]) as terminal:
        assert terminal.wait_for_exit() == 3


def test_waiting_ends_with_the_program_and_reports_the_screen() -> None:
    with (
        Terminal(["echo", "something else"]) as terminal,
        pytest.raises(AssertionError, match=r"(?s)the program ended.*something else"),
    ):
        terminal.wait_for("never printed", timeout=60)


def test_a_new_size_reaches_the_program() -> None:
    script = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "print('ready', flush=True)\n"
        "signal.sigwait([signal.SIGWINCH])\n"
        "print(os.get_terminal_size(), flush=True)\n"
    )
    with Terminal(python(script), columns=80, rows=24) as terminal:
        terminal.wait_for("ready")
        terminal.resize(60, 20)
        terminal.wait_for(re.escape("columns=60, lines=20"))


def test_hanging_up_is_noticed_by_the_program() -> None:
    with Terminal(["sh", "-c", "echo ready; exec sleep 60"]) as terminal:
        terminal.wait_for("ready")
        terminal.hang_up()
        assert terminal.wait_for_exit() == -signal.SIGHUP


def test_the_alternate_screen_hides_and_restores_the_shell() -> None:
    script = (
        "import sys\n"
        "w = lambda s: (sys.stdout.write(s), sys.stdout.flush())\n"
        "w('before\\r\\n\\x1b[?1049h\\x1b[?25l\\x1b[?1003h\\x1b[>1u\\x1b[?2026$p\\x1b[Hfull')\n"
        "input()\n"
        "w('\\x1b[<u\\x1b[?1003l\\x1b[?25h\\x1b[?1049lafter')\n"
        "input()\n"
    )
    with Terminal(python(script), columns=20, rows=4) as terminal:
        terminal.wait_for("full")
        assert "before" not in terminal.text()
        assert terminal.is_full_screen
        assert not terminal.is_as_before
        terminal.press("Enter")
        terminal.wait_for("after")
        assert terminal.lines()[:2] == ["before", "after"]
        assert terminal.is_as_before


def test_it_counts_the_bytes_of_output() -> None:
    with Terminal(["cat"]) as terminal:
        assert terminal.output_within(0.3) == 0
        terminal.press("x")
        assert terminal.output_within(1.5) == 1  # this can take long on a busy machine


def test_a_key_right_after_escape_would_be_another_key() -> None:
    with Terminal(["cat"]) as terminal, pytest.raises(ValueError, match="Esc"):
        terminal.press("Esc", "q")


@pytest.mark.parametrize("key", ["Escape", "Alt+x", "F13", "PgDn"])
def test_an_unknown_key_is_not_typed_as_text(key: str) -> None:
    with Terminal(["cat"]) as terminal, pytest.raises(ValueError, match="no key"):
        terminal.press(key)
