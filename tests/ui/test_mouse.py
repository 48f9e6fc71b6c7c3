"""What the mouse does."""

from __future__ import annotations

import asyncio

import pytest
from textual import events

from kmodtui.demo import Demo
from kmodtui.ui.dialogs import plan as plan_dialog
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.widgets.lines.view import LineView
from tests.ui.stage import Stage, opened


async def click_on(stage: Stage, words: str, times: int = 1) -> None:
    """Click on the first place where words are."""
    row = next(number for number, line in enumerate(stage.lines) if words in line)
    await stage.click(stage.lines[row].index(words), row, times)


async def test_a_click_selects_and_a_double_click_opens_a_module(demo: Demo) -> None:
    async with opened(demo) as stage:
        await click_on(stage, "net_failover ")
        await stage.until(lambda: stage.cursor == "net_failover")
        assert stage.focused_pane == "modules"
        await click_on(stage, "net_failover ", times=2)
        await stage.until(lambda: stage.focused_pane == "info", "3 Info: net_failover")


async def test_a_click_in_the_tree_selects_and_a_double_click_goes_to_the_module(
    demo: Demo,
) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.until("─ mbcache")
        await click_on(stage, "─ mbcache")
        await stage.calm()
        assert stage.cursor == "ext4"
        await click_on(stage, "─ mbcache", times=2)
        await stage.until(lambda: stage.cursor == "mbcache")


async def test_the_wheel_scrolls_and_leaves_the_cursor(demo: Demo) -> None:
    async with opened(demo, size=(80, 12)) as stage:
        await stage.select("hello")
        view = stage.dashboard.query_one("#module-lines", LineView)
        event = events.MouseScrollDown(None, 5, 5, 0, 1, 0, shift=False, meta=False, ctrl=False)
        event.set_sender(stage.app)
        stage.app.post_message(event)
        await stage.until(lambda: view.scroll_offset.y > 0)
        assert view.cursor == 0


@pytest.mark.parametrize("keys", [("?",), ("M",), ("b",), ("C", "o"), ("minus",), ("enter",)])
async def test_a_click_beside_a_dialog_closes_it_and_does_nothing_else(
    demo: Demo, keys: tuple[str, ...]
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        before = len(stage.app.screen_stack)
        for key in keys:
            below = stage.screen
            await stage.press("question_mark" if key == "?" else key)
            await stage.until(lambda seen=below: stage.screen is not seen)
            await stage.handled()
        await stage.click(0, 39)
        await stage.until(lambda: len(stage.app.screen_stack) == before + len(keys) - 1)
        assert "hello" in demo.kernel.loaded


async def test_a_click_beside_a_plan_that_is_carried_out_changes_nothing(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = asyncio.Event(), asyncio.Event()
    original = plan_dialog.perform

    async def slow(*arguments: object, **options: object) -> object:
        begun.set()
        await end.wait()
        return await original(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_dialog, "perform", slow)
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload")
        await stage.press("y")
        await begun.wait()
        await stage.click(0, 39)
        assert isinstance(stage.screen, PlanDialog)
        end.set()
        await stage.until("Enter close")
        await stage.click(0, 39)
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_a_click_on_a_column_head_sorts_by_it_and_the_next_one_reverses(demo: Demo) -> None:
    async with opened(demo) as stage:
        for head, order in (("size", "size"), ("name", "name"), ("used by", "used by")):
            await click_on(stage, head)
            await stage.until(lambda words=order: f" {words} " in subtitle(stage))
            first = subtitle(stage)
            await click_on(stage, head)
            await stage.until(lambda seen=first: subtitle(stage) != seen)
        await stage.click(1, 2)
        await stage.until(lambda: "newest first" in subtitle(stage))


def subtitle(stage: Stage) -> str:
    return stage.part("#modules")[-1]


async def test_the_keys_of_the_footer_can_be_clicked(demo: Demo) -> None:
    async with opened(demo) as stage:
        await click_on(stage, "Zoom")
        await stage.until(lambda: "2 Dependencies" not in stage.text)
        await click_on(stage, "Zoom")
        await stage.until("2 Dependencies")
        await click_on(stage, "Timeline")
        await stage.until("0 events")
        await click_on(stage, "Esc Back")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_the_tabs_of_a_narrow_terminal_can_be_clicked(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        for words, pane in (("Tree", "tree"), ("Symbols", "symbols"), ("Modules", "modules")):
            row = stage.lines[1]
            await stage.click(row.index(words), 1)
            await stage.until(lambda name=pane: stage.focused_pane == name)
