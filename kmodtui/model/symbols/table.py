"""The kernel's symbol table, and the exact difference of two readings of it.

Source of the format: `s_show` in `kernel/kallsyms.c`: `ADDRESS TYPE NAME` for
the kernel itself, with `TAB [MODULE]` behind it for a module's symbol.

Names repeat (`__func__.7`, `_note_10`), and addresses are zero for ordinary users, so a
difference is that of multisets of (module, type, name).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from kmodtui.model.text import clean, decode

TYPE_WORDS = {
    "t": "functions",
    "w": "weak",
    "v": "weak objects",
    "d": "data",
    "g": "small data",
    "r": "read-only",
    "b": "bss",
    "s": "small bss",
    "a": "absolute",
    "u": "undefined",
    "n": "debug",
    "i": "indirect functions",
    "c": "common",
    "?": "unknown",
}
"""Symbol types in words, by their lower-case letter; `man nm` and `scripts/kallsyms.c`."""


_ONE = {
    "functions": "function",
    "weak": "weak function",
    "weak objects": "weak object",
    "read-only": "read-only data",
    "indirect functions": "indirect function",
}
"""The words that differ for a single symbol."""


def type_word(letter: str, *, core: bool = False) -> str:
    """Return the type of one symbol in words; see `type_words`."""
    words = TYPE_WORDS.get(letter.lower(), f"type {letter}")
    return _in_words(_ONE.get(words, words), letter, core)


def counted_types(types: Mapping[str, int]) -> list[str]:
    """Return `3,910 functions`, `1 weak object`: the most frequent first.

    Upper and lower case count as one: symbols that are exported for GPL modules only keep
    the lower case, so upper case does not count the exports.
    """
    counts: Counter[str] = Counter()
    for letter, count in types.items():
        counts[TYPE_WORDS.get(letter.lower(), f"of type {letter}")] += count
    return [f"{count:,} {_ONE.get(w, w) if count == 1 else w}" for w, count in counts.most_common()]


def type_words(letter: str, *, core: bool = False) -> str:
    """Return a symbol type in words.

    In a module, upper case marks EXPORT_SYMBOL only. In the kernel itself (`core`) it marks
    global symbols, as in `nm`.
    """
    return _in_words(TYPE_WORDS.get(letter.lower(), f"type {letter}"), letter, core)


def _in_words(words: str, letter: str, core: bool) -> str:
    if not letter.isupper():
        return words
    return f"{words}, {'global' if core else 'exported'}"


class Symbol(NamedTuple):
    """One row of /proc/kallsyms.

    Attributes:
        address: 0 where the kernel hides addresses.
        type: the letter as the kernel printed it.
        name: made safe to display.
    """

    address: int
    type: str
    name: str


@dataclass(frozen=True)
class SymbolRows:
    """Rows of one owner, kept as the kernel printed them and parsed on demand.

    Attributes:
        raw: complete lines, each with its newline.
    """

    raw: bytes = b""

    def __len__(self) -> int:
        return self._lines

    def __iter__(self) -> Iterator[Symbol]:
        """Parse the rows again, in the kernel's order; malformed rows are skipped."""
        # Not kept: 120,000 parsed symbols take 30 MB.
        return filter(None, map(parse_row, self.raw.split(b"\n")))

    def lists_the_same(self, other: SymbolRows) -> bool:
        """Return whether both have the same types and names in the same order."""
        if self.raw == other.raw:
            return True
        mine, others = (rows.raw.split(b"\n") for rows in (self, other))
        return [*map(_without_address, mine)] == [*map(_without_address, others)]

    @cached_property
    def _lines(self) -> int:
        return self.raw.count(b"\n")

    @cached_property
    def types(self) -> Mapping[str, int]:
        """The number of rows of each symbol type, the most frequent first."""
        # Where every row has two blanks, the letters are between them.
        letters = self.raw.split(b" ")[1::2]
        if len(letters) != len(self) or len(b"".join(letters)) != len(self):
            fields = (line.split(b" ", 2) for line in self.raw.split(b"\n"))
            letters = [field[1] for field in fields if len(field) == 3]
        counts: Counter[str] = Counter()
        for letter, count in Counter(letters).items():
            counts[clean(decode(letter))] += count
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def parse_row(line: bytes) -> Symbol | None:
    """Return the columns of a row without its newline; None if it is malformed."""
    fields = line.split(b"\t", 1)[0].split(b" ", 2)
    if len(fields) != 3:
        return None
    try:
        address = int(fields[0], 16)
    except ValueError:
        return None
    return Symbol(address, clean(decode(fields[1])), clean(decode(fields[2])))


