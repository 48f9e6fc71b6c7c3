"""Addresses of symbols: which symbol contains one, how large symbols are, and what hides them.

The kernel tells where a symbol begins, not where it ends. So a size here is the
distance to the next symbol, alignment included, as `kallsyms_lookup_size_offset`
in `kernel/kallsyms.c` has it and an oops prints it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.model.symbol_list import Block, SymbolList
from kmodtui.model.symbol_query import Place, Query, parse_query
from kmodtui.model.symbol_search import find_all
from kmodtui.model.symbols import SymbolRows
from kmodtui.model.text import counted

_FAR = 16 * 1024 * 1024
"""Bytes behind the last symbol of an owner from which on an address is in nobody's memory."""

_SHORT = re.compile(r"(?:0x)?[0-9a-f]{1,16}", re.IGNORECASE | re.ASCII)


class NoSymbolError(KmodtuiError):
    """No symbol contains a place."""

    title = "No symbol there"
    exit_code = 1


@dataclass(frozen=True, slots=True)
class Located:
    """A symbol that contains a place.

    Attributes:
        row: its number in the list.
        offset: bytes of the place behind its beginning.
        size: bytes to the next symbol of the same owner; None where there is none behind it.
        doubt: why it may not be the one, in a sentence; empty where there is no doubt.
    """

    row: int
    offset: int
    size: int | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Hiding:
    """What decides whether this process sees addresses; None where it cannot be read.

    Source: `kallsyms_show_value` in `kernel/kallsyms.c`, which looks at open().

    Attributes:
        kptr_restrict: /proc/sys/kernel/kptr_restrict.
        perf_event_paranoid: /proc/sys/kernel/perf_event_paranoid.
        syslog: whether this process has CAP_SYSLOG.
    """

    kptr_restrict: int | None = None
    perf_event_paranoid: int | None = None
    syslog: bool | None = None

    @property
    def reason(self) -> str:
        """Which setting hides the addresses, without a full stop."""
        if self.kptr_restrict is None:
            return "hidden by the kernel (see kernel.kptr_restrict)"
        if self.kptr_restrict >= 2:
            return f"hidden from everybody by kernel.kptr_restrict={self.kptr_restrict}"
        without = "" if self.syslog else " from whoever lacks CAP_SYSLOG"
        if self.kptr_restrict == 1:
            return f"hidden by kernel.kptr_restrict=1{without}"
        paranoid = self.perf_event_paranoid
        if paranoid is not None and paranoid > 1:
            return (
                f"hidden by kernel.kptr_restrict=0 with kernel.perf_event_paranoid={paranoid}"
                f"{without}"
            )
        return f"hidden{without} although kernel.kptr_restrict is 0"

    @property
    def sentence(self) -> str:
        """The same for a person who compares, with what that means."""
        return f"Addresses are {self.reason}; names compare all the same."


def locate(symbols: SymbolList, place: Place) -> list[Located]:
    """Return the symbols that contain a place: several where they share an address or a name.

    Raises:
        NoSymbolError: there is none, or addresses are hidden and one was asked for.
    """
    if place.address is not None:
        return _at(symbols, place.address)
    return _named(symbols, place)


def _at(symbols: SymbolList, address: int) -> list[Located]:
    digits = _digits(symbols)
    wanted = b"%0*x" % (digits, address)
    # Rows begin with their addresses, all of one length: they compare as the addresses do.
    behind = wanted + b"~"
    best, above = b"", b""
    owner = next_owner = ""
    for block in symbols.blocks:
        lines = block.lines()
        below = max((line for line in lines if line <= behind), default=b"")
        if below[:digits] > best[:digits] or not best:
            best, owner = below, block.owner
        higher = min((line for line in lines if line > behind), default=b"")
        if higher and (not above or higher[:digits] < above[:digits]):
            above, next_owner = higher, block.owner
    start = _address(best)
    if not start:
        if any(_address(block.lines()[-1]) for block in symbols.blocks[:1]):
            raise NoSymbolError(f"No symbol begins at or below {address:#x}.")
        raise NoSymbolError(
            "Addresses are hidden here, so that none can be looked up.",
            "A place such as name+0x1f/0x40 can: an oops tells it beside the address.",
        )
    offset = address - start
    size = _address(above) - start if above and owner == next_owner else None
    if offset >= _FAR and size is None:
        name = best.split(b"\t", 1)[0].split(b" ", 2)[-1].decode(errors="replace")
        raise NoSymbolError(
            f"{address:#x} is in no symbol: the nearest below it, {name}, begins "
            f"{counted(offset >> 20, 'megabyte')} before."
        )
    doubt = "" if size is not None else "It is the last one there, and nothing tells where it ends."
    return [
        Located(row, offset, size, doubt) for row in _rows_at(symbols, best[: digits + 1], owner)
    ]


