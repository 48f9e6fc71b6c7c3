"""Sorting the symbols of one owner for display; identical rows become one with a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from kmodtui.model.symbols.address import sizes
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.table import SymbolRows

NOTHING: Mapping[bytes, int] = MappingProxyType({})


class Order(StrEnum):
    """Sort key of symbols."""

    NAME = "name"
    ADDRESS = "address"
    SIZE = "size"

    @property
    def next(self) -> Order:
        """The next choice; the first one follows the last."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the display.

    Attributes:
        line: the row as the kernel printed it.
        times: number of identical rows, including the address.
        size: its size in bytes; None if unknown.
    """

    line: bytes
    times: int
    size: int | None


def ordered(
    symbols: SymbolList,
    hits: Iterable[int],
    rows: SymbolRows,
    order: Order,
    by_name: Mapping[bytes, int] = NOTHING,
) -> tuple[Shown, ...]:
    """Return the matching rows, sorted; identical rows are merged and counted.

    Args:
        symbols: the rows of one owner.
        hits: numbers of the matching rows.
        rows: the same rows, to compute sizes from their addresses.
        order: the sort key; by size the largest come first. Rows with equal or hidden
            keys are sorted by name.
        by_name: sizes from the module's file, for symbols whose addresses are hidden.
    """
    lines = [symbols.row(number).line for number in hits]
    times = Counter(lines)
    known = _sizes(rows)
    found = [
        Shown(line, count, known.get(line) or by_name.get(_name(line)))
        for line, count in times.items()
    ]
    found.sort(key=_by_name)
    if order is Order.ADDRESS:
        found.sort(key=lambda shown: shown.line.split(b" ", 1)[0])
    elif order is Order.SIZE:
        found.sort(key=lambda shown: -(shown.size or 0))
    return tuple(found)


def _name(line: bytes) -> bytes:
    return line.split(b"\t", 1)[0].split(b" ", 2)[-1]


def _by_name(shown: Shown) -> list[bytes]:
    return shown.line.split(b" ", 2)[:0:-1]


def _sizes(rows: SymbolRows) -> dict[bytes, int | None]:
    lines = rows.raw.split(b"\n")[:-1]
    # If addresses are hidden, all of them are zero.
    if not any(_shows_address(line) for line in (*lines[:1], *lines[-1:])):
        return {}
    return dict(zip(lines, sizes(rows), strict=True))


def _shows_address(line: bytes) -> bool:
    return bool(line.split(b" ", 1)[0].strip(b"0"))
