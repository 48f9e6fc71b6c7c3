"""The menu of a line: Enter or the right button opens it, Enter or a key runs an entry."""

from __future__ import annotations

from textual import events

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.dialogs.menu import MenuDialog
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.ui.kernel_log import open_log
from tests.ui.stage import Stage, opened


async def right_click(stage: Stage, words: str) -> None:
    """Click with the right button on the first place where words are."""
    row = next(number for number, line in enumerate(stage.lines) if words in line)
    column = stage.lines[row].index(words)
    for kind in (events.MouseDown, events.MouseUp):
        event = kind(None, column, row, 0, 0, 3, shift=False, meta=False, ctrl=False)
        event.set_sender(stage.app)
        stage.app.post_message(event)
    await stage.handled()


async def test_the_menu_of_a_module_names_what_is_unavailable_and_why(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.select("crc16")
        await stage.press("enter")
        await stage.until("module crc16", "Parameters", "unavailable: in use by ext4")
        await stage.press("minus")
        await stage.until(lambda: "Unload: in use by ext4." in stage.toasts)
        assert isinstance(stage.screen, MenuDialog)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_a_key_in_the_menu_does_what_it_does_without_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        stage.send("enter", "u")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog), "y unload")
        assert "hello" in stage.words


async def test_nothing_is_done_to_another_module_than_the_menu_was_opened_on(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("enter")
        await stage.until("module hello")
        kernel.unload("hello")
        await stage.until(lambda: "hello" not in stage.app.live.table.by_name)
        await stage.handled()
        await stage.press("u")
        await stage.until(lambda: "hello is no longer there." in stage.toasts)
        assert stage.screen is stage.dashboard


async def test_the_right_button_opens_the_menu_of_any_pane(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.until("─ mbcache")
        await right_click(stage, "─ mbcache")
        await stage.until("module mbcache", "Select this module")
        # The commands of the dashboard act on this module, not on the one that was selected.
        await stage.press("w")
        await stage.until("3 Why: mbcache", lambda: stage.cursor == "mbcache")
        await open_log(stage)
        kernel.printk(6, "EXT4-fs (vda1): mounted")
        await stage.until("EXT4-fs (vda1)")
        await right_click(stage, "EXT4-fs (vda1)")
        await stage.until("Go to the loaded module that the message names")
        await stage.press("enter")
        await stage.until(lambda: stage.cursor == "ext4" and stage.focused_pane == "modules")
