"""Imports and exports of modules: which symbols, from which provider, used by which importer."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from kmodtui.model.symbols.table import SymbolRows
from kmodtui.model.text import clean, decode


@dataclass(frozen=True, slots=True)
class Export:
    """A symbol that a module or the kernel exports.

    Attributes:
        name: symbol name.
        gpl_only: whether only GPL-compatible modules may use it; None if unknown.
        namespace: the symbol namespace that importers have to import; empty if none.
        crc: the checksum of its type, which importers have to match; None without
            CONFIG_MODVERSIONS.
        section: its ELF section, such as `.text`; empty if unknown.
        size: its size in bytes; 0 if unknown.
    """

    name: str
    gpl_only: bool | None
    namespace: str = ""
    crc: int | None = None
    section: str = ""
    size: int = 0

    @property
    def macro(self) -> str:
        """The macro that exports it, such as EXPORT_SYMBOL_GPL; without _GPL if unknown."""
        middle = "_NS" if self.namespace else ""
        return f"EXPORT_SYMBOL{middle}{'_GPL' if self.gpl_only else ''}"

    @property
    def words(self) -> str:
        """The macro and the namespace for the screen, or that the macro is unknown."""
        words = self.macro if self.gpl_only is not None else "exported (GPL-only or not: unknown)"
        return f"{words}, namespace {self.namespace}" if self.namespace else words


@dataclass(frozen=True, slots=True)
class Import:
    """A symbol that a module imports from the kernel or from another module.

    Attributes:
        name: symbol name.
        weak: whether the module loads even if the symbol is unresolved.
        crc: the checksum that it was built against; None if the file has none.
    """

    name: str
    weak: bool
    crc: int | None = None


@dataclass(frozen=True)
class ModuleSymbols:
    """Imports and exports of a module file.

    Attributes:
        exports: sorted by name.
        imports: sorted by name.
        versions: the checksums that it was built against, by symbol. `module_layout` is not an
            import; its checksum stands for the layout of the kernel's structures.
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
class Definition:
    """Where a symbol is defined in a module file; several symbols can have the same name.

    Attributes:
        section: such as `.text` or `.bss`; empty for a symbol without one.
        offset: bytes from the start of the section.
        size: its size in bytes; 0 if the file does not record it.
        weak: whether another definition overrides it.
    """

    section: str
    offset: int
    size: int
    weak: bool = False


class ProviderKind(StrEnum):
    """Kind of provider of a symbol that a module imports."""

    KERNEL = "kernel"
    MODULE = "module"
    UNRESOLVED = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ResolvedImport:
    """A symbol that a module imports, and its provider.

    Attributes:
        wanted: the import.
        provider: the provider: the kernel itself, a module, none (unresolved), or unknown.
        module: name of the providing module; empty if it is not a module.
        export: how the provider exports it; None if unknown.
    """

    wanted: Import
    provider: ProviderKind
    module: str = ""
    export: Export | None = None


@dataclass(frozen=True, slots=True)
class UsedExport:
    """A symbol that a module exports, and its importers.

    Attributes:
        export: the symbol.
        users: the loaded modules that import it, sorted.
    """

    export: Export
    users: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModuleLinkage:
    """All imports and exports of a module, with their providers and importers.

    Attributes:
        name: the module.
        loaded: whether it is loaded.
        path: its file; empty if there is none.
        imports: its imports, sorted by name; empty if there is no file.
        exports: its exports, sorted by name.
        problems: what is unknown and why, a sentence each.
    """

    name: str
    loaded: bool
    path: str = ""
    imports: tuple[ResolvedImport, ...] = ()
    exports: tuple[UsedExport, ...] = ()
    problems: tuple[str, ...] = ()

    @cached_property
    def providers(self) -> dict[str, tuple[ResolvedImport, ...]]:
        """Its imports from other modules, by provider; the modules sorted."""
        found: dict[str, list[ResolvedImport]] = {}
        for taken in self.imports:
            if taken.module:
                found.setdefault(taken.module, []).append(taken)
        return {module: tuple(found[module]) for module in sorted(found)}

    def taken_from(self, giver: ProviderKind) -> tuple[ResolvedImport, ...]:
        """Return its imports from one kind of provider."""
        return tuple(taken for taken in self.imports if taken.provider is giver)

    @cached_property
    def users(self) -> dict[str, int]:
        """Number of its symbols that each loaded module imports, the modules sorted."""
        counts = Counter(user for given in self.exports for user in given.users)
        return dict(sorted(counts.items()))


