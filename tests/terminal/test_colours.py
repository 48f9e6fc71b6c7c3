"""Terminals with fewer colours, or a person who wants none."""

from __future__ import annotations

import re

import pytest

from tests.support.terminal import Terminal
from tests.terminal.conftest import Open

TRUE_COLOUR = re.compile(rb"[34]8;2;(\d+);(\d+);(\d+)")
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:[349][0-7]|10[0-7]|[34]8;[0-9;]+)m")
"""A change to a colour that is not the terminal's own one."""
OF_256 = re.compile(rb"[34]8;5;\d+")


def opened(terminal: Terminal) -> bytes:
    terminal.wait_for("1 Modules", timeout=30)
    terminal.press("?")
    terminal.wait_for("keys, columns and flags")
    terminal.press("Esc")
    terminal.wait_for(lambda t: "keys, columns and flags" not in t.text())
    terminal.settle()
    return bytes(terminal.raw)


@pytest.mark.parametrize("theme", ["", "dark"])
def test_no_color_leaves_at_most_the_greys_of_a_theme_that_is_named(
    open_terminal: Open, tree: str, theme: str
) -> None:
    options = ("--theme", theme) if theme else ()
    terminal = open_terminal(
        "--root", tree, *options, environment={"NO_COLOR": "1", "COLORTERM": "truecolor"}
    )
    raw = opened(terminal)
    colours = set(TRUE_COLOUR.findall(raw))
    assert bool(colours) == bool(theme)
    assert [rgb for rgb in colours if len(set(rgb)) > 1] == []
    assert theme or not COLOUR.search(raw)


@pytest.mark.parametrize("term", ["linux", "vt100", "screen"])
def test_terminals_of_sixteen_colours_get_no_other(
    open_terminal: Open, tree: str, term: str
) -> None:
    terminal = open_terminal("--root", tree, term=term, columns=80, rows=24)
    raw = opened(terminal)
    assert not TRUE_COLOUR.search(raw)
    assert not OF_256.search(raw)
    # The cursor is still to be seen: its line looks different from the next.
    screen = terminal.screen.buffer
    first = next(y for y, line in enumerate(terminal.lines()) if "hello" in line)
    looks = [
        (screen[y][10].bg, screen[y][10].fg, screen[y][10].reverse) for y in (first, first + 1)
    ]
    assert looks[0] != looks[1]


@pytest.mark.parametrize(
    ("term", "more"),
    [
        ("xterm-16color", {}),
        ("linux", {}),
        ("vt220", {}),
        ("screen", {}),
        ("xterm-256color", {"STY": "1234.pts-0"}),
        ("screen-256color", {}),
    ],
)
def test_colorterm_of_the_terminal_around_is_not_believed(
    open_terminal: Open, tree: str, term: str, more: dict[str, str]
) -> None:
    terminal = open_terminal(
        "--root", tree, term=term, environment={"COLORTERM": "truecolor", **more}
    )
    terminal.wait_for("1 Modules", timeout=30)
    assert not TRUE_COLOUR.search(bytes(terminal.raw))
    if "256" not in term:
        assert not OF_256.search(bytes(terminal.raw))


@pytest.mark.parametrize("more", [{}, {"TMUX": "/tmp/tmux-0/default,1,0", "STY": ""}])
def test_colorterm_is_believed_elsewhere(
    open_terminal: Open, tree: str, more: dict[str, str]
) -> None:
    terminal = open_terminal(
        "--root",
        tree,
        term="screen-256color" if more else "xterm-256color",
        environment={"COLORTERM": "truecolor", **more},
    )
    terminal.wait_for("1 Modules", timeout=30)
    assert TRUE_COLOUR.search(bytes(terminal.raw))


def test_the_light_theme_is_light(open_terminal: Open, tree: str) -> None:
    terminal = open_terminal("--root", tree, "--light", environment={"COLORTERM": "truecolor"})
    opened(terminal)
    ground = terminal.screen.buffer[10][10].bg
    assert min(int(ground[i : i + 2], 16) for i in (0, 2, 4)) > 0xC0
