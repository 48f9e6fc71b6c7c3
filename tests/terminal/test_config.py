"""The configuration file, as the person who starts the dashboard meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terminal.conftest import Open


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The file, in the home folder of the terminals."""
    path = tmp_path / ".config" / "kmodtui" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_an_invalid_value_ends_the_start_with_a_message(open_terminal: Open, config: Path) -> None:
    config.write_text('read_only = "yes"\n')
    terminal = open_terminal("--demo")
    assert terminal.wait_for_exit(30) == 2
    told = "".join(terminal.text().split())  # however it was wrapped
    assert f"{config}:1:read_onlymustbetrueorfalse,not“yes”." in told
    assert "Correctorremovetheline." in told
    assert not terminal.is_full_screen
    assert b"\x1b" not in terminal.raw


def test_read_only_shows_plans_and_can_be_overruled(open_terminal: Open, config: Path) -> None:
    config.write_text("read_only = true\n")
    terminal = open_terminal("--demo")
    terminal.wait_for("read-only", timeout=30)
    terminal.press("-")
    terminal.wait_for("Esc close")
    terminal.wait_for(r"read_only = true is set in")
    terminal.wait_for("--no-read-only")
    overruled = open_terminal("--demo", "--no-read-only")
    overruled.wait_for("root: off", timeout=30)
    overruled.press("+")
    overruled.wait_for("Load a module")


@pytest.mark.parametrize(
    ("text", "arguments", "takes"),
    [("", (), True), ("mouse = false", (), False), ("mouse = false", ("--mouse",), True),
     ("mouse = true", ("--no-mouse",), False)],
)  # fmt: skip
def test_the_mouse_is_left_to_the_terminal_where_that_is_wanted(
    open_terminal: Open, config: Path, text: str, arguments: tuple[str, ...], takes: bool
) -> None:
    config.write_text(text)
    terminal = open_terminal("--demo", *arguments)
    terminal.wait_for(r"\d+ modules", timeout=30)
    assert (b"\x1b[?1000h" in terminal.raw) is takes


def test_light_colours_can_be_kept(open_terminal: Open, config: Path) -> None:
    config.write_text("light = true\n")
    kept = open_terminal("--demo")
    kept.wait_for(r"\d+ modules", timeout=30)
    dark = open_terminal("--demo", "--no-light")
    dark.wait_for(r"\d+ modules", timeout=30)
    colours = [terminal.screen.buffer[10][10].bg for terminal in (kept, dark)]
    assert colours[0] != colours[1]


def test_a_command_has_the_key_of_the_file_in_footer_help_and_hints(
    open_terminal: Open, config: Path
) -> None:
    config.write_text(
        '[keys]\ndashboard.unload = "F9"\ndashboard.sort = "u"\ndashboard.pane_tree = "Z"\n'
        'dialog.confirm = "F8"\n'
    )
    terminal = open_terminal("--demo")
    terminal.wait_for("u Sort .* F9 Unload", timeout=30)
    terminal.wait_for("Z Dependencies")
    terminal.press("?")
    terminal.wait_for("type to search")
    terminal.press("rmmod")
    terminal.wait_for("F9 +Unload the selected or marked modules")
    terminal.press("\x1b")
    terminal.wait_for("type to search")
    terminal.press("\x1b")
    terminal.wait_for("Z Dependencies")
    terminal.press("+")
    terminal.wait_for("Load a module")
    terminal.press("dummy\r")
    terminal.wait_for("F8 load")
    terminal.press("y")
    terminal.press("\x1b[19~")  # F8
    terminal.wait_for("loaded")


def test_a_key_that_two_commands_would_share_ends_the_start(
    open_terminal: Open, config: Path
) -> None:
    config.write_text('light = true\n[keys]\ndashboard.load = "s"\n')
    terminal = open_terminal("--demo")
    assert terminal.wait_for_exit(30) == 2
    told = "".join(terminal.text().split())
    assert f"{config}:3:sisthekeyofdashboard.loadandofdashboard.sort(" in told
