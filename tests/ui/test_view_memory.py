"""The dashboard begins with the order, filter, pane and layout of the last session."""

from __future__ import annotations

from pathlib import Path

from kmodtui.demo import Demo
from kmodtui.services.view_memory import View, ViewMemory
from tests.ui.stage import opened


async def test_it_begins_as_it_ended(demo: Demo, tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    async with opened(demo, memory=ViewMemory(path, "demo")) as stage:
        await stage.press("s", "s", "S", "|", "slash", *"ext", "enter")
        await stage.press("3", "}")
        await stage.until("/ext", "size ▴", lambda: stage.focused_pane == "info")
        await stage.calm()
        before = stage.lines[1:-1]
        await stage.press("q")
    async with opened(demo, memory=ViewMemory(path, "demo")) as stage:
        await stage.until("/ext", "size ▴", lambda: stage.focused_pane == "info")
        await stage.until(lambda: stage.lines[1:-1] == before)
    other = ViewMemory(path, "other")
    other.view = View(pane="no such pane", order="no such order", filter_text="/(/")
    async with opened(demo, memory=other) as stage:
        await stage.until(lambda: len(stage.modules) == 10, "newest first")
        assert stage.focused_pane == "modules"


async def test_hints_disappear_once_their_keys_were_used(demo: Demo, tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    async with opened(demo, memory=ViewMemory(path, "demo")) as stage:
        await stage.until("Try: / filter · + load · ? help", "d: dependents", "w: why")
        await stage.press("d", "w")
        await stage.until_gone("w: why")
        await stage.until_gone("d: depend")
        await stage.press("question_mark")
        await stage.until("keys, columns and flags")
        await stage.press("escape", "slash", "e", "enter")
        await stage.until(lambda: "Try: + load" in stage.lines[-2])
        await stage.press("q")
    async with opened(demo, memory=ViewMemory(path, "other")) as stage:
        await stage.until("Try: + load", "I: modinfo", "v: symbols")
        assert "d: depend" not in stage.text
        await stage.press("+")
        await stage.until("Load a module")
        await stage.press("escape")
        await stage.until_gone("Load a module")
        assert "Try:" not in stage.text
