"""Which symbols a module takes from whom, and which it gives to whom."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from kmodtui.model.symbols import SymbolRows
from kmodtui.model.text import clean, decode


@dataclass(frozen=True, slots=True)
class Export:
    """A symbol that a module offers to others.

    Attributes:
        name: the symbol.
        gpl_only: whether only GPL-compatible modules may use it; None if that cannot be told.
        namespace: that users have to import; empty if none.
        crc: the checksum of its type, which users have to agree with; None without
            CONFIG_MODVERSIONS.
        section: where it lies, such as `.text`; empty if that cannot be told.
        size: in bytes; 0 if that cannot be told.
    """

    name: str
    gpl_only: bool | None
    namespace: str = ""
    crc: int | None = None
    section: str = ""
    size: int = 0

    @property
    def macro(self) -> str:
        """How the source exports it, such as EXPORT_SYMBOL_GPL; without _GPL if not known."""
        middle = "_NS" if self.namespace else ""
        return f"EXPORT_SYMBOL{middle}{'_GPL' if self.gpl_only else ''}"

    @property
    def words(self) -> str:
        """The same for a screen, with the namespace and with what is not known."""
        words = self.macro if self.gpl_only is not None else "exported, for whom is not known"
        return f"{words}, namespace {self.namespace}" if self.namespace else words


@dataclass(frozen=True, slots=True)
class Import:
    """A symbol that a module needs from the kernel or from another module.

    Attributes:
        name: the symbol.
        weak: whether the module can do without it.
        crc: the checksum that it was built against; None if the file tells none.
    """

    name: str
    weak: bool
    crc: int | None = None


@dataclass(frozen=True)
class ModuleSymbols:
    """What a module file takes and gives.

    Attributes:
        exports: sorted by name.
        imports: sorted by name.
        versions: the checksums that it was built against, by symbol; `module_layout`, which
            is no symbol that it imports, stands for the layout of the kernel's structures.
    """

    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def exported(self) -> dict[str, Export]:
        """The exports by name."""
        return {export.name: export for export in self.exports}

    @cached_property
    def imported(self) -> dict[str, Import]:
        """The imports by name."""
        return {wanted.name: wanted for wanted in self.imports}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a symbol of a module file lies; a name can have several.

    Attributes:
        section: such as `.text` or `.bss`; empty for a symbol without one.
        offset: in the section, in bytes.
        size: in bytes; 0 if the file tells none.
        weak: whether another definition overrides it.
    """

    section: str
    offset: int
    size: int
    weak: bool = False


