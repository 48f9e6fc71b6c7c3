"""The summary of a change in a few lines: how many symbols, when, and which modules."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.cells import cell_len

from kmodtui.model.history import Change
from kmodtui.model.text import clean, counted, human_size
from kmodtui.ui.widgets.lines.view import Line, Part, wrapped


def summary(
    change: Change, still_loaded: Mapping[str, str] | None = None, width: int = 0
) -> list[Line]:
    """Return the lines of the summary.

    Args:
        change: the change.
        still_loaded: modules that stay loaded although the module that brought them in was
            unloaded, with the reason.
        width: cells at which lists of names are wrapped; 0 for no limit.
    """
    clock = time.strftime("%H:%M:%S", time.localtime(change.when))
    lines: list[Line] = []
    parts: list[Part] = []
    delta = change.symbols
    if delta.added:
        parts.append((f"+{delta.added:,} ", "good"))
    if delta.removed:
        parts.append((f"−{delta.removed:,} ", "bad"))
    if parts:
        owners = len(delta.owners)
        parts.append((f"symbols in {counted(owners, 'module')}", "strong"))
    elif change.symbols_missing:
        parts.append((change.symbols_missing, "warn"))
    else:
        parts.append(("no symbols added or removed", "strong"))
    memory = f"{'+' if change.memory >= 0 else '−'}{human_size(abs(change.memory))}"
    # On a narrow screen the least important parts are left out, never truncated.
    for detail in (memory, change.took_words, clock):
        if width and sum(cell_len(text) for text, _ in parts) + 3 + len(detail) > width:
            break
        parts.append((f" · {detail}", "dim"))
    lines.append(tuple(parts))
    for label, style, names in (
        ("loaded", "good", [m.name for m in change.loaded]),
        ("unloaded", "bad", [m.name for m in change.unloaded]),
        ("reloaded", "accent", [change.with_times(m.name) for m in change.reloaded]),
        ("loaded and unloaded", "accent", [change.with_times(name) for name in change.cycled]),
    ):
        if names:
            lines += _labelled(label, style, " ".join(names), width)
    return [*lines, *staying(still_loaded or {})]


def cause(change: Change, width: int = 0) -> list[Line]:
    """Return the lines with the kmodtui command that caused it; none for other causes."""
    return _labelled("by", "dim", clean(change.cause), width) if change.cause else []


def staying(still_loaded: Mapping[str, str]) -> list[Line]:
    """Return a line for each module that stays loaded although its user was unloaded."""
    return [
        (("= ", "accent"), (name, "strong"), (f" stays loaded: {why}", "dim"))
        for name, why in still_loaded.items()
    ]


def _labelled(label: str, style: str, text: str, width: int) -> list[Line]:
    indent = len(label) + 1
    first, *rest = wrapped(text, max(12, width - indent)) if width else [text]
    return [
        ((f"{label} ", style), (first, "")),
        *(((" " * indent + line, ""),) for line in rest),
    ]
