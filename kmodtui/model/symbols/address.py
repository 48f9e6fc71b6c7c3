"""Addresses of symbols: which symbol contains one, how large it is, and why they are hidden.

The kernel shows where a symbol begins but not where it ends. The size of a symbol
is therefore the distance to the next one, including alignment, as computed by
`kallsyms_lookup_size_offset` in `kernel/kallsyms.c` and printed in an oops.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.model.symbols.list import Block, SymbolList
from kmodtui.model.symbols.query import Place, Query, parse_query
from kmodtui.model.symbols.search import find_all
from kmodtui.model.symbols.table import SymbolRows
from kmodtui.model.text import counted

_FAR = 16 * 1024 * 1024
"""An address is in no symbol if it is so many bytes after the start of its owner's last one."""

# Mapping symbols of ARM, AArch64 and RISC-V, and local labels: `is_mapping_symbol` in
# `include/linux/module_symbol.h`. They only mark where code and data begin.
_MAPPING = re.compile(rb"[0-9a-f]+ \S (?:\$[adtx](?:[.\t]|$)|\$xrv|\.L|L0)")
_MARKS = (b" $", b" .L", b" L0")  # before the name of any of them
_SHORT = re.compile(r"(?:0x)?[0-9a-f]{1,16}", re.IGNORECASE | re.ASCII)


class NoSymbolError(KmodtuiError):
    """There is no symbol of that name or at that address."""

    title = "Symbol not found"
    exit_code = 1


@dataclass(frozen=True, slots=True)
class Located:
    """A symbol that contains an address.

    Attributes:
        row: its number in the list.
        offset: bytes from its start to the address.
        size: bytes to the next symbol of the same owner; None if it is the last one.
        warning: why it may be the wrong symbol, in a sentence; empty if there is no doubt.
    """

    row: int
    offset: int
    size: int | None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Hiding:
    """What decides whether this process sees addresses; a value is None if it cannot be read.

    See `kallsyms_show_value` in `kernel/kallsyms.c`, which is evaluated at open().

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
        """Which setting hides the addresses, for the middle of a sentence."""
        if self.kptr_restrict is None:
            return "hidden by the kernel (see kernel.kptr_restrict)"
        if self.kptr_restrict >= 2:
            return f"hidden from all users by kernel.kptr_restrict={self.kptr_restrict}"
        without = "" if self.syslog else " from processes without CAP_SYSLOG"
        if self.kptr_restrict == 1:
            return f"hidden by kernel.kptr_restrict=1{without}"
        paranoid = self.perf_event_paranoid
        if paranoid is not None and paranoid > 1:
            return (
                f"hidden by kernel.kptr_restrict=0 with kernel.perf_event_paranoid={paranoid}"
                f"{without}"
            )
        return f"hidden{without}, although kernel.kptr_restrict is 0"

    @property
    def sentence(self) -> str:
        """The reason in a sentence, with what that means for comparing symbols."""
        return f"Addresses are {self.reason}; symbols are compared by name."


def locate(symbols: SymbolList, place: Place) -> list[Located]:
    """Return the symbols that contain a place; several can have the same address or name.

    Raises:
        NoSymbolError: there is none, or `place` is an address and addresses are hidden.
    """
    if place.address is not None:
        return _at(symbols, place.address)
    return _named(symbols, place)


def _at(symbols: SymbolList, address: int) -> list[Located]:
    digits = _digits(symbols)
    wanted = b"%0*x" % (digits, address)
    # Rows begin with the address, always with the same number of digits, so that comparing
    # rows compares addresses.
    behind = wanted + b"~"
    best, above = b"", b""
    owner = next_owner = ""
    for block in symbols.blocks:
        lines = _named_lines(block)
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
            "Addresses are hidden, so symbols cannot be looked up by address.",
            "Use the form name+0x1f/0x40, which an oops shows next to the address.",
        )
    offset = address - start
    size = _address(above) - start if above and owner == next_owner else None
    if offset >= _FAR and size is None:
        name = best.split(b"\t", 1)[0].split(b" ", 2)[-1].decode(errors="replace")
        raise NoSymbolError(
            f"{address:#x} is not in a symbol: the nearest one below it, {name}, begins "
            f"{counted(offset >> 20, 'MiB', 'MiB')} before it."
        )
    doubt = ""
    if size is None:
        doubt = "It is the last symbol of its module or of the kernel, so its end is unknown."
    return [
        Located(row, offset, size, doubt) for row in _rows_at(symbols, best[: digits + 1], owner)
    ]


def _rows_at(symbols: SymbolList, start: bytes, owner: str) -> list[int]:
    """Return the numbers of an owner's rows that begin with these bytes."""
    return [
        symbols.first(place) + number
        for place, block in enumerate(symbols.blocks)
        if block.owner == owner and block.raw.find(start, block.start, block.end) >= 0
        for number, line in enumerate(block.lines())
        if line.startswith(start) and not _MAPPING.match(line)
    ]


def _named_lines(block: Block) -> list[bytes]:
    """Return the rows of a block that name a function or an object."""
    lines = block.lines()
    if not any(block.raw.find(mark, block.start, block.end) >= 0 for mark in _MARKS):
        return lines
    return [line for line in lines if not _MAPPING.match(line)]


def _named(symbols: SymbolList, place: Place) -> list[Located]:
    query = Query(exact=place.name.encode(), owner=place.owner)
    numbers = list(find_all(symbols, query))
    if not numbers:
        where = f" of {place.owner}" if place.owner else ""
        raise NoSymbolError(
            f"There is no symbol {place.name}{where} in this kernel.",
            "The oops may be from another kernel, or the module is not loaded.",
        )
    found = []
    for number in numbers:
        size = size_of(symbols, number)
        doubt = ""
        if place.size and size is not None and size != place.size:
            doubt = (
                f"Its size is {size:#x} here and {place.size:#x} in the oops: a different build."
            )
        elif place.offset >= (place.size or size or place.offset + 1):
            doubt = "The offset is beyond its end."
        found.append(Located(number, place.offset, size if size is not None else None, doubt))
    return found


def size_of(symbols: SymbolList, number: int) -> int | None:
    """Return the size of a row's symbol in bytes; None if it is the last one or hidden."""
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
    return [line for line in _named_lines(block) if line > above]


def sizes(rows: SymbolRows) -> Sequence[int | None]:
    """Return the size in bytes of each row of one owner; None for the last one or if hidden."""
    lines = rows.raw.split(b"\n")[:-1]
    addresses = [_address(line) for line in lines]
    named: Iterable[int] = addresses
    if any(mark in rows.raw for mark in _MARKS):
        named = (a for a, line in zip(addresses, lines, strict=True) if not _MAPPING.match(line))
    edges = sorted({address for address in named if address})
    found: list[int | None] = []
    for address in addresses:
        at = bisect_right(edges, address)
        found.append(edges[at] - address if address and at < len(edges) else None)
    return found


def look_up(symbols: SymbolList, text: str) -> list[Located]:
    """Return the symbols that contain an address, or a place such as `name+0x1f/0x40`.

    Raises:
        NoSymbolError: there is none, or the text is neither.
        QueryError: the text is too long.
    """
    place = parse_query(text).place
    if place is None and _SHORT.fullmatch(text.strip()):
        # A search takes a short hexadecimal number for part of a name; here it is an address.
        place = Place(address=int(text, 16))
    if place is None:
        raise NoSymbolError(
            f"{text} is not an address.",
            "Use up to 16 hexadecimal digits, or the form name+0x1f/0x40.",
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