class Giver(StrEnum):
    """Who gives a symbol that a module takes."""

    KERNEL = "kernel"
    MODULE = "module"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Taken:
    """A symbol that a module takes, and from whom.

    Attributes:
        wanted: the symbol.
        giver: the kernel itself, a module, nobody, or not to be told.
        module: the module that gives it; empty if it is no module.
        export: how it is exported there; None if that cannot be told.
    """

    wanted: Import
    giver: Giver
    module: str = ""
    export: Export | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A symbol that a module exports, and who uses it.

    Attributes:
        export: the symbol.
        users: the loaded modules that take it, sorted.
    """

    export: Export
    users: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModuleLinkage:
    """Everything that a module takes, and everything that it gives.

    Attributes:
        name: the module.
        loaded: whether it is loaded.
        path: its file; empty if there is none.
        takes: sorted by name; empty where there is no file.
        gives: sorted by name.
        problems: what cannot be told and why, each a sentence.
    """

    name: str
    loaded: bool
    path: str = ""
    takes: tuple[Taken, ...] = ()
    gives: tuple[Given, ...] = ()
    problems: tuple[str, ...] = ()

    @cached_property
    def givers(self) -> dict[str, tuple[Taken, ...]]:
        """What it takes by module, the modules sorted."""
        found: dict[str, list[Taken]] = {}
        for taken in self.takes:
            if taken.module:
                found.setdefault(taken.module, []).append(taken)
        return {module: tuple(found[module]) for module in sorted(found)}

    def taken_from(self, giver: Giver) -> tuple[Taken, ...]:
        """Return what it takes from the kernel, from nobody, or from nobody knows whom."""
        return tuple(taken for taken in self.takes if taken.giver is giver)

    @cached_property
    def users(self) -> dict[str, int]:
        """How many of its symbols each loaded module takes, the modules sorted."""
        counts = Counter(user for given in self.gives for user in given.users)
        return dict(sorted(counts.items()))


@dataclass(frozen=True)
class Edge:
    """Which symbols one module takes from another.

    Attributes:
        user: the module that takes.
        giver: the module that gives.
        symbols: sorted by name.
        problems: what cannot be told and why, each a sentence.
    """

    user: str
    giver: str
    symbols: tuple[Taken, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class KernelExports:
    """What the kernel itself exports, as far as its symbol table tells.

    Attributes:
        names: of every symbol that is exported.
        gpl_only: those of them that are for GPL-compatible modules.
        complete: whether `names` holds them all: False for a kernel without
            CONFIG_KALLSYMS_ALL, whose table has functions only and does not say what is exported.
        knows_licences: whether `gpl_only` means anything.
    """

    names: frozenset[str] = frozenset()
    gpl_only: frozenset[str] = frozenset()
    complete: bool = False
    knows_licences: bool = False

    def find(self, name: str) -> Export | None:
        """Return how a symbol is exported; None if it is not, or that cannot be told."""
        if not self.complete or name not in self.names:
            return None
        return Export(name, name in self.gpl_only if self.knows_licences else None)


@dataclass(frozen=True)
class SymbolDetails:
    """What files and kernel tell of one symbol.

    Attributes:
        module: its module; empty for the kernel itself.
        name: the symbol.
        export: how it is exported; None if it is not, or that cannot be told.
        places: where it lies in the module's file; a name can be there several times.
        importers: the loaded modules that take it, sorted.
        problems: what cannot be told and why, each a sentence.
    """

    module: str
    name: str
    export: Export | None = None
    places: tuple[Place, ...] = ()
    importers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


_ENTRY = re.compile(rb" [A-Za-z?] __ksymtab_([^\t\n]+)")


def kernel_exports(rows: SymbolRows) -> KernelExports:
    """Return what the kernel's own rows of /proc/kallsyms say of its exports.

    With CONFIG_KALLSYMS_ALL there is a row `__ksymtab_NAME` for each. Rows stand in
    the order of their addresses, also where addresses are hidden, and the linker
    puts the entries for everyone before those for GPL-compatible modules, each
    table behind a `__start_` row. Of rows with one address that of the linker is the
    last (`compare_symbols` in `scripts/kallsyms.c`), so the first entry of
    a table stands before the row that says that it begins.
    """
    raw = rows.raw
    start = raw.find(b" __start___ksymtab\n")
    start_gpl = raw.find(b" __start___ksymtab_gpl\n")
    entries = [(match.start(), match[1]) for match in _ENTRY.finditer(raw)]
    if not entries:
        names = frozenset(symbol.name for symbol in rows)
        return KernelExports(names)
    names = frozenset(_text(name) for _, name in entries)
    if start < 0 or start_gpl < 0:
        return KernelExports(names, complete=True)
    positions = [position for position, _ in entries]
    ahead = 1 if bisect_left(positions, start) else 0
    first = max(0, bisect_left(positions, start_gpl) - ahead)
    for_gpl = frozenset(_text(name) for _, name in entries[first:])
    return KernelExports(names, for_gpl, complete=True, knows_licences=True)


def exports_in_kallsyms(rows: SymbolRows) -> tuple[Export, ...]:
    """Return what a loaded module's rows of /proc/kallsyms say of its exports, sorted by name.

    An exported symbol has a row `__ksymtab_NAME`, and an upper-case letter unless it is
    for GPL-compatible modules only.
    """
    names = {_text(name) for name in _ENTRY.findall(rows.raw)}
    for_all = {symbol.name for symbol in rows if symbol.type.isupper()}
    return tuple(Export(name, name not in for_all) for name in sorted(names | for_all))


def _text(name: bytes) -> str:
    return clean(decode(name))
