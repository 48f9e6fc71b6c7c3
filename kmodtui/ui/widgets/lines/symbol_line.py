"""One symbol as a line of a view, with as many columns as fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kmodtui.model.symbols.list import Row
from kmodtui.model.symbols.table import type_word
from kmodtui.model.text import clean, decode
from kmodtui.ui.widgets.lines.view import Line, Part, fit

_TYPE = 23
"""Cells of the longest usual description: `function, exported GPL`."""

_OWNER = 18
_OWNER_BUILT_IN = 28
"""The same where some modules are built in: `[intel_pstate (built in)]`."""

_SIZE = 11
_ADDRESS = 18
_NAME = 24
"""Cells that are always left for the name."""


@dataclass(frozen=True, slots=True)
class SymbolColumns:
    """Cells of the name and of each column after it; 0 for a column that is left out."""

    name: int
    owner: int = 0
    type: int = 0
    size: int = 0
    address: int = 0

    @classmethod
    def within(
        cls,
        width: int,
        *,
        owner: bool = False,
        builtin: bool = False,
        size: bool = False,
        address: bool = False,
    ) -> SymbolColumns:
        """Return the columns that fit into `width` cells, the most useful first.

        Args:
            width: cells for all columns including the name.
            owner: whether the symbols have several owners.
            builtin: whether built-in modules are among them.
            size: whether sizes are known.
            address: whether addresses are known.
        """
        free = width
        chosen = {}
        for name, wanted, cells in (
            ("owner", owner or builtin, _OWNER_BUILT_IN if builtin else _OWNER),
            ("size", size, _SIZE),
            ("address", address, _ADDRESS),
            ("type", True, _TYPE),
        ):
            if wanted and free - cells >= _NAME:
                chosen[name] = cells
                free -= cells
        return cls(max(1, free), **chosen)


def symbol_line(
    row: Row,
    columns: SymbolColumns,
    lead: Sequence[Part] = ((" ", ""),),
    *,
    suffix: str = "",
    size: int | None = None,
    exported: Collection[bytes] | None = None,
    words: Collection[str] = (),
) -> Line:
    """Return the parts of a symbol's line.

    Args:
        row: the symbol.
        columns: the columns that are shown.
        lead: parts before the symbol type.
        suffix: text right after the name.
        size: size in bytes; None if unknown.
        exported: names that the owner exports; None if unknown.
        words: the search words, to be highlighted in the name.
    """
    symbol = row.symbol
    if symbol is None:
        return (*lead, (clean(decode(row.line)), "warn"))
    type_text = f"  {_type_text(row, symbol.type, exported)}" if columns.type else ""
    size_text = f"  {size:,} B" if size is not None else ""
    address = f"  {symbol.address:016x}" if columns.address and symbol.address else ""
    owner = f"  [{row.owner_words}]" if row.owner_words else ""
    return (
        *lead,
        (f"{symbol.type} ", "info"),
        *_name(fit(symbol.name + suffix, columns.name - 2), words),
        (fit(owner, columns.owner), "accent") if columns.owner else ("", ""),
        (fit(type_text, columns.type), "dim") if columns.type else ("", ""),
        (fit(size_text, columns.size, right=True), "") if columns.size else ("", ""),
        (fit(address, columns.address), "dim") if columns.address else ("", ""),
    )


def _type_text(row: Row, symbol_type: str, exported: Collection[bytes] | None) -> str:
    core = not row.owner
    name = row.line.split(b"\t", 1)[0].split(b" ", 2)[-1]
    if exported is None or name not in exported:
        return type_word(symbol_type, core=core)
    # In the kernel itself an upper-case type only means a global symbol. In a module it
    # marks EXPORT_SYMBOL, and lower case EXPORT_SYMBOL_GPL.
    licence = " GPL" if not core and symbol_type.islower() else ""
    return f"{type_word(symbol_type.lower())}, exported{licence}"


def _name(name: str, words: Collection[str]) -> list[Part]:
    """Return the name with the first occurrence of each search word highlighted."""
    marks = sorted((at, at + len(word)) for word in words if word and (at := name.find(word)) >= 0)
    parts: list[Part] = []
    position = 0
    for start, end in marks:
        if start >= position:
            parts += [(name[position:start], ""), (name[start:end], "strong")]
            position = end
    return [*(part for part in parts if part[0]), (name[position:], "")]
