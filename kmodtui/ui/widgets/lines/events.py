"""The events of a timeline, one line each, oldest first; the first line is the start."""

from __future__ import annotations

import time

from kmodtui.model.history import Change, Timeline, Totals
from kmodtui.model.text import clean, counted, human_size
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.lines.view import Line, LineView, Part, fit

_SYMBOLS = 10
_SOME_NAMES = 16
"""Cells for names that make a word in front of them worth while."""


class EventLines(LineView):
    """One line for each point of the timeline: line 0 is the start, line `n` the nth event."""

    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="event-lines")
        self.menu_first = "timeline.switch"
        self.timeline = Timeline()
        self.marks: tuple[int, ...] = ()
        self._symbols_width = _SYMBOLS

    def show(self, timeline: Timeline) -> None:
        """Show a timeline; a cursor on the newest event follows the newest event."""
        at_end = self.cursor >= len(self.timeline)
        # The timeline drops its oldest events: the lines of the others move up.
        moved = timeline.forgotten - self.timeline.forgotten
        self.marks = tuple(mark - moved for mark in self.marks if mark >= moved)
        self.timeline = timeline
        self._symbols_width = max([_SYMBOLS, *(_symbols_width(e.change) for e in timeline.events)])
        self.cursor = len(timeline) if at_end else max(0, self.cursor - moved)
        self.lines_changed()

    def toggle_mark(self, point: int) -> None:
        """Mark a point or unmark it; a third mark replaces the oldest one."""
        if point in self.marks:
            self.marks = tuple(mark for mark in self.marks if mark != point)
        else:
            self.marks = (*self.marks, point)[-2:]
        self.refresh()

    def line_count(self) -> int:
        """Return the number of points; 0 before the first read."""
        return len(self.timeline) + 1 if self.timeline.began else 0

    def line(self, index: int, width: int) -> Line:
        """Return the line of a point."""
        columns = EventColumns(width, self._symbols_width)
        totals = self.timeline.totals_at(index)
        change = self.timeline.events[index - 1].change if index else None
        if change:
            what = _what(change, columns.what)
        else:
            what = (("start  ", "strong"), (_start_text(self.timeline), "dim"))
        return (
            ("◆ " if index in self.marks else "  ", "accent"),
            (clock(self.timeline.when(index)) + "  ", "dim"),
            *_fitted(what, columns.what),
            *(_symbols(change, columns.symbols) if change else ((" " * columns.symbols, ""),)),
            *columns.totals(totals),
        )

    def subject(self) -> Subject | None:
        """Return the event under the cursor, or the start."""
        if not self.line_count():
            return None
        if not self.cursor:
            return Subject(SubjectKind.EVENT, "start")
        change = self.timeline.events[self.cursor - 1].change
        return Subject(SubjectKind.EVENT, f"{change.number}, {clock(change.when)}")

    def head(self, width: int) -> str:
        """Return the column heads."""
        columns = EventColumns(width, self._symbols_width)
        head = "  " + fit("time", 10) + fit("loaded + and unloaded −", columns.what)
        head += fit("symbols", columns.symbols, right=True)
        if columns.total:
            head += fit("total", 11, right=True)
        if columns.memory:
            head += fit("memory", 11, right=True)
        return head


class EventColumns:
    """The columns that are shown at a width, and the cells of those that vary."""

    def __init__(self, width: int, symbols: int) -> None:
        self.symbols = symbols if width >= 48 else _SYMBOLS
        more = self.symbols - _SYMBOLS
        self.total = width >= 60 + more
        self.memory = width >= 72 + more
        fixed = 2 + 10 + self.symbols + 11 * (self.total + self.memory)
        self.what = max(8, width - fixed)

    def totals(self, totals: Totals) -> tuple[Part, ...]:
        """Return the totals at a point, as far as there are columns for them."""
        symbols = "?" if totals.symbols is None else f"{totals.symbols:,}"
        parts: list[Part] = []
        if self.total:
            parts.append((fit(symbols, 11, right=True), ""))
        if self.memory:
            parts.append((fit(human_size(totals.memory), 11, right=True), "dim"))
        return tuple(parts)


def clock(when: float) -> str:
    """Return the time of day."""
    return time.strftime("%H:%M:%S", time.localtime(when))


def _start_text(timeline: Timeline) -> str:
    text = counted(timeline.totals.modules, "module")
    if timeline.forgotten:
        text += f", {counted(timeline.forgotten, 'earlier event')} dropped"
    return text


def _what(change: Change, width: int) -> tuple[Part, ...]:
    """Return the modules that were loaded and unloaded, as many whole names as fit.

    `+` and `−` are explained by the column head. The rarer signs are replaced by a word
    where there is room for it.
    """
    groups = [
        (sign, word, style, names)
        for sign, word, style, names in (
            ("+", "+", "good", [module.name for module in change.loaded]),
            ("−", "−", "bad", [module.name for module in change.unloaded]),
            ("↻", "reloaded", "accent", [change.with_times(m.name) for m in change.reloaded]),
            ("±", "loaded+unloaded", "accent", list(map(change.with_times, change.cycled))),
        )
        if names
    ]
    names_width = sum(len(" ".join(names)) for *_, names in groups)
    words_width = sum(len(word) + 3 for _, word, _, _ in groups)
    in_words = words_width + names_width <= width or (
        # Not all names fit behind signs either.
        len(groups) * 4 + names_width > width >= words_width + len(groups) * _SOME_NAMES
    )
    labels = [word if in_words else sign for sign, word, _, _ in groups]
    free = width - sum(len(label) + 3 for label in labels)
    parts: list[Part] = []
    for label, (_, _, style, names) in zip(labels, groups, strict=True):
        text = _names(names, free // len(groups))
        parts += [(f"{label} ", style), (f"{text}  ", "")]
    return tuple(parts)


def _names(names: list[str], width: int) -> str:
    """Return as many names as fit, and how many are left out."""
    for shown in range(len(names), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        text = clean(" ".join(names[:shown])) + more
        if len(text) <= width or shown == 1:
            return text
    return ""


def _fitted(parts: tuple[Part, ...], width: int) -> tuple[Part, ...]:
    """Return parts that are exactly `width` cells wide together, with a space at the end."""
    fitted: list[Part] = []
    free = width - 1
    for text, style in parts:
        if free <= 0:
            break
        piece = fit(text, min(free, len(text)))
        fitted.append((piece, style))
        free -= len(piece)
    return (*fitted, (" " * (max(0, free) + 1), ""))


def _symbols(change: Change, width: int) -> tuple[Part, ...]:
    """Return how many symbols were added and removed, in `width` cells."""
    if change.symbols_missing:
        return ((fit("unknown", width, right=True), "warn"),)
    gained, lost = change.symbols.added, change.symbols.removed
    if gained and lost:
        if _symbols_width(change) <= width:
            removed = f"−{lost:,}"
            added = fit(f"+{gained:,} ", width - len(removed), right=True)
            return ((added, "good"), (removed, "bad"))
        return ((fit(f"±{max(gained, lost):,}", width, right=True), "accent"),)
    if not gained and not lost:
        return ((fit("0", width, right=True), "dim"),)
    text, style = (f"+{gained:,}", "good") if gained else (f"−{lost:,}", "bad")
    return ((fit(text, width, right=True), style),)


def _symbols_width(change: Change) -> int:
    gained, lost = change.symbols.added, change.symbols.removed
    return len(f" +{gained:,} −{lost:,}") if gained and lost else _SYMBOLS
