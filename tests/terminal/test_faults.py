"""An internal error: one line on the terminal, the traceback in the log file."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.terminal import Terminal

BROKEN = """
from kmodtui.ui.widgets.panes.modules import ModulesPane
from kmodtui.cli import run
def broken(self): raise RuntimeError("on purpose")
ModulesPane.sort_next = broken
raise SystemExit(run(["--root", {root!r}]))
"""


def test_an_internal_error_restores_the_terminal_and_is_logged(tree: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BROKEN.format(root=tree)]
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with Terminal(command, environment=environment, cwd=Path.cwd()) as terminal:
        terminal.wait_for("1 Modules", timeout=30)
        terminal.press("s")
        assert terminal.wait_for_exit() == 1
        assert terminal.is_as_before
        assert "kmodtui: internal error (a bug in kmodtui). See" in terminal.text()
        assert "on purpose" not in terminal.text()
        (log,) = (tmp_path / "state").rglob("kmodtui.log")
        assert str(log) in terminal.text().replace("\n", "")
    text = log.read_text()
    assert "Traceback" in text
    assert "RuntimeError: on purpose" in text


IN_A_THREAD = """
import asyncio, threading
from kmodtui.ui.terminal.keyboard import Keyboard
from kmodtui.ui.widgets.panes.modules import ModulesPane
from kmodtui.cli import run
def broken(*_): raise RuntimeError("on purpose")
def elsewhere(self):
    threading.Thread(target=broken).start()
    asyncio.get_running_loop().call_soon(broken)
ModulesPane.sort_next = elsewhere
feed = Keyboard.feed
Keyboard.feed = lambda self, data: broken() if data == b"F" else feed(self, data)
raise SystemExit(run(["--root", {root!r}]))
"""


def test_a_failure_beside_the_application_is_logged_and_a_deaf_dashboard_ends(
    tree: str, tmp_path: Path
) -> None:
    """In a thread, in a callback of the event loop, and in the thread that reads the keys."""
    command = [sys.executable, "-c", IN_A_THREAD.format(root=tree)]
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with Terminal(command, environment=environment, cwd=Path.cwd()) as terminal:
        terminal.wait_for("1 Modules", timeout=30)
        terminal.press("s")
        terminal.settle()
        assert terminal.is_full_screen
        terminal.press("F")
        assert terminal.wait_for_exit() not in (0, None)
        assert terminal.is_as_before
        assert "on purpose" not in terminal.text()
    (log,) = (tmp_path / "state").rglob("kmodtui.log")
    assert log.read_text().count("RuntimeError: on purpose") == 3