NO_ROWS = SymbolRows()


@dataclass(frozen=True)
class SymbolTable:
    """One reading of /proc/kallsyms.

    Attributes:
        core: rows of the kernel itself.
        modules: rows by module, in the kernel's order, newest module first.
        pseudo: rows by bracketed owner that is not a module: `bpf`, `__builtin__…`.
        scattered: whether rows of one owner stood in more than one place, as they do only
            when modules are loaded or unloaded during the read.
    """

    core: SymbolRows = NO_ROWS
    modules: Mapping[str, SymbolRows] = field(default_factory=dict)
    pseudo: Mapping[str, SymbolRows] = field(default_factory=dict)
    scattered: bool = False

    def __len__(self) -> int:
        owners = (self.core, *self.modules.values(), *self.pseudo.values())
        return sum(len(rows) for rows in owners)

    @cached_property
    def addresses_hidden(self) -> bool:
        """Whether the kernel printed zeros instead of addresses.

        The first rows are zero on x86 in any case (per-CPU offsets), so this looks at
        `_stext`, which never is; without it, at the last row of the kernel.
        """
        row = self.core.raw.find(b" _stext\n")
        end = row + 1 if row >= 0 else len(self.core.raw.rstrip(b"\n"))
        start = self.core.raw.rfind(b"\n", 0, end) + 1
        address = self.core.raw[start:end].split(b" ", 1)[0]
        return not address.strip(b"0")

    def of(self, module: str) -> SymbolRows:
        """Return the rows of a module; none if it has none or is not loaded."""
        return self.modules.get(module, NO_ROWS)

    def counts(self) -> dict[str, int]:
        """Return the number of symbols by module, the largest first."""
        counts = {name: len(rows) for name, rows in self.modules.items()}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def without(self, modules: frozenset[str]) -> SymbolTable:
        """Return the table without the rows of some modules."""
        if modules.isdisjoint(self.modules):
            return self
        kept = {name: rows for name, rows in self.modules.items() if name not in modules}
        return SymbolTable(self.core, kept, self.pseudo, self.scattered)


@dataclass(frozen=True)
class OwnerDelta:
    """The rows of one owner that were added and removed between two readings.

    Attributes:
        owner: a module's name; empty for the kernel itself.
    """

    owner: str
    added: SymbolRows = NO_ROWS
    removed: SymbolRows = NO_ROWS


@dataclass(frozen=True)
class SymbolDelta:
    """The difference of two symbol tables by owner, of the owners that changed."""

    owners: tuple[OwnerDelta, ...] = ()

    @cached_property
    def added(self) -> int:
        """How many symbols were added."""
        return sum(len(owner.added) for owner in self.owners)

    @cached_property
    def removed(self) -> int:
        """How many symbols were removed."""
        return sum(len(owner.removed) for owner in self.owners)

    def __bool__(self) -> bool:
        return bool(self.owners)


def difference(before: SymbolTable, after: SymbolTable) -> SymbolDelta:
    """Return the symbols that were added and removed between two tables.

    Pseudo-owners are ignored: compiled BPF programs and trampolines change with every
    tracing tool and belong to no module.
    """
    owners = []
    if before.core.raw != after.core.raw:
        owners.append(_between("", before.core, after.core))
    for name in (*after.modules, *(set(before.modules) - set(after.modules))):
        old, new = before.of(name), after.of(name)
        if old.raw != new.raw:
            owners.append(_between(name, old, new))
    owners = [owner for owner in owners if owner.added or owner.removed]
    owners.sort(key=lambda owner: (-len(owner.added) - len(owner.removed), owner.owner))
    return SymbolDelta(tuple(owners))


def _between(owner: str, old: SymbolRows, new: SymbolRows) -> OwnerDelta:
    if not old or not new:
        return OwnerDelta(owner, new, old)
    return OwnerDelta(owner, _surplus(new, old), _surplus(old, new))


def _surplus(rows: SymbolRows, other: SymbolRows) -> SymbolRows:
    """Return the rows that `other` does not have, or not as often, ignoring addresses."""
    spare = Counter(map(_without_address, other.raw.split(b"\n")[:-1]))
    surplus = []
    for line in rows.raw.split(b"\n")[:-1]:
        key = _without_address(line)
        if spare[key]:
            spare[key] -= 1
        else:
            surplus.append(line + b"\n")
    return SymbolRows(b"".join(surplus))


def _without_address(line: bytes) -> bytes:
    return line.split(b" ", 1)[-1]
