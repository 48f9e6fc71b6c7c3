"""Text of the kernel and of files is data: neither a terminal nor Textual ever obeys it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.simulated import make_simulated
from tests.support.small_recording import PARTS, Parameter
from tests.terminal.conftest import KMODTUI, Open

# Each has a letter after which a terminal would act, and a word to find it by.
TITLE = "\x1b]0;OBEYED\x07"
COLOUR = "\x1b[31;5mOBEYED"
CLIPBOARD = "\x1b]52;c;T0JFWUVE\x07OBEYED"
C1 = "\x9b31mOBEYED"
BIDI = "\u202eOBEYED"
NO_UTF8 = b"\xff\xfe\x9b31mOBEYED"
MARKUP = "[bold]OBEYED[/bold][/]"
HOSTILE = TITLE + COLOUR + CLIPBOARD + C1 + BIDI + MARKUP

# Textual itself ends one sequence with a bell: the shape of the mouse pointer.
OBEYED = re.compile(
    rb"\x1b\]0;|\x1b\[31;5m|\x1b\]52|\xc2\x9b|\x9b31m|\xe2\x80\xae|(?<!\x1b\]22;default)\x07"
)
"""What kmodtui and Textual themselves never write."""


def hostile_tree(folder: Path) -> str:
    parts = {
        **PARTS,
        "hello": dataclasses.replace(
            PARTS["hello"],
            description=HOSTILE,
            license=COLOUR,
            modinfo=(("author", NO_UTF8), ("version", MARKUP), ("firmware", TITLE)),
            parameters={"greeting": Parameter("charp", HOSTILE, HOSTILE.strip("\x07"), 0o644)},
        ),
    }
    kernel = make_simulated(folder, parts=parts)
    kernel.append("/proc/modules", f"{COLOUR} 1 0 - Live 0x0\n".encode())
    kernel.append("/proc/modules", b"half a line\n\xff\xfe\x00\n")
    kernel.append("/proc/modules", f"{MARKUP} 1 0 - Live 0x0000000000000000\n".encode())
    kernel.append("/proc/kallsyms", f"0000000000000000 t {COLOUR}\t[hello]\n".encode())
    kernel.append("/proc/kallsyms", b"garbage\n\n0 t " + NO_UTF8 + b"\t[hello]\n")
    kernel.folder.write("/proc/sys/kernel/hostname", f"{COLOUR}{MARKUP}\n".encode())
    return str(kernel.folder.root)


def test_the_dashboard_writes_it_out_and_obeys_nothing(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("--root", hostile_tree(tmp_path), columns=200, rows=50)
    terminal.wait_for("1 Modules", timeout=30)
    terminal.wait_for("OBEYED")
    terminal.press("/", *"hello", "Enter")
    terminal.wait_for("3 Info: hello")
    terminal.settle()
    shown = terminal.text()
    terminal.press("3", "z", "G")
    # Zoomed, it stands in one line.
    terminal.wait_for(lambda t: "[bold]OBEYED[/bold]" in t.text(), timeout=30)
    shown += terminal.text()
    terminal.press("z", "v", "4", "z", "G")
    terminal.settle()
    shown += terminal.text()
    # It was there to be obeyed: the words came through, written out.
    assert "\\x1b]0;OBEYED\\x07" in shown
    assert "[bold]OBEYED[/bold]" in shown
    assert "\\u202e" in shown
    found = OBEYED.search(terminal.raw)
    assert found is None, terminal.raw[found.start() - 60 : found.end() + 20] if found else ""
    terminal.press("q")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_as_before


@pytest.mark.parametrize("typed", ["[/", "[bold]x[/bold]", "[/b][red]", "\\", "“”%s{}"])
def test_what_is_typed_is_no_markup_either(open_terminal: Open, tree: str, typed: str) -> None:
    terminal = open_terminal("--root", tree)
    terminal.wait_for("1 Modules", timeout=30)
    for key, pane in (("1", "modules"), ("3", "info"), ("4", "symbols")):
        terminal.press(key, "/")
        terminal.wait_for(f"filter {pane}:")
        terminal.press(typed)
        terminal.wait_for(lambda t: f"/{typed}" in t.text())
        terminal.press("Enter")
        terminal.wait_for(lambda t: "filter " not in t.text())
    terminal.press("q")
    assert terminal.wait_for_exit() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("info", "hello"),
        ("tree", "hello"),
        ("symbols", "--module", "hello"),
        ("symbols", "--counts"),
        ("info", COLOUR),
        ("info", f"/nowhere/{TITLE}"),
        ("tree", COLOUR),
        ("symbols", "--module", CLIPBOARD),
        ("list", "--kernel", COLOUR),
        ("info", "--kernel", COLOUR, "hello"),
    ],
    ids=repr,
)
def test_verbs_on_a_terminal_write_it_out(
    open_terminal: Open, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    terminal = open_terminal(arguments[0], "--root", hostile_tree(tmp_path), *arguments[1:])
    assert terminal.wait_for_exit(30) in (0, 1, 2)
    assert not OBEYED.search(terminal.raw), bytes(terminal.raw)
    assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("name", [COLOUR, MARKUP, "[/"])
def test_a_folder_with_a_hostile_name(open_terminal: Open, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name.replace("/", "")
    folder.mkdir()
    root = make_simulated(folder).folder.root
    terminal = open_terminal("--root", str(root))
    terminal.wait_for("1 Modules", timeout=30)
    terminal.settle()
    assert not OBEYED.search(terminal.raw)


def test_json_escapes_what_a_terminal_would_obey(tmp_path: Path) -> None:
    root = hostile_tree(tmp_path)
    done = subprocess.run(
        [*KMODTUI, "info", "--root", root, "--json", "hello"],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert b"\x1b" not in done.stdout
    assert b"\x07" not in done.stdout
