"""Searching a symbol list for the rows that match a query, block by block, on the raw bytes.

Counting the matches of a block is separate from listing them: the total is needed
after every keystroke, but the rows only for what is on the screen.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from kmodtui.model.symbols.list import Block, Row, SymbolList
from kmodtui.model.symbols.query import KERNEL, Facet, Query
from kmodtui.model.text import clean, decode

FUNCTIONS = b"tTwWiI"
"""Symbol types of code. A weak object has type `v`, not `w`."""

_NEWLINE = 10

# What compilers append: `.llvm.N` (ThinLTO), `.isra.N`, `.constprop.N`, `.part.N`, `.cold`,
# `.__uniq.N` (-funique-internal-linkage-names), `.lto_priv.N`, `.localalias`, `.ctx_profile`.
_SUFFIXES = re.compile(
    rb"(?:\.(?:llvm|isra|constprop|part|cold|__uniq|lto_priv|localalias|cfi|cfi_jt|[0-9]+))++"
)

_OFTEN = 8  # with fewer rows per match, checking every row is faster than bytes.find


class Matches(Sequence[int]):
    """Numbers of the rows that match a query, found so far; `advance` searches another block.

    A regular expression can take arbitrarily long, so the caller of `advance` has to
    limit the time.
    """

    def __init__(self, symbols: SymbolList, query: Query) -> None:
        self.symbols = symbols
        self._builtin = _builtin_of(symbols, query)
        self._blocks = _blocks_of(symbols, query, self._builtin)
        if query.exact and not _names(symbols, self._blocks, query.exact):
            query = replace(query, suffixed=True)
        self.query = query
        self._found: list[int] = []  # number of matches up to and including each block
        self._rows = lru_cache(maxsize=8)(self._rows_of)

    @property
    def done(self) -> bool:
        """Whether all blocks have been searched."""
        return len(self._found) == len(self._blocks)

    def advance(self) -> None:
        """Search the next block."""
        if not self.done:
            place = self._blocks[len(self._found)]
            block = self.symbols.blocks[place]
            if self._builtin and not block.owner:
                count = len(self._rows_of(place))
            else:
                count = _count(block, self.query, self._exported(block))
            self._found.append(len(self) + count)

    def until(self, number: int) -> None:
        """Search blocks until there are `number` matches or no more blocks."""
        while not self.done and len(self) < number:
            self.advance()

    def __len__(self) -> int:
        return self._found[-1] if self._found else 0

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(index)
        at = bisect_right(self._found, index)
        place = self._blocks[at]
        within = index - (self._found[at - 1] if at else 0)
        return self.symbols.first(place) + self._rows(place)[within]

    def row(self, index: int) -> Row:
        """Return the row of a match."""
        return self.symbols.row(self[index])

    def types(self) -> dict[str, int]:
        """Return the number of matches so far of each symbol type."""
        counts: Counter[int] = Counter()
        for place in self._blocks[: len(self._found)]:
            types = self.symbols.blocks[place].types
            counts.update(types[row] for row in self._rows_of(place))
        return {clean(decode(bytes([letter]))): count for letter, count in counts.items()}

    def at_or_behind(self, number: int) -> int:
        """Return the index of the first match at or after row `number`."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self[middle] < number:
                low = middle + 1
            else:
                high = middle
        return low

    def _rows_of(self, place: int) -> Sequence[int]:
        block = self.symbols.blocks[place]
        rows = _rows(block, self.query, self._exported(block))
        if self._builtin and not block.owner:
            own = self.symbols.rows_of_builtin(place, self._builtin)
            return [row for row in rows if row in own]
        return rows

    def _exported(self, block: Block) -> frozenset[bytes] | None:
        if self.query.facet is not Facet.EXPORTED:
            return None
        return self.symbols.exports.get(block.owner)


def _names(symbols: SymbolList, blocks: Sequence[int], name: bytes) -> bool:
    """Return whether a row has exactly this name."""
    rows = (b" %b\n" % name, b" %b\t" % name)
    found = (symbols.blocks[place] for place in blocks)
    return any(block.raw.find(row, block.start, block.end) >= 0 for block in found for row in rows)


def find_all(symbols: SymbolList, query: Query) -> Matches:
    """Return all matches of a query, with all blocks searched."""
    hits = Matches(symbols, query)
    while not hits.done:
        hits.advance()
    return hits


def _builtin_of(symbols: SymbolList, query: Query) -> frozenset[str]:
    """Return the built-in modules whose symbols match the query by their owner.

    None, if it asks for no owner or for the kernel as a whole.
    """
    builtin, owner = symbols.builtin, query.owner
    if builtin is None or not owner or owner in symbols.owners or owner in KERNEL:
        return frozenset()
    if owner in builtin.names:
        return frozenset((owner,))
    return frozenset(name for name in builtin.names if owner in name)