def _rows_at(symbols: SymbolList, start: bytes, owner: str) -> list[int]:
    """Return the rows of an owner that begin with these bytes."""
    return [
        symbols.first(place) + number
        for place, block in enumerate(symbols.blocks)
        if block.owner == owner and block.raw.find(start, block.start, block.end) >= 0
        for number, line in enumerate(block.lines())
        if line.startswith(start)
    ]


def _named(symbols: SymbolList, place: Place) -> list[Located]:
    query = Query(exact=place.name.encode(), owner=place.owner)
    numbers = list(find_all(symbols, query))
    if not numbers:
        where = f" of {place.owner}" if place.owner else ""
        raise NoSymbolError(
            f"There is no symbol {place.name}{where} in this kernel.",
            "It may be another kernel's oops, or its module is not loaded.",
        )
    found = []
    for number in numbers:
        size = size_of(symbols, number)
        doubt = ""
        if place.size and size is not None and size != place.size:
            doubt = (
                f"Here it has {size:#x} bytes, in the oops {place.size:#x}: another build of it."
            )
        elif place.offset >= (place.size or size or place.offset + 1):
            doubt = "The offset lies behind its end."
        found.append(Located(number, place.offset, size if size is not None else None, doubt))
    return found


def size_of(symbols: SymbolList, number: int) -> int | None:
    """Return the bytes from a row's symbol to the next one of the same owner; None if unknown."""
    row = symbols.row(number)
    start = _address(row.line)
    if not start:
        return None
    digits = row.line.index(b" ")
    above = row.line[:digits] + b"~"
    follower = min(
        (
            line
            for block in symbols.blocks
            if block.owner == row.owner
            for line in _lines_above(block, above)
        ),
        default=b"",
    )
    return _address(follower) - start if follower else None


def _lines_above(block: Block, above: bytes) -> list[bytes]:
    return [line for line in block.lines() if line > above]


def sizes(rows: SymbolRows) -> Sequence[int | None]:
    """Return the size of each row of one owner; None for the last ones and where it is hidden."""
    addresses = [_address(line) for line in rows.raw.split(b"\n")[:-1]]
    edges = sorted({address for address in addresses if address})
    found: list[int | None] = []
    for address in addresses:
        at = bisect_right(edges, address)
        found.append(edges[at] - address if address and at < len(edges) else None)
    return found


def look_up(symbols: SymbolList, text: str) -> list[Located]:
    """Return the symbols that contain what was typed as an address or a place.

    Raises:
        NoSymbolError: there is none.
        QueryError: what was typed is neither.
    """
    place = parse_query(text).place
    if place is None and _SHORT.fullmatch(text.strip()):
        # A search takes few digits for a part of a name; here an address was asked for.
        place = Place(address=int(text, 16))
    if place is None:
        raise NoSymbolError(
            f"{text} is no address and no place.",
            "An address has up to 16 hexadecimal digits, a place is name+0x1f/0x40.",
        )
    return locate(symbols, place)


def _digits(symbols: SymbolList) -> int:
    first = symbols.blocks[0].lines()[0] if symbols.blocks else b""
    return max(1, first.find(b" "))


def _address(line: bytes) -> int:
    try:
        return int(line.split(b" ", 1)[0], 16)
    except ValueError:
        return 0
