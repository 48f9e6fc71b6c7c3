"""A record of the kernel log as lines of a view, wrapped to its width and coloured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, get_character_cell_size

from kmodtui.model.log.tail import Entry
from kmodtui.ui.widgets.lines.view import Line, Part

FRESH = "● "
"""Marks records that are newer than the opening of the log; new modules have the same mark."""

_LEVEL = 6  # cells of the longest name in `model.kernel_log.LEVELS`
_NARROW = 56
"""Below this width continuation lines are indented less, to save space."""

_STYLES = ("bad", "bad", "bad", "bad", "warn", "strong", "", "dim")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of an entry.

    Attributes:
        text: the part of the entry's text that is on this line.
        indent: cells before the text; 0 on the first line, which has a head instead.
    """

    text: str
    indent: int = 0


def wrapped_entry(entry: Entry, width: int) -> list[LogLine]:
    """Return an entry wrapped to `width` cells; nothing is truncated."""
    head = len(_head(entry))
    indent = head if width >= _NARROW or entry.record is None else 4
    room, text = width - head, entry.text
    lines: list[LogLine] = []
    while cell_len(text) > room:
        end = _fitting(text, max(1, room))
        space = text.rfind(" ", end // 2, end + 1)
        cut, text = (text[:end], text[end:]) if space < 0 else (text[:space], text[space + 1 :])
        lines.append(LogLine(cut, indent if lines else 0))
        room = width - indent
    lines.append(LogLine(text, indent if lines else 0))
    return lines


def line_parts(entry: Entry, line: LogLine, words: Sequence[str], *, fresh: bool) -> Line:
    """Return the parts of a line, with every occurrence of some words highlighted."""
    record = entry.record
    if record is None:
        return ((" " * (line.indent or 2), ""), (line.text, "accent"))
    style = _STYLES[record.level & 7]
    text = tuple(_highlighted(line.text, words, style))
    if line.indent:
        return ((" " * line.indent, ""), *text)
    level = f"{record.level_word:<{_LEVEL}} "
    return (
        (FRESH if fresh else "  ", "good"),
        (f"{record.stamp} ", "dim"),
        (level, style or "dim"),
        *text,
    )


def _head(entry: Entry) -> str:
    if entry.record is None:
        return "  "
    return f"  {entry.record.stamp} {'':{_LEVEL}} "


def _fitting(text: str, room: int) -> int:
    """Return how many characters of a text fit; at least one."""
    if text.isascii():
        return room
    cells = 0
    for number, character in enumerate(text):
        cells += get_character_cell_size(character)
        if cells > room:
            return max(1, number)
    return len(text)


def _highlighted(text: str, words: Sequence[str], style: str) -> list[Part]:
    if not words:
        return [(text, style)]
    parts: list[Part] = []
    end = 0
    for match in re.finditer("|".join(map(re.escape, words)), text, re.IGNORECASE):
        parts += [(text[end : match.start()], style), (match[0], "accent")]
        end = match.end()
    return [part for part in (*parts, (text[end:], style)) if part[0]]
