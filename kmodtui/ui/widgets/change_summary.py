"""A change in a few lines: how much, when, by whom, and which modules."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.cells import cell_len

from kmodtui.model.history import Change
from kmodtui.model.text import clean, counted, human_size
from kmodtui.ui.widgets.line_view import Line, Part, wrapped


def summary(change: Change, stays: Mapping[str, str] | None = None, width: int = 0) -> list[Line]:
    """Return the lines that tell a change in words and numbers.

    Args:
        change: what happened.
        stays: what stays loaded although its user went, with the reason.
        width: cells to break the lists of names at; 0 for lines of any length.
    """
    clock = time.strftime("%H:%M:%S", time.localtime(change.when))
    lines: list[Line] = []
    parts: list[Part] = []
    delta = change.symbols
    if delta.gained:
        parts.append((f"+{delta.gained:,} ", "good"))
    if delta.lost:
        parts.append((f"−{delta.lost:,} ", "bad"))
    if parts:
        owners = len(delta.owners)
        parts.append((f"symbols in {counted(owners, 'module')}", "strong"))
    elif change.symbols_missing:
        parts.append((change.symbols_missing, "warn"))
    else:
        parts.append(("no symbol came or went", "strong"))
    memory = f"{'+' if change.memory >= 0 else '−'}{human_size(abs(change.memory))}"
    # What matters least is left out first, and whole, where it is narrow.
    for words in (memory, change.took_words, clock):
        if width and sum(cell_len(text) for text, _ in parts) + 3 + len(words) > width:
            break
        parts.append((f" · {words}", "dim"))
    lines.append(tuple(parts))
    for sign, style, names in (
        ("loaded", "good", [m.name for m in change.came]),
        ("unloaded", "bad", [m.name for m in change.went]),
        ("reloaded", "accent", [m.name for m in change.reloaded]),
        ("came and went", "accent", list(change.passing)),
    ):
        if names:
            lines += _broken(sign, style, " ".join(names), width)
    return [*lines, *staying(stays or {})]


def cause(change: Change, width: int = 0) -> list[Line]:
    """Return the lines that tell which command of kmodtui did it; none if somebody else did."""
    return _broken("by", "dim", clean(change.cause), width) if change.cause else []


def staying(stays: Mapping[str, str]) -> list[Line]:
    """Return a line for each module that stays loaded although its user went."""
    return [
        (("= ", "accent"), (name, "strong"), (f" stays loaded: {why}", "dim"))
        for name, why in stays.items()
    ]


def _broken(sign: str, style: str, text: str, width: int) -> list[Line]:
    indent = len(sign) + 1
    broken = wrapped(text, max(12, width - indent)) if width else [text]
    return [
        ((f"{sign} ", style), (broken[0], "")),
        *(((" " * indent + more, ""),) for more in broken[1:]),
    ]