def _blocks_of(symbols: SymbolList, query: Query, builtin: frozenset[str]) -> list[int]:
    """Return the indexes of the blocks whose owner matches the query."""
    if unwanted := query.unwanted_owners:
        blocks = _blocks_of(symbols, replace(query, unwanted_owners=()), builtin)
        owners = ((at, symbols.blocks[at].owner or KERNEL) for at in blocks)
        return [at for at, owner in owners if not any(each in owner for each in unwanted)]
    wanted: Callable[[str], bool]
    if not query.owner:
        return list(range(len(symbols.blocks)))
    if query.owner in symbols.owners:
        wanted = query.owner.__eq__
    elif query.owner == KERNEL or query.owner in builtin:
        wanted = "".__eq__
    else:
        kernel = query.owner if builtin else KERNEL  # its rows are then looked at one by one
        wanted = lambda owner: query.owner in (owner or kernel)  # noqa: E731
    return [place for place, block in enumerate(symbols.blocks) if wanted(block.owner)]


def _count(block: Block, query: Query, exported: frozenset[bytes] | None) -> int:
    if query.only_words:
        if not query.words:
            return block.count
        if len(query.words) == 1:
            return _count_containing(block, query.words[0])
    return len(_rows(block, query, exported))


def _count_containing(block: Block, needle: bytes) -> int:
    """Return how many names contain `needle`, each counted once."""
    names = block.names
    if needle not in names:
        return 0
    if len(needle) == 1 and names.count(needle) * _OFTEN > block.count:
        return names.translate(None, _all_but(needle[0])).count(needle + b"\n")
    # Two occurrences without a newline between them are in the same name.
    between = names.split(needle)
    return len(between) - 1 - sum(b"\n" not in part for part in between[1:-1])


@cache
def _all_but(kept: int) -> bytes:
    """Return all bytes but one and the newline."""
    return bytes(other for other in range(256) if other not in (kept, _NEWLINE))


def _rows(block: Block, query: Query, exported: frozenset[bytes] | None) -> Sequence[int]:
    """Return the matching rows of a block, numbered within the block."""
    names = block.names
    if any(word not in names for word in (*query.words, query.exact)):
        return ()
    rows: Sequence[int] = range(block.count)
    split: list[bytes] = []
    if query.exact:
        rows = _find_rows(names, query.exact, whole=True, suffixed=query.suffixed)
        if query.words:
            split = names.split(b"\n")
            rows = [row for row in rows if all(word in split[row] for word in query.words)]
    elif len(query.words) == 1 and names.count(query.words[0]) * _OFTEN < block.count:
        rows = _find_rows(names, query.words[0])
    elif query.words:
        split = names.split(b"\n")
        for word in query.words:
            rows = [row for row in rows if word in split[row]]
    if query.types:
        types, wanted = block.types, query.types.encode()
        rows = [row for row in rows if types[row] in wanted]
    for word in query.unwanted:
        split = split or names.split(b"\n")
        rows = [row for row in rows if word not in split[row]]
    if query.unwanted_types:
        types, unwanted = block.types, query.unwanted_types.encode()
        rows = [row for row in rows if types[row] not in unwanted]
    if query.facet is Facet.FUNCTIONS:
        types = block.types
        rows = [row for row in rows if types[row] in FUNCTIONS]
    elif query.facet is Facet.EXPORTED:
        split = split or names.split(b"\n")
        rows = _exported_rows(block, rows, split, exported)
    for pattern, matching in query.patterns if rows else ():
        split = split or names.split(b"\n")
        search = pattern.search
        rows = [row for row in rows if (search(split[row]) is not None) is matching]
    return rows


def _exported_rows(
    block: Block, rows: Sequence[int], names: list[bytes], exported: frozenset[bytes] | None
) -> list[int]:
    if exported is not None:
        return [row for row in rows if names[row] in exported]
    if not block.owner:
        return []
    # Without rows `__ksymtab_NAME`, upper-case types show at least the EXPORT_SYMBOL exports.
    types = block.types
    return [row for row in rows if types[row : row + 1].isupper()]


def _find_rows(
    names: bytes, needle: bytes, *, whole: bool = False, suffixed: bool = False
) -> list[int]:
    """Return the rows whose names contain `needle`, or equal it, by searching the bytes."""
    rows = []
    row = counted = 0
    position = names.find(needle)
    while position >= 0:
        end = names.find(b"\n", position)
        if not whole or (
            (position == 0 or names[position - 1] == _NEWLINE)
            and (
                end - position == len(needle)
                or (suffixed and _SUFFIXES.fullmatch(names, position + len(needle), end))
            )
        ):
            row += names.count(b"\n", counted, position)
            rows.append(row)
            counted = position
        position = names.find(needle, end)
    return rows
