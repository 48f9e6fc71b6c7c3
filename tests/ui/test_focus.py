"""After a dialog the focus is where it was, and commands act on what the filter shows."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.ui.stage import Stage, opened

PANES = {"modules": "1", "tree": "2", "info": "3", "symbols": "4", "log": "L"}


async def closed(stage: Stage) -> None:
    await stage.until(lambda: stage.screen is stage.dashboard)
    await stage.handled()


@pytest.mark.parametrize("pane", PANES)
@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=str)
async def test_after_the_result_of_a_load_the_focus_is_where_it_was(
    demo: Demo, pane: str, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await stage.press(PANES[pane])
        if pane == "log":
            await stage.until("y read")
            await stage.press("y")
        await stage.until(lambda: stage.focused_pane == pane)
        before = stage.app.focused
        await stage.load("dummy")
        assert stage.app.focused is before
        await stage.until(lambda: stage.dashboard._modules.selected == "dummy")


async def test_after_a_load_the_focus_is_in_the_view_that_shows_the_change(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("4", "v")
        await stage.until("4 Symbols of ")
        await stage.load("dummy")
        await stage.until("4 Change 1")
        assert stage.focused_pane == "symbols"
        await stage.press("j")
        assert stage.highlighted("#change-lines")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("question_mark", "Esc close"),
        ("a", "Esc"),
        ("B", "All symbols of /proc/kallsyms"),
        ("t", "Timeline"),
        ("c", "Modules of 6.1"),
        ("o", "Linkage of"),
        ("minus", "Unload hello"),
        ("R", "Unload hello|Reload hello"),
        ("e", "Parameters of hello"),
        ("x", "Experiment"),
        ("plus", "Load a module"),
        ("colon", "Search for commands"),
    ],
)
async def test_a_dialog_that_is_left_changes_no_focus(demo: Demo, keys: str, words: str) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("3")
        await stage.until(lambda: stage.focused_pane == "info")
        await stage.press(keys)
        await stage.until(lambda: any(one in stage.text for one in words.split("|")))
        await stage.until(lambda: stage.screen is not stage.dashboard)
        await stage.press("escape")
        await closed(stage)
        assert stage.focused_pane == "info"


async def test_a_filter_and_a_minus_after_a_load_mean_the_module_that_the_filter_shows(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.load("tun")
        await stage.load("btrfs")
        stage.send("slash", *"tun", "enter", "minus")
        await stage.until("Unload tun", "y unload")
        assert stage.dashboard._modules.filter_text == "tun"


async def test_typing_replaces_the_old_filter(demo: Demo) -> None:
    async with opened(demo) as stage:
        stage.send("slash", *"ext", "enter")
        await stage.until("/ext · 1 of 10")
        await stage.press("slash")
        await stage.until("filter modules: ext")
        await stage.type("net")
        await stage.until("filter modules: net", "/net · ")
        await stage.press("enter", "slash", "enter")
        await stage.until("/net · ")


async def test_an_arrow_keeps_the_old_filter_for_editing(demo: Demo) -> None:
    async with opened(demo) as stage:
        stage.send("slash", *"ex", "enter")
        await stage.until("/ex · ")
        stage.send("slash", "right", "t")
        await stage.until("filter modules: ext")
        await stage.press("enter", "slash")
        await stage.until("filter modules: ext")
        await stage.press("backspace")
        await stage.until(lambda: "filter modules: ext" not in stage.text)
        await stage.press("enter")
        await stage.until(lambda: len(stage.modules) == 10)


@pytest.mark.parametrize("key", ["minus", "R", "b"])
async def test_marked_modules_that_the_filter_hides_are_not_acted_on(
    demo: Demo, kernel: SimulatedKernel, key: str
) -> None:
    kernel.load("tun")
    async with opened(demo) as stage:
        await stage.select("tun")
        await stage.press("space")
        await stage.until("1 marked")
        stage.send("slash", *"hello", "enter", key)
        await stage.until(lambda: "The filter hides 1 marked module: tun." in stage.toasts)
        assert stage.screen is stage.dashboard
        # As the message says.
        stage.send("slash", "escape", "minus")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog))
        await stage.until("Unload tun")


@pytest.mark.parametrize("key", ["minus", "R", "b", "e", "o"])
async def test_where_the_filter_shows_no_module_a_command_says_so(demo: Demo, key: str) -> None:
    async with opened(demo) as stage:
        stage.send("slash", *"xyz", "enter", key)
        await stage.until(lambda: "No loaded module matches the filter “xyz”." in stage.toasts)
        assert stage.screen is stage.dashboard
