"""What a terminal understands, by its type and what is inherited from around it.

A simple terminal prints a part of a question that it does not know, or answers it when the
shell reads again. And COLORTERM says what the terminal around it can show, if GNU screen, sudo
or a serial line is in between.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

_PLAIN = ("linux", "ansi", "cons", "vt", "sun", "dumb", "unknown", "pcansi", "minicom")
_FEW_COLORS = ("-16color", "-8color", "-color", "-mono", "-m")


def is_plain(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal only understands what a VT220 does: it is asked nothing."""
    term = environment.get("TERM", "")
    return term.startswith(_PLAIN) or in_gnu_screen(environment)


def may_be_slow(environment: Mapping[str, str]) -> bool:
    """Return whether the bytes of a key may arrive one by one: over a network or a serial line."""
    return "SSH_CONNECTION" in environment or is_plain(environment)


def keys_kept(environment: Mapping[str, str]) -> str:
    """Return which keys a terminal keeps for itself, in sentences; empty if none are known."""
    others = "Use the other key of a command, or find the command in the palette."
    if environment.get("TERM_PROGRAM") == "vscode":
        return f"VS Code keeps many letters with Ctrl for itself: P, Q, E, B and others. {others}"
    if in_gnu_screen(environment):
        return f"With flow control, GNU screen keeps the letters S and Q with Ctrl. {others}"
    if is_plain(environment):
        return f"A serial line with flow control keeps the letters S and Q with Ctrl. {others}"
    return ""


def in_gnu_screen(environment: Mapping[str, str]) -> bool:
    """Return whether GNU screen is around; tmux uses its type as well, but understands more."""
    term = environment.get("TERM", "")
    return "TMUX" not in environment and ("STY" in environment or term.startswith("screen"))


def without_foreign_colors(environment: MutableMapping[str, str]) -> None:
    """Remove COLORTERM where the terminal's type has fewer colours than it promises."""
    if is_plain(environment) or environment.get("TERM", "").endswith(_FEW_COLORS):
        environment.pop("COLORTERM", None)
