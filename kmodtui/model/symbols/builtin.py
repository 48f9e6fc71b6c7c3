"""Which built-in module each symbol of the kernel itself belongs to.

Format of modules.builtin.ranges, Linux 6.12 and later (`scripts/generate_builtin_ranges.awk`):

    .text 00000000-00000000 = _text
    .text 0000baf0-0000cb10 amd_uncore
    .text 0009bd10-0009c8e0 iosf_mbi intel_soc

Ranges are offsets from the start of a section, the end exclusive. The first line of a section
names a symbol and its offset, from whose address that of the section follows. An object file
that several modules have in common has all their names.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kmodtui.model.modules import canonical
from kmodtui.model.symbols.table import SymbolRows, SymbolTable
from kmodtui.model.text import clean, decode

_LINE = re.compile(rb"(\S+) ([0-9a-f]{1,16})-([0-9a-f]{1,16}) (?:= (\S+)|(\S.*))")


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of a section that belongs to built-in modules.

    Attributes:
        section: such as `.text`.
        start: offset of its first byte in the section.
        end: offset of the first byte after it.
        modules: the names of its modules, with `_` for `-`; nearly always one.
    """

    section: str
    start: int
    end: int
    modules: tuple[str, ...]


@dataclass(frozen=True)
class BuiltinRanges:
    """The contents of modules.builtin.ranges.

    Attributes:
        anchors: by section, a symbol in it and the offset of that symbol.
        ranges: the pieces, in the order of the file.
    """

    anchors: Mapping[str, tuple[bytes, int]]
    ranges: tuple[Range, ...]


def parse_ranges(data: bytes) -> BuiltinRanges:
    """Return the ranges in the bytes of the file; malformed lines are skipped."""
    anchors: dict[str, tuple[bytes, int]] = {}
    ranges = []
    for match in filter(None, map(_LINE.fullmatch, data.split(b"\n"))):
        section, start, end = clean(decode(match[1])), int(match[2], 16), int(match[3], 16)
        if match[4]:
            anchors[section] = (match[4], start)
        elif start < end:
            modules = tuple(clean(canonical(decode(name))) for name in match[5].split())
            ranges.append(Range(section, start, end, modules))
    return BuiltinRanges(anchors, tuple(ranges))


class BuiltinMap:
    """The built-in modules by address, for one boot of a kernel."""

    def __init__(self, pieces: Iterable[tuple[int, int, tuple[str, ...]]]) -> None:
        """Create the map from start and end addresses, with the modules between them."""
        self._pieces = sorted(pieces)
        self._starts = [start for start, _, _ in self._pieces]
        self.names = frozenset(name for _, _, names in self._pieces for name in names)

    def at(self, address: int) -> tuple[str, ...]:
        """Return the modules that have this address; none for other code."""
        place = bisect_right(self._starts, address) - 1
        if place < 0 or address >= self._pieces[place][1]:
            return ()
        return self._pieces[place][2]

    def of_line(self, line: bytes) -> tuple[str, ...]:
        """Return the modules of a row of /proc/kallsyms."""
        try:
            return self.at(int(line.split(b" ", 1)[0], 16))
        except ValueError:
            return ()

    def counts(self, rows: SymbolRows) -> dict[str, int]:
        """Return the number of symbols by built-in module, the largest first."""
        found: Counter[str] = Counter()
        for line in rows.raw.split(b"\n")[:-1]:
            found.update(self.of_line(line))
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def builtin_map(ranges: BuiltinRanges, table: SymbolTable) -> BuiltinMap | None:
    """Return where the ranges are in memory; None if addresses are hidden.

    A section whose symbol is not in the table, or is there more than once, is left out.
    """
    if table.addresses_hidden:
        return None
    bases: dict[str, int] = {}
    for section, (symbol, offset) in ranges.anchors.items():
        address = _only_address(table.core.raw, symbol)
        if address is not None:
            bases[section] = address - offset
    return BuiltinMap(
        (bases[each.section] + each.start, bases[each.section] + each.end, each.modules)
        for each in ranges.ranges
        if each.section in bases
    )


def _only_address(raw: bytes, symbol: bytes) -> int | None:
    end = b" %b\n" % symbol
    at = raw.find(end)
    if at < 0 or raw.find(end, at + 1) >= 0:
        return None
    try:
        return int(raw[raw.rfind(b"\n", 0, at) + 1 : at].split(b" ", 1)[0], 16)
    except ValueError:
        return None


def builtin_words(modules: Iterable[str]) -> str:
    """Return built-in modules for people: `ext4 (built in)`; empty for none."""
    names = ", ".join(modules)
    return f"{names} (built in)" if names else ""
