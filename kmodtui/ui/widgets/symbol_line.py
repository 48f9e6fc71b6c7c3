"""One symbol as a line of a view: which columns fit, and the line itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kmodtui.model.symbol_list import Row
from kmodtui.model.symbols import type_word
from kmodtui.model.text import clean, decode
from kmodtui.ui.widgets.line_view import Line, Part, fit

_WORD = 23
"""Cells of the longest usual words: `function, exported GPL`."""

_OWNER = 18
_SIZE = 11
_ADDRESS = 18
_NAME = 24
"""Cells that a name keeps whatever else there is to show."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column behind the name; 0 for one that has no place."""

    name: int
    owner: int = 0
    word: int = 0
    size: int = 0
    address: int = 0

    @classmethod
    def within(
        cls, width: int, *, owner: bool = False, size: bool = False, address: bool = False
    ) -> Columns:
        """Return what fits into `width` cells, the most telling first.

        Args:
            width: cells for all of them, the name included.
            owner: whether rows are of several owners.
            size: whether sizes are known.
            address: whether addresses are.
        """
        free = width
        given = {}
        for name, wanted, cells in (
            ("owner", owner, _OWNER),
            ("size", size, _SIZE),
            ("address", address, _ADDRESS),
            ("word", True, _WORD),
        ):
            if wanted and free - cells >= _NAME:
                given[name] = cells
                free -= cells
        return cls(max(1, free), **given)


def symbol_line(
    row: Row,
    columns: Columns,
    lead: Sequence[Part] = ((" ", ""),),
    *,
    behind: str = "",
    size: int | None = None,
    exported: Collection[bytes] | None = None,
    words: Collection[str] = (),
) -> Line:
    """Return the parts of a symbol's line.

    Args:
        row: the symbol.
        columns: what is shown of it.
        lead: what stands before the letter.
        behind: what stands right behind the name.
        size: bytes; None where it is not known.
        exported: names that its owner exports; None where that is not known.
        words: parts of the name that were searched for.
    """
    symbol = row.symbol
    if symbol is None:
        return (*lead, (clean(decode(row.line)), "warn"))
    word = f"  {_word(row, symbol.type, exported)}" if columns.word else ""
    shown = f"  {size:,} B" if size is not None else ""
    address = f"  {symbol.address:016x}" if columns.address and symbol.address else ""
    owner = f"  [{row.owner}]" if row.owner else ""
    return (
        *lead,
        (f"{symbol.type} ", "info"),
        *_name(fit(symbol.name + behind, columns.name - 2), words),
        (fit(owner, columns.owner), "accent") if columns.owner else ("", ""),
        (fit(word, columns.word), "dim") if columns.word else ("", ""),
        (fit(shown, columns.size, right=True), "") if columns.size else ("", ""),
        (fit(address, columns.address), "dim") if columns.address else ("", ""),
    )


def _word(row: Row, letter: str, exported: Collection[bytes] | None) -> str:
    core = not row.owner
    name = row.line.split(b"\t", 1)[0].split(b" ", 2)[-1]
    if exported is None or name not in exported:
        return type_word(letter, core=core)
    # The kernel's own upper case says nothing of exports; a module's marks those for everyone.
    licence = " GPL" if not core and letter.islower() else ""
    return f"{type_word(letter.lower())}, exported{licence}"


def _name(name: str, words: Collection[str]) -> list[Part]:
    """Return a name with the first of each word that was searched for marked."""
    marks = sorted((at, at + len(word)) for word in words if word and (at := name.find(word)) >= 0)
    parts: list[Part] = []
    done = 0
    for start, end in marks:
        if start >= done:
            parts += [(name[done:start], ""), (name[start:end], "strong")]
            done = end
    return [*(part for part in parts if part[0]), (name[done:], "")]
