"""What a terminal of some type understands, from its terminfo entry.

Without an entry for TERM, nothing is assumed but what every terminal with ECMA-48 sequences
has: moving the cursor, erasing to the end of the line, attributes and colours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from kmodtui.ui.terminal.kinds import in_gnu_screen, is_plain

_REPEATING = ("alacritty", "foot", "wezterm", "xterm-ghostty", "xterm-kitty")
"""TERM of terminals that repeat any character (REP).

The entry of xterm-256color promises it, too, but many terminals that use this name for
themselves do not know it. tmux repeats ASCII characters only.
"""


@dataclass(frozen=True)
class Capabilities:
    """What a terminal understands beyond the common sequences.

    Attributes:
        answers: it knows private modes and protocols, and can be asked for them.
        fills: erased cells get the current background (`bce`).
        erases_cells: it erases a number of cells (ECH, `ech`).
        repeats: it repeats the last character (REP, `rep`).
        ends_attributes: single attributes can be ended, such as underline with 24.
        restores: it has an alternate screen, and shows the former one afterwards (`smcup`).
            GNU screen promises that, but ignores it without `altscreen on`.
        mouse: it can report the mouse and still pass each key on at once. GNU screen 4.9 keeps
            Esc until the next key while it reports the mouse.
    """

    answers: bool = True
    fills: bool = False
    erases_cells: bool = False
    repeats: bool = False
    ends_attributes: bool = False
    restores: bool = True
    mouse: bool = True


def capabilities() -> Capabilities:
    """Return what the terminal of this process understands."""
    term = os.environ.get("TERM", "")
    answers, repeats = not is_plain(os.environ), term.startswith(_REPEATING)
    in_screen = in_gnu_screen(os.environ)
    try:
        import curses

        curses.setupterm(term, 1)
    except (ImportError, curses.error, TypeError):
        return Capabilities(answers, repeats=repeats, restores=not in_screen, mouse=not in_screen)
    return Capabilities(
        answers,
        fills=curses.tigetflag("bce") > 0,
        erases_cells=curses.tigetstr("ech") == b"\x1b[%p1%dX",
        repeats=repeats,
        ends_attributes=curses.tigetstr("rmul") == b"\x1b[24m",
        restores=curses.tigetstr("smcup") is not None and not in_screen,
        mouse=not in_screen,
    )
