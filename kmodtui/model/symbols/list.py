"""All rows of a symbol table, numbered, in blocks that are parsed only when needed.

A table of 250,000 rows is 12 MB of bytes, and they are kept as they are: a block is a
range of them, which is split into columns when it is first searched or one of its rows
is shown. So a view opens at once, however long the table is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from kmodtui.model.symbols.builtin import BuiltinMap, builtin_words
from kmodtui.model.symbols.table import Symbol, SymbolRows, SymbolTable, parse_row

_BLOCK = 48 * 1024  # bytes: about 1,000 rows, parsed in 0.1 ms

_EXPORT = b"__ksymtab_"


@dataclass(frozen=True)
class Block:
    """Consecutive rows of one owner.

    Attributes:
        owner: a module's name, or `bpf` and the like; empty for the kernel itself.
        raw: the bytes that contain the rows.
        start: offset of the first row.
        end: offset after the newline of the last row.
    """

    owner: str
    raw: bytes
    start: int
    end: int

    @cached_property
    def count(self) -> int:
        """Number of rows."""
        return self.raw.count(b"\n", self.start, self.end)

    @property
    def names(self) -> bytes:
        """The names as the kernel printed them, each followed by a newline."""
        return self._columns[0]

    @property
    def types(self) -> bytes:
        """The symbol types, one byte a row; `?` for a malformed row."""
        return self._columns[1]

    def lines(self) -> list[bytes]:
        """Return the rows without their newlines."""
        return self.raw[self.start : self.end].split(b"\n")[:-1]

    def line(self, row: int) -> bytes:
        """Return one row without its newline."""
        _, _, ends = self._columns
        if not ends:
            return self.lines()[row]
        # In well-formed rows everything but the name has the same length.
        others = (self.end - self.start - ends[-1]) // len(ends)
        start = self.start + row * others + (ends[row - 1] if row else 0)
        return self.raw[start : self.raw.index(b"\n", start)]

    @cached_property
    def _columns(self) -> tuple[bytes, bytes, array[int]]:
        """Names, types, and for each row the total length of the names up to it.

        The lengths are empty if any row is not well-formed.
        """
        words = self.raw[self.start : self.end].split()
        count, width = self.count, 4 if self.owner else 3
        if count and len(words) == width * count:
            types, names = b"".join(words[1::width]), b"\n".join(words[2::width]) + b"\n"
            digits = len(words[0])
            owner = len(words[3]) + 1 if self.owner else 0
            if (
                len(types) == count
                and set(map(len, words[::width])) == {digits}
                and (not owner or words[3::4].count(words[3]) == count)
                # There is nothing else between the words than single separators.
                and len(names) + count * (digits + 3 + owner) == self.end - self.start
            ):
                return names, types, array("I", accumulate(map(len, words[2::width])))
        return self._odd_columns()

    def _odd_columns(self) -> tuple[bytes, bytes, array[int]]:
        """Return the columns if some row is not well-formed, for example a name with a blank."""
        names, types = [], []
        for line in self.lines():
            fields = line.split(b"\t", 1)[0].split(b" ", 2)
            usual = len(fields) == 3 and len(fields[1]) == 1
            names.append(fields[2] if usual else line)
            types.append(fields[1] if usual else b"?")
        return b"".join(name + b"\n" for name in names), b"".join(types), array("I")


@dataclass(frozen=True, slots=True)
class Row:
    """One row and its owner.

    Attributes:
        owner: as in `Block`.
        line: the row as the kernel printed it, without the newline.
        builtin: the built-in modules that it belongs to, nearly always one; none if it belongs
            to a loaded module or to the rest of the kernel, or if that is unknown.
    """

    owner: str
    line: bytes
    builtin: tuple[str, ...] = ()

    @property
    def owner_words(self) -> str:
        """The module for people: `ext4`, `ext4 (built in)`, or empty for the kernel itself."""
        return self.owner or builtin_words(self.builtin)

    @property
    def symbol(self) -> Symbol | None:
        """The parsed row; None if it is malformed."""
        return parse_row(self.line)


class SymbolList:
    """The rows of some owners, numbered from 0 in the kernel's order. Immutable."""

    def __init__(
        self, owners: list[tuple[str, SymbolRows]], builtin: BuiltinMap | None = None
    ) -> None:
        """Create a list of the rows of some owners.

        Args:
            owners: each with its rows; an empty owner stands for the kernel itself.
            builtin: the built-in modules by address; None if they are unknown.
        """
        self.builtin = builtin
        self.blocks: tuple[Block, ...] = tuple(
            block for owner, rows in owners for block in _blocks(owner, rows)
        )
        self._ends = list(accumulate(block.count for block in self.blocks))

    @classmethod
    def of_table(cls, table: SymbolTable, builtin: BuiltinMap | None = None) -> SymbolList:
        """Return all rows: the kernel's own, then each module's, then those of `bpf` etc."""
        owners = [("", table.core), *table.modules.items(), *table.pseudo.items()]
        return cls(owners, builtin)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, number: int) -> Row:
        """Return a row by its number.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        place = bisect_right(self._ends, number)
        block = self.blocks[place]
        line = block.line(number - self.first(place))
        known = self.builtin is not None and not block.owner
        return Row(block.owner, line, self.builtin.of_line(line) if self.builtin and known else ())

    def rows_of_builtin(self, place: int, names: frozenset[str]) -> frozenset[int]:
        """Return the rows of a block that belong to some built-in modules, numbered within it."""
        builtin, block = self.builtin, self.blocks[place]
        if builtin is None or block.owner:
            return frozenset()
        return frozenset(
            row
            for row, line in enumerate(block.lines())
            if not names.isdisjoint(builtin.of_line(line))
        )

    def number_of(self, row: Row) -> int | None:
        """Return the number of the first identical row; None if there is none."""
        for place, block in enumerate(self.blocks):
            if block.owner != row.owner:
                continue
            wanted = row.line + b"\n"
            at = block.raw.find(wanted, block.start, block.end)
            while at > block.start and block.raw[at - 1 : at] != b"\n":
                at = block.raw.find(wanted, at + 1, block.end)
            if at >= 0:
                return self.first(place) + block.raw.count(b"\n", block.start, at)
        return None

    def first(self, place: int) -> int:
        """Return the number of the first row of a block."""
        return self._ends[place - 1] if place else 0

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """The owners of the rows, in the kernel's order."""
        return tuple(dict.fromkeys(block.owner for block in self.blocks))

    def prepare(self) -> Iterator[None]:
        """Parse one block at each step, so that idle time can be used for it."""
        for block in self.blocks:
            block.names  # noqa: B018 - cached
            yield

    @cached_property
    def exports(self) -> dict[str, frozenset[bytes]]:
        """The exported names by owner, from the rows `__ksymtab_NAME`.

        An owner without such rows is not in it.
        """
        found: dict[str, set[bytes]] = {}
        for block in self.blocks:
            if _EXPORT in block.names:
                names = (name for name in block.names.split(b"\n") if name.startswith(_EXPORT))
                found.setdefault(block.owner, set()).update(name[len(_EXPORT) :] for name in names)
        return {owner: frozenset(names) for owner, names in found.items()}


def _blocks(owner: str, rows: SymbolRows) -> Iterator[Block]:
    raw, start = rows.raw, 0
    while start < len(raw):
        end = raw.find(b"\n", start + _BLOCK) + 1 or len(raw)
        yield Block(owner, raw, start, end)
        start = end
