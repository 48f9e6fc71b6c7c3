"""Copying to the clipboard of the terminal, and saving pages to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.ui.dialogs.copy import CopyDialog
from kmodtui.ui.dialogs.save import SaveDialog
from tests.ui.stage import opened


async def test_a_key_and_enter_copy_the_name_and_say_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("ext4")
        stage.send("y", "enter")
        await stage.until(lambda: "name: ext4" in stage.toasts)
        assert stage.app.clipboard == "ext4"
        await stage.press("y")
        await stage.until("path  ", "line as JSON", "page as Markdown")
        await stage.press("G", "k", "enter")
        await stage.until(lambda: "page as JSON: Modules, 10 lines" in stage.toasts)
        rows = json.loads(stage.app.clipboard)["rows"]
        assert [row["name"] for row in rows] == stage.modules


async def test_where_the_terminal_has_no_clipboard_a_file_is_offered(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(demo) as stage:
        monkeypatch.setenv("TERM", "linux")
        await stage.select("ext4")
        stage.send("y", "enter")
        await stage.until(lambda: isinstance(stage.screen, SaveDialog), "has no clipboard")
        await stage.press("enter")
        await stage.until(lambda: "Saved" in stage.toasts)
    assert (tmp_path / "modules.txt").read_text() == "ext4"


async def test_a_page_is_saved_and_nothing_is_overwritten_without_asking(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "target").write_text("precious")
    (here / "devices.md").symlink_to("target")
    monkeypatch.chdir(here)
    async with opened(demo) as stage:
        await stage.press("P")
        await stage.until("Devices")
        await stage.press("greater_than_sign")
        await stage.until("Save: Devices")
        await stage.type("devices.exe")
        await stage.press("enter")
        await stage.until("The name has to end with")
        await stage.press(*["backspace"] * 3)
        await stage.type("md")
        await stage.press("enter")
        await stage.until("already exists")
        await stage.press("enter")
        await stage.until(lambda: "Saved" in stage.toasts)
    assert (here / "target").read_text() == "precious"
    assert not (here / "devices.md").is_symlink()
    assert (here / "devices.md").read_text().startswith("# Devices")


async def test_a_picture_shows_the_page_and_not_the_dialog(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(demo) as stage:
        await stage.press("greater_than_sign")
        await stage.until("Save: Modules")
        await stage.type("modules.svg")
        await stage.press("enter")
        await stage.until(lambda: "Saved" in stage.toasts)
    picture = (tmp_path / "modules.svg").read_text()
    assert "net_failover" in picture
    assert "Save:" not in picture
    assert "@font-face" not in picture


async def test_the_copy_dialog_is_left_with_escape(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("y")
        await stage.until(lambda: isinstance(stage.screen, CopyDialog))
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert not stage.app.clipboard


async def test_the_command_and_the_explanation_of_a_change_can_be_copied(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await stage.until("y unload")
        stage.send("c", "enter")
        await stage.until(lambda: stage.app.clipboard == "modprobe -r -- hello")
        await stage.until("y unload")
        await stage.press("y")
        await stage.until("Enter close")
        await stage.press("c")
        await stage.until("explanation  ")
        await stage.press("j", "enter")
        await stage.until(lambda: "hello" in stage.app.clipboard and "." in stage.app.clipboard)
        assert "hello" not in demo.kernel.loaded


async def test_the_address_of_a_symbol_can_be_copied_from_its_page(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("crc16")
        await stage.press("v", "4", "enter", "enter")
        await stage.until("Symbol crc16_init_0", "32 bytes to the next symbol")
        await stage.press("y")
        await stage.until("address  ")
        await stage.press("G", "k", "k", "enter")
        await stage.until(lambda: "32 bytes to the next symbol" in stage.app.clipboard)
