"""Work in the background: whatever it raises, kmodtui goes on, says so, and logs the traceback."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import KmodtuiError
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.panes.pane import Pane
from tests.ui.stage import opened

UI = Path(__file__).parents[2] / "kmodtui" / "ui"


async def broken() -> None:
    raise ZeroDivisionError("on purpose")


@pytest.mark.parametrize("where", ["dashboard", "dialog", "pane"])
async def test_an_unforeseen_error_ends_nothing(
    demo: Demo, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(demo, faults=["on purpose"]) as stage:
        if where == "dialog":
            await stage.press("a")
            await stage.until(lambda: isinstance(stage.screen, Dialog))
        node = stage.dashboard.panes["tree"] if where == "pane" else stage.screen
        assert isinstance(node, Pane | Dialog | type(stage.dashboard))
        failures: list[Exception] = []
        if isinstance(node, Pane):
            node.work(broken, "test")
        else:
            node.work(broken, "test", failed=failures.append)
        await stage.until("Internal error (a bug in kmodtui). See the log file.")
        assert stage.app.is_running
        assert where == "pane" or [str(failure) for failure in failures] == ["on purpose"]
        if where == "dialog":
            await stage.press("escape")
            await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.press("G")
        await stage.until(lambda: stage.cursor == stage.modules[-1])
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_an_expected_error_is_a_sentence(demo: Demo) -> None:
    async def refused() -> None:
        raise KmodtuiError("The file is missing.", "Look for it.")

    async with opened(demo) as stage:
        stage.dashboard.work(refused, "test")
        await stage.until("The file is missing. Look for it.")


def test_no_work_is_started_without_the_guard() -> None:
    unguarded = re.compile(r"\brun_worker\(|@work\b")
    found = [
        path.name for path in UI.rglob("*.py") if unguarded.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["background.py"]


def test_every_screen_has_the_one_base() -> None:
    own = re.compile(r"^class \w+\([^)]*\b(ModalScreen|Screen|Input)\b", re.MULTILINE)
    found = {path.name for path in UI.rglob("*.py") if own.search(path.read_text(encoding="utf-8"))}
    assert found == {"base.py", "dialog.py", "input_line.py"}
