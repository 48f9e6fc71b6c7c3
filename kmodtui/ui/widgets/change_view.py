"""The last change: which modules came and went, and what that did to the symbols."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.cells import cell_len

from kmodtui.model.history import Change
from kmodtui.model.symbols import OwnerDelta, Symbol, SymbolRows, type_words
from kmodtui.model.text import counted, human_size
from kmodtui.ui.widgets.line_view import Line, LineView, Part, fit, wrapped

WAITING = (
    "Waiting for a module to be loaded or unloaded, here or by anyone else on this machine. "
    "What it does to /proc/kallsyms is shown here at that moment.\n\n"
    "+ loads a module; v shows the symbols of the selected one."
)


@dataclass(frozen=True, slots=True)
class Note:
    """A line of words."""

    parts: Line


@dataclass(frozen=True, slots=True)
class Group:
    """The head of one module's symbols."""

    delta: OwnerDelta
    sign: str
    rows: SymbolRows
    unfolded: bool

    @property
    def key(self) -> tuple[str, str]:
        """What a fold is remembered by."""
        return (self.delta.owner, self.sign)


@dataclass(frozen=True, slots=True)
class Row:
    """One symbol."""

    sign: str
    symbol: Symbol
    times: int


@dataclass
class _Shown:
    """What is unfolded and filtered; a new change starts afresh."""

    unfolded: set[tuple[str, str]] = field(default_factory=set)
    needle: str = ""


class ChangeLines(LineView):
    """Lines of one change: a summary, then a group per module that unfolds into its symbols."""

    def __init__(self) -> None:
        super().__init__(id="change-lines")
        self.empty_text = WAITING
        self._change: Change | None = None
        self._stays: Mapping[str, str] = {}
        self._shown = _Shown()
        self._rows: list[Note | Group | Row] = []
        self._width = 0
        self._longest = 0

    @property
    def change(self) -> Change | None:
        """The change that is shown."""
        return self._change

    def show_change(self, change: Change, stays: Mapping[str, str]) -> None:
        """Show a change.

        Args:
            change: what happened.
            stays: modules that belong to those that went and are loaded still, with the reason.
        """
        self._change, self._stays = change, stays
        self._longest = max((len(_named(delta)) for delta in change.symbols.owners), default=0)
        self._shown = _Shown(needle=self._shown.needle)
        self.cursor = 0
        self._build()

    @property
    def filter_text(self) -> str:
        """What a symbol's name has to contain to be shown."""
        return self._shown.needle

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._shown.needle = text
        self._build()

    def _build(self) -> None:
        rows: list[Note | Group | Row] = []
        change = self._change
        if change is not None:
            rows += [Note(line) for line in summary(change, width=self._width)]
            for delta in change.symbols.owners:
                for sign, symbols in (("+", delta.gained), ("−", delta.lost)):
                    if len(symbols):
                        rows += self._group(delta, sign, symbols)
            rows += [Note(line) for line in staying(self._stays)]
        self._rows = rows
        self.lines_changed()

    def _group(self, delta: OwnerDelta, sign: str, rows: SymbolRows) -> list[Group | Row]:
        needle = self._shown.needle
        unfolded = bool(needle) or (delta.owner, sign) in self._shown.unfolded
        group = Group(delta, sign, rows, unfolded)
        if not unfolded:
            return [group]
        times: dict[Symbol, int] = {}
        for symbol in rows:
            if needle in symbol.name:
                times[symbol] = times.get(symbol, 0) + 1
        shown = sorted(times, key=lambda symbol: (symbol.name, symbol.type))
        return [group, *(Row(sign, symbol, times[symbol]) for symbol in shown)]

    def on_resize(self) -> None:
        """Break the lists of names anew."""
        width = self.line_width
        if width != self._width:
            self._width = width
            self._build()

    def line_count(self) -> int:
        """Return how many lines the change has as it is folded now."""
        return len(self._rows)

    def line(self, index: int, width: int) -> Line:
        """Return a line of the change."""
        row = self._rows[index]
        if isinstance(row, Note):
            return row.parts
        if isinstance(row, Group):
            return _group_line(row, width, self._longest)
        return _symbol_line(row, width)

    def action_open_line(self) -> None:
        """Unfold or fold the group under the cursor; on a symbol, its group."""
        index = self.cursor
        while 0 <= index < len(self._rows) and isinstance(self._rows[index], Row):
            index -= 1
        row = self._rows[index] if 0 <= index < len(self._rows) else None
        if isinstance(row, Group) and not self._shown.needle:
            self._shown.unfolded ^= {row.key}
            self.cursor = index
            self._build()


def _named(delta: OwnerDelta) -> str:
    return delta.owner or "the kernel itself"


def staying(stays: Mapping[str, str]) -> list[Line]:
    """Return a line for each module that stays loaded although its user went."""
    return [
        (("= ", "accent"), (name, "strong"), (f" stays loaded: {why}", "dim"))
        for name, why in stays.items()
    ]


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
    for words in (memory, clock, f"{change.took:.2f} s"):
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
            text = " ".join(names)
            indent = len(sign) + 1
            broken = wrapped(text, max(12, width - indent)) if width else [text]
            lines.append(((f"{sign} ", style), (broken[0], "")))
            lines += [((" " * indent + more, ""),) for more in broken[1:]]
    return [*lines, *staying(stays or {})]


def _group_line(group: Group, width: int, longest: int) -> Line:
    style = "good" if group.sign == "+" else "bad"
    name_width = max(8, min(longest, width - 30))
    types = group.rows.types
    free = width - name_width - 12
    told = " · ".join(f"{count:,} {type_words(letter)}" for letter, count in types.items())
    if cell_len(told) > free:
        told = "  ".join(f"{letter} {count:,}" for letter, count in types.items())
    return (
        ("▾ " if group.unfolded else "▸ ", "accent"),
        (fit(_named(group.delta), name_width), "strong"),
        (fit(f"{group.sign}{len(group.rows):,}", 8, right=True), style),
        ("  ", ""),
        (told, "dim"),
    )


def _symbol_line(row: Row, width: int) -> Line:
    symbol = row.symbol
    times = f" ×{row.times}" if row.times > 1 else ""
    address = f"{symbol.address:016x}" if symbol.address and width >= 60 else ""
    words = type_words(symbol.type) if width >= 48 else ""
    tail = "  ".join(filter(None, (words, address)))
    return (
        (f"   {row.sign} ", "good" if row.sign == "+" else "bad"),
        (f"{symbol.type} ", "info"),
        (fit(symbol.name + times, max(8, width - 8 - len(tail) - 1)), ""),
        (f" {tail}", "dim"),
    )
