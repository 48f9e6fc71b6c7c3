"""Builds of a module file, and the difference of two: symbols as `nm -S` lists them, parameters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kmodtui.model.module_info import Parameter


class BuildSymbol(NamedTuple):
    """A symbol that a module file defines.

    Attributes:
        name: safe to show.
        size: in bytes; 0 if it has none.
        type: the letter that nm(1) prints.
        function: whether it is a function.
    """

    name: str
    size: int
    type: str
    function: bool


@dataclass(frozen=True)
class ModuleBuild:
    """One build of a module file.

    Attributes:
        name: of the module.
        sha256: of the file.
        file_size: bytes of the file.
        build_id: the linker's, in hexadecimal; empty without one.
        srcversion: the checksum of its sources; empty without one.
        vermagic: its version magic.
        parameters: what it declares, in the file's order.
        symbols: what it defines, in the order of its symbol table.
        imports: what it imports, with the checksums that it was built against.
        memory: bytes that it takes when it is loaded, estimated; None if unknown.
    """

    name: str
    sha256: str = ""
    file_size: int = 0
    build_id: str = ""
    srcversion: str = ""
    vermagic: str = ""
    parameters: tuple[Parameter, ...] = ()
    symbols: tuple[BuildSymbol, ...] = ()
    imports: frozenset[tuple[str, int | None]] = frozenset()
    memory: int | None = None

    def is_same_build(self, other: ModuleBuild) -> bool:
        """Return whether another file has the same code, as after BTF was added to it."""
        if self.sha256 and self.sha256 == other.sha256:
            return True
        mine = (self.build_id, self.vermagic, self.symbols, self.parameters, self.imports)
        theirs = (other.build_id, other.vermagic, other.symbols, other.parameters, other.imports)
        return bool(self.build_id) and mine == theirs


class Moved(StrEnum):
    """What happened to a symbol between two builds."""

    ADDED = "added"
    REMOVED = "removed"
    GROWN = "grown"
    SHRUNK = "shrunk"
    RETYPED = "retyped"
    """It has the same size, but another type: such as a function that is not static any more."""


class SymbolChange(NamedTuple):
    """A symbol that differs between two builds.

    Attributes:
        moved: how.
        name: safe to show.
        type: the letter that nm(1) prints, of the new build; of the old one if it was removed.
        function: whether it is a function.
        before: its size in the old build; None if it was added.
        after: its size in the new build; None if it was removed.
    """

    moved: Moved
    name: str
    type: str
    function: bool
    before: int | None
    after: int | None

    @property
    def bytes(self) -> int:
        """How many bytes larger it is now; negative if it is smaller."""
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True)
class BuildDifference:
    """What differs between two builds.

    Attributes:
        symbols: the ones that differ: functions first, then the largest change first.
        parameters_added: that only the new build declares.
        parameters_removed: that only the old build declares.
        parameters_changed: that have another type in the new build.
        memory: how many bytes more the module takes, estimated; None if unknown.
    """

    symbols: tuple[SymbolChange, ...] = ()
    parameters_added: tuple[Parameter, ...] = ()
    parameters_removed: tuple[Parameter, ...] = ()
    parameters_changed: tuple[Parameter, ...] = ()
    memory: int | None = None

    def of(self, moved: Moved) -> tuple[SymbolChange, ...]:
        """Return the symbols with this kind of change."""
        return tuple(change for change in self.symbols if change.moved is moved)

    @property
    def is_empty(self) -> bool:
        """Whether symbols and parameters are the same; the code can differ nevertheless."""
        return not (
            self.symbols
            or self.parameters_added
            or self.parameters_removed
            or self.parameters_changed
        )


def difference(old: ModuleBuild, new: ModuleBuild) -> BuildDifference:
    """Return what differs between two builds.

    Several static symbols can have one name: then as many are added or removed as the numbers
    differ, and the others are compared in the order of their sizes.
    """
    before = {parameter.name: parameter for parameter in old.parameters}
    after = {parameter.name: parameter for parameter in new.parameters}
    memory = None if old.memory is None or new.memory is None else new.memory - old.memory
    return BuildDifference(
        tuple(sorted(_symbols(old.symbols, new.symbols), key=_order)),
        tuple(each for name, each in after.items() if name not in before),
        tuple(each for name, each in before.items() if name not in after),
        tuple(each for name, each in after.items() if before.get(name, each).type != each.type),
        memory,
    )


def _order(change: SymbolChange) -> tuple[bool, int, str, str]:
    return not change.function, -abs(change.bytes), change.name, change.moved


def _symbols(old: tuple[BuildSymbol, ...], new: tuple[BuildSymbol, ...]) -> Iterator[SymbolChange]:
    if old == new:
        return
    removed, added = _only(old, new), _only(new, old)
    for name in dict.fromkeys((*removed, *added)):
        gone, here = removed.get(name, []), added.get(name, [])
        for one, other in zip(gone, here, strict=False):
            yield SymbolChange(
                _moved(one.size, other.size), name, other.type, other.function, one.size, other.size
            )
        for one in gone[len(here) :]:
            yield SymbolChange(Moved.REMOVED, name, one.type, one.function, one.size, None)
        for one in here[len(gone) :]:
            yield SymbolChange(Moved.ADDED, name, one.type, one.function, None, one.size)


def _moved(before: int, after: int) -> Moved:
    if before == after:
        return Moved.RETYPED
    return Moved.GROWN if after > before else Moved.SHRUNK


def _only(
    symbols: Iterable[BuildSymbol], others: Iterable[BuildSymbol]
) -> dict[str, list[BuildSymbol]]:
    """Return the symbols that others lack, by name, the smallest first."""
    found: defaultdict[str, list[BuildSymbol]] = defaultdict(list)
    for symbol, times in (Counter(symbols) - Counter(others)).items():
        found[symbol.name] += [symbol] * times
    return {name: sorted(each, key=lambda symbol: symbol.size) for name, each in found.items()}