@dataclass(frozen=True)
class Edge:
    """The symbols that one module imports from another.

    Attributes:
        user: the importer.
        provider: the provider.
        symbols: sorted by name.
        problems: what is unknown and why, a sentence each.
    """

    user: str
    provider: str
    symbols: tuple[ResolvedImport, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class KernelExports:
    """What the kernel itself exports, as far as its symbol table shows.

    Attributes:
        names: names of the exported symbols.
        gpl_only: those that only GPL-compatible modules may use.
        complete: whether `names` is exactly the exports. False for a kernel without
            CONFIG_KALLSYMS_ALL: its table has only functions and does not show exports.
        knows_licences: whether `gpl_only` is known.
    """

    names: frozenset[str] = frozenset()
    gpl_only: frozenset[str] = frozenset()
    complete: bool = False
    knows_licences: bool = False

    def find(self, name: str) -> Export | None:
        """Return how a symbol is exported; None if it is not exported or that is unknown."""
        if not self.complete or name not in self.names:
            return None
        return Export(name, name in self.gpl_only if self.knows_licences else None)


@dataclass(frozen=True)
class SymbolDetails:
    """What the kernel and the module files show of one symbol.

    Attributes:
        module: the module that it belongs to; empty for the kernel itself.
        name: symbol name.
        export: how it is exported; None if it is not exported or that is unknown.
        places: where the module's file defines it; the file can have the name several times.
        importers: the loaded modules that import it, sorted.
        problems: what is unknown and why, a sentence each.
    """

    module: str
    name: str
    export: Export | None = None
    places: tuple[Definition, ...] = ()
    importers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


_ENTRY = re.compile(rb" [A-Za-z?] __ksymtab_([^\t\n]+)")


def kernel_exports(rows: SymbolRows) -> KernelExports:
    """Return the kernel's exports, derived from its own rows of /proc/kallsyms.

    With CONFIG_KALLSYMS_ALL each export has a row `__ksymtab_NAME`. The rows are in
    order of address, even if addresses are hidden. The linker puts the table
    `__ksymtab` before `__ksymtab_gpl`, and marks the start of each with a symbol
    `__start_…`. Among symbols with the same address those of the linker come last
    (`compare_symbols` in `scripts/kallsyms.c`), so the first entry of a table comes
    before the `__start_…` row of that table.
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
    """Return a loaded module's exports, derived from its rows of /proc/kallsyms, by name.

    An exported symbol has a row `__ksymtab_NAME`. Its type is an upper-case letter
    unless the export is GPL-only.
    """
    names = {_text(name) for name in _ENTRY.findall(rows.raw)}
    for_all = {symbol.name for symbol in rows if symbol.type.isupper()}
    return tuple(Export(name, name not in for_all) for name in sorted(names | for_all))


def providers_in_kallsyms(owners: Mapping[str, SymbolRows]) -> dict[str, str]:
    """Return the module that exports each symbol; of several, the one that was loaded last.

    Args:
        owners: the rows of each module, newest first, as /proc/kallsyms has them.
    """
    found: dict[str, str] = {}
    for module, rows in owners.items():
        for name in _ENTRY.findall(rows.raw):
            found.setdefault(_text(name), module)
    return found


def _text(name: bytes) -> str:
    return clean(decode(name))
