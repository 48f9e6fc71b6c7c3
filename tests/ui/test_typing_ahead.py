"""Keys that come faster than they are handled: they mean what they meant when they were typed."""

from __future__ import annotations

import asyncio

import pytest
from textual import events

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.widgets.filter_bar import FilterInput
from tests.ui.stage import Stage, opened


@pytest.mark.parametrize("text", ["udq", "qqq", "dup", "sSz", "1234", "v?:", "i-u+", "jkgG"])
async def test_letters_right_behind_a_slash_go_into_the_filter(
    demo: Demo, kernel: SimulatedKernel, text: str
) -> None:
    async with opened(demo) as stage:
        stage.send("slash", *text)
        await stage.until(f"filter modules: {text}", f"/{text} · 0 of 10")
        assert stage.app.is_running
        assert stage.screen is stage.dashboard


async def test_escape_and_enter_end_the_typing_for_the_keys_behind_them(demo: Demo) -> None:
    async with opened(demo) as stage:
        stage.send("slash", *"ext", "enter", "s")
        await stage.until("/ext · 1 of 10 · name ▴")
        stage.send("slash", *"abc", "escape", "s")
        await stage.until("size ▾", lambda: len(stage.modules) == 10)


async def test_a_line_that_is_open_again_keeps_the_focus(demo: Demo) -> None:
    """On a slow machine it hears of its going only then."""
    async with opened(demo) as stage:
        stage.send("slash", *"ex")
        await stage.until("filter modules: ex")
        stage.dashboard.query_one(FilterInput).post_message(events.Hide())
        await stage.calm()
        stage.send("t")
        await stage.until("filter modules: ext", "/ext · ")


@pytest.mark.parametrize("text", ["net", "failo", "o"])
async def test_a_move_right_behind_the_filter_is_one_in_what_it_shows(
    demo: Demo, text: str
) -> None:
    """`G` is the last of the hits, never the last of what stood there while it was typed."""
    async with opened(demo) as stage:
        first, last = stage.modules[0], [name for name in stage.modules if text in name][-1]
        for _ in range(5):
            stage.send("slash", *text, "enter", "G")
            await stage.until(f"Info: {last}", f"/{text} · ")
            stage.send("escape", "g")
            await stage.until(f"Info: {first}")


async def test_letters_right_behind_plus_go_into_the_name(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        stage.send("plus", *"dummyq")
        await stage.until("Load a module", lambda: "dummyq" in stage.words)
        assert isinstance(stage.screen, ModulePicker)


async def test_the_whole_load_typed_in_one_go_stops_at_the_plan(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        stage.send("plus", *"tun", "enter", "y", "y", "y")
        await stage.until("Load tun", " y load")
        await stage.calm()
        assert isinstance(stage.screen, PlanDialog)
        assert "tun" not in kernel.loaded
        await stage.press("y")
        await stage.until("Loaded tun")


async def test_a_y_right_behind_the_key_that_unloads_never_confirms(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        stage.send("u", "y", "y", "y")
        await stage.until("Unload hello", "y unload")
        await stage.calm()
        assert "hello" in kernel.loaded
        assert isinstance(stage.screen, PlanDialog)


async def test_a_y_that_comes_in_before_the_dialog_is_on_the_screen_never_confirms(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        stage.send("u")
        await opened_unseen(stage)
        assert "Unload hello" not in stage.text, "the test is to be earlier than the screen"
        stage.send("y")
        await stage.until("y unload")
        await stage.calm()
        assert "hello" in kernel.loaded
        assert "y unload" in stage.text
        await stage.press("y")
        await stage.until("Unloaded hello")


async def test_commands_typed_ahead_go_where_the_keys_before_them_lead(demo: Demo) -> None:
    async with opened(demo) as stage:
        stage.send("I", "3", "z", "slash", *"verm")
        await stage.until("filter info: verm", lambda: "vermagic" in stage.pane("info"))
        await stage.until(lambda: "srcversion" not in stage.text)


async def test_moving_is_not_lost_in_a_burst(demo: Demo) -> None:
    async with opened(demo) as stage:
        stage.send(*["j"] * 7, "k", "k")
        await stage.until(lambda: stage.cursor == stage.modules[5])
        await showing_everywhere(stage, stage.modules[5])


async def showing_everywhere(stage: Stage, name: str) -> None:
    await stage.until(f"3 Info: {name}", lambda: f"▾ {name}" in stage.pane("tree"))


async def opened_unseen(stage: Stage) -> None:
    """Wait until a dialog has been opened, and not a moment longer."""
    while True:
        await asyncio.sleep(0)
        if stage.app.screen is not stage.dashboard:
            return
