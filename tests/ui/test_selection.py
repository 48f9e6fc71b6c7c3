"""Commands that act on what is selected; without a selection, they say so."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from tests.ui.stage import opened


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=str)
async def test_enter_twice_on_a_module_goes_to_its_details_and_esc_back(
    demo: Demo, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await stage.select("ext4")
        stage.send("enter", "enter")
        await stage.until("3 Info: ext4", lambda: stage.focused_pane == "info")
        await stage.press("escape")
        await stage.until(lambda: stage.focused_pane == "modules")
        assert stage.cursor == "ext4"


@pytest.mark.parametrize("key", ["b", "minus", "R", "e", "o", "space"])
async def test_a_command_without_a_module_says_so(demo: Demo, key: str) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("nosuchmodule")
        await stage.press("enter")
        await stage.until(
            lambda: "“nosuchmodule”. Esc clears the filter." in stage.pane_words("modules")
        )
        await stage.press(key)
        await stage.until(lambda: "No module selected" in stage.toasts)
        assert stage.screen is stage.dashboard


@pytest.mark.parametrize(
    ("key", "title"),
    [("enter", "Nothing selected"), ("m", "No symbol selected"), ("t", "No symbol selected")],
)
async def test_a_command_of_the_browser_without_a_symbol_says_so(
    demo: Demo, key: str, title: str
) -> None:
    async with opened(demo) as stage:
        await stage.press("B")
        await stage.until("search:")
        await stage.type("=no_such_symbol")
        await stage.until("No symbol matches")
        await stage.press("tab")
        await stage.press(key)
        await stage.until(lambda: title in stage.toasts)
