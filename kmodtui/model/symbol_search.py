"""The rows of a symbol list that a query finds, block by block, on the raw bytes.

Counting a block and naming its rows are two things: the count of all hits is
wanted after every keystroke, the rows only of what is on the screen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from kmodtui.model.symbol_list import Block, Row, SymbolList
from kmodtui.model.symbol_query import KERNEL, Facet, Query
from kmodtui.model.text import clean, decode

FUNCTIONS = b"tTwWiI"
"""Type letters of code. A weak symbol that is an object has a `v`."""

_NEWLINE = 10

_OFTEN = 8  # fewer rows than this for each hit, and looking at every row is faster than leaping


class Hits(Sequence[int]):
    """Numbers of the rows that a query finds; it grows by a block with each `advance`.

    A query with a pattern can take as long as a person's pattern pleases:
    whoever calls `advance` limits its time.
    """

    def __init__(self, symbols: SymbolList, query: Query) -> None:
        self.symbols = symbols
        self.query = query
        self._blocks = _blocks_of(symbols, query)
        self._found: list[int] = []  # hits up to and with each block
        self._rows = lru_cache(maxsize=8)(self._rows_of)

    @property
    def done(self) -> bool:
        """Whether every block has been looked through."""
        return len(self._found) == len(self._blocks)

    def advance(self) -> None:
        """Look through the next block."""
        if not self.done:
            block = self.symbols.blocks[self._blocks[len(self._found)]]
            self._found.append(len(self) + _count(block, self.query, self._exported(block)))

    def until(self, number: int) -> None:
        """Look through blocks until there are so many hits, or no more blocks."""
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
        """Return a hit's row."""
        return self.symbols.row(self[index])

    def types(self) -> dict[str, int]:
        """Return how many hits so far there are of each type letter."""
        counts: Counter[int] = Counter()
        for place in self._blocks[: len(self._found)]:
            types = self.symbols.blocks[place].types
            counts.update(types[row] for row in self._rows_of(place))
        return {clean(decode(bytes([letter]))): count for letter, count in counts.items()}

    def at_or_behind(self, number: int) -> int:
        """Return the index of the first hit that is row `number` or behind it."""
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
        return _rows(block, self.query, self._exported(block))

    def _exported(self, block: Block) -> frozenset[bytes] | None:
        if self.query.facet is not Facet.EXPORTED:
            return None
        return self.symbols.exports.get(block.owner)


def find_all(symbols: SymbolList, query: Query) -> Hits:
    """Return every hit of a query, found in one go."""
    hits = Hits(symbols, query)
    while not hits.done:
        hits.advance()
    return hits


def _blocks_of(symbols: SymbolList, query: Query) -> list[int]:
    """Return the places of the blocks whose owner the query asks for."""
    wanted: Callable[[str], bool]
    if not query.owner:
        return list(range(len(symbols.blocks)))
    if query.owner in symbols.owners:
        wanted = query.owner.__eq__
    elif query.owner == KERNEL:
        wanted = "".__eq__
    else:
        wanted = lambda owner: query.owner in (owner or KERNEL)  # noqa: E731
    return [place for place, block in enumerate(symbols.blocks) if wanted(block.owner)]


def _count(block: Block, query: Query, exported: frozenset[bytes] | None) -> int:
    if query.pattern is None and not query.exact and not query.types and query.facet is Facet.ALL:
        if not query.words:
            return block.count
        if len(query.words) == 1:
            return _count_containing(block, query.words[0])
    return len(_rows(block, query, exported))


def _count_containing(block: Block, needle: bytes) -> int:
    """Return how many names contain `needle`; a name that has it twice counts once."""
    names = block.names
    if needle not in names:
        return 0
    if len(needle) == 1 and names.count(needle) * _OFTEN > block.count:
        return names.translate(None, _ALL_BUT[needle[0]]).count(needle + b"\n")
    # What stands between two of them has a newline in it, or they are in one name.
    between = names.split(needle)
    return len(between) - 1 - sum(b"\n" not in part for part in between[1:-1])


_ALL_BUT = [
    bytes(other for other in range(256) if other not in (kept, _NEWLINE)) for kept in range(256)
]


def _rows(block: Block, query: Query, exported: frozenset[bytes] | None) -> Sequence[int]:
    """Return the rows of a block that the query finds, numbered within the block."""
    names = block.names
    if any(word not in names for word in (*query.words, query.exact)):
        return ()
    rows: Sequence[int] = range(block.count)
    split: list[bytes] = []
    if query.exact:
        rows = _leap(names, query.exact, whole=True)
        if query.words:
            split = names.split(b"\n")
            rows = [row for row in rows if all(word in split[row] for word in query.words)]
    elif len(query.words) == 1 and names.count(query.words[0]) * _OFTEN < block.count:
        rows = _leap(names, query.words[0])
    elif query.words:
        split = names.split(b"\n")
        for word in query.words:
            rows = [row for row in rows if word in split[row]]
    if query.types:
        types, wanted = block.types, query.types.encode()
        rows = [row for row in rows if types[row] in wanted]
    if query.facet is Facet.FUNCTIONS:
        types = block.types
        rows = [row for row in rows if types[row] in FUNCTIONS]
    elif query.facet is Facet.EXPORTED:
        split = split or names.split(b"\n")
        rows = _exported_rows(block, rows, split, exported)
    if query.pattern is not None and rows:
        split = split or names.split(b"\n")
        search = query.pattern.search
        rows = [row for row in rows if search(split[row])]
    return rows


def _exported_rows(
    block: Block, rows: Sequence[int], names: list[bytes], exported: frozenset[bytes] | None
) -> list[int]:
    if exported is not None:
        return [row for row in rows if names[row] in exported]
    if not block.owner:
        return []
    # Without its export table the letters tell at least of EXPORT_SYMBOL.
    types = block.types
    return [row for row in rows if types[row : row + 1].isupper()]


def _leap(names: bytes, needle: bytes, *, whole: bool = False) -> list[int]:
    """Return the rows whose names contain `needle`, or are it, from one to the next."""
    rows = []
    row = counted = 0
    position = names.find(needle)
    while position >= 0:
        end = names.find(b"\n", position)
        if not whole or (
            end - position == len(needle) and (position == 0 or names[position - 1] == _NEWLINE)
        ):
            row += names.count(b"\n", counted, position)
            rows.append(row)
            counted = position
        # A name can hold another one's whole in its middle and again at its end.
        position = names.find(needle, position + 1 if whole else end)
    return rows
