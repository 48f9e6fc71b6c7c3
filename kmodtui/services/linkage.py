"""Imports and exports between modules, from their files, the index and /proc/kallsyms.

Files are read when they are needed, and a few are kept in memory. Everything here but
`linkage_of` and `symbol_details` reads files, so call it off the event loop.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.module_file.elf_file import opened
from kmodtui.kernel.module_file.info import module_info
from kmodtui.kernel.module_file.symbols import module_symbols, read_places
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_live_module
from kmodtui.model.linkage import (
    Definition,
    Edge,
    Export,
    Import,
    KernelExports,
    ModuleLinkage,
    ModuleSymbols,
    ProviderKind,
    ResolvedImport,
    SymbolDetails,
    UsedExport,
    exports_in_kallsyms,
    kernel_exports,
    providers_in_kallsyms,
)
from kmodtui.model.modules import ModuleTable, named_module
from kmodtui.model.origin import Origin
from kmodtui.model.symbols.table import NO_ROWS, SymbolRows, SymbolTable
from kmodtui.model.text import clean

if TYPE_CHECKING:
    # Not at run time: a verb needs no root access, which a machine imports.
    from kmodtui.services.machine import Machine
    from kmodtui.services.origins import Origins

KEPT = 8
"""Module files whose symbols are kept in memory: up to half a megabyte each."""


async def linkage_of(machine: Machine, module: str) -> ModuleLinkage:
    """Return all imports and exports of a module; problems are part of the result."""
    return await asyncio.to_thread(lambda: linkage(machine).of(module))


async def symbol_details(machine: Machine, module: str, name: str) -> SymbolDetails:
    """Return how a symbol is exported, where it is defined, and which loaded modules import it.

    Problems are part of the result.

    Args:
        machine: the machine to look at.
        module: the module that exports the symbol; empty for the kernel itself.
        name: the symbol.
    """
    return await asyncio.to_thread(lambda: linkage(machine).details(module, name))


def linkage(machine: Machine) -> Linkage:
    """Return the linkage of a machine; a new one after its index has changed."""
    index = machine.index_now()
    with _lock:
        known = _known.get(machine)
        if known is None or known.index is not index:
            running = machine.looks_at_running
            origins = machine.origins if running else None
            known = Linkage(machine.host, index, running=running, origins=origins)
            _known[machine] = known
    return known


class Linkage:
    """The imports and exports of the modules of one system.

    Attributes:
        index: the module index of the release; None without one.
    """

    def __init__(
        self,
        host: Host,
        index: ModuleIndex | None,
        *,
        running: bool = True,
        origins: Origins | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            host: the system.
            index: the module index of the release; None without one.
            running: whether the index is that of the running kernel.
            origins: the files of loaded modules that are not in the index, if they are known.
        """
        self.index = index
        self._origins = origins
        self._host = host
        self._running = running
        self._lock = threading.RLock()
        self._files: OrderedDict[str, ModuleSymbols] = OrderedDict()
        self._imports: dict[str, frozenset[str]] = {}
        self._table = ModuleTable()
        self._rows: Mapping[str, SymbolRows] = {}
        self._providers: dict[str, str] | None = None
        self._kernel = KernelExports()

    def named(self, text: str) -> str:
        """Return the name of the module that a text means."""
        with self._lock:
            return named_module(text, self._loaded().by_name)

    def knows(self, module: str) -> bool:
        """Return whether a module is loaded, or has a file."""
        with self._lock:
            return module in self._loaded().by_name or self._path(module) is not None

    # Imports and exports of a module

    def of(self, module: str) -> ModuleLinkage:
        """Return all imports and exports of a module; problems are part of the result."""
        with self._lock:
            table = self._loaded()
            loaded = module in table.by_name
            problems = list(self._mismatches(module, loaded=loaded))
            takes: tuple[ResolvedImport, ...] = ()
            exports = self._exports(module)
            try:
                takes = self._provided(self._read(module).imports)
            except KmodtuiError as error:
                problems.append(f"Its imports are unknown: {error}")
            users: dict[str, list[str]] = {}
            if loaded:
                for user in self._possible_users(module):
                    try:
                        imports = self._imports_of(user)
                    except KmodtuiError as error:
                        problems.append(f"The imports of {clean(user)} are unknown: {error}")
                        continue
                    for export in exports:
                        if export.name in imports:
                            users.setdefault(export.name, []).append(user)
            return ModuleLinkage(
                name=module,
                loaded=loaded,
                path=self._path(module) or "",
                imports=takes,
                exports=tuple(UsedExport(e, tuple(users.get(e.name, ()))) for e in exports),
                problems=tuple(problems),
            )

    def edge(self, user: str, giver: str) -> Edge:
        """Return the symbols that `user` imports from `giver`; problems are part of the result."""
        with self._lock:
            table = self._loaded()
            problems = [
                *self._mismatches(user, loaded=user in table.by_name),
                *self._mismatches(giver, loaded=giver in table.by_name),
            ]
            exported = {export.name: export for export in self._exports(giver)}
            taken: tuple[ResolvedImport, ...] = ()
            try:
                taken = tuple(
                    ResolvedImport(wanted, ProviderKind.MODULE, giver, exported[wanted.name])
                    for wanted in self._read(user).imports
                    if wanted.name in exported
                )
            except KmodtuiError as error:
                problems.append(f"The imports of {clean(user)} are unknown: {error}")
            return Edge(user, giver, taken, tuple(problems))

    def details(self, module: str, name: str) -> SymbolDetails:
        """Return the details of a symbol; problems are part of the result."""
        with self._lock:
            table = self._loaded()
            problems: list[str] = []
            export = self._kernel.find(name)
            if module:
                problems += self._mismatches(module, loaded=module in table.by_name)
                export = next((e for e in self._exports(module) if e.name == name), None)
            places: tuple[Definition, ...] = ()
            if module:
                try:
                    places = read_places(self._host, self._file(module), name)
                except KmodtuiError as error:
                    problems.append(f"Its section and size are unknown: {error}")
            importers: list[str] = []
            unread = 0
            for user in self._possible_users(module) if export else ():
                try:
                    if name in self._imports_of(user):
                        importers.append(user)
                except KmodtuiError:
                    unread += 1
            if unread:
                modules = "loaded module" if unread == 1 else "loaded modules"
                problems.append(f"The imports of {unread} {modules} are unknown: no file.")
            return SymbolDetails(module, name, export, places, tuple(importers), tuple(problems))

    # Providers of symbols

    def givers(self, wanted: Iterable[Import]) -> tuple[ResolvedImport, ...]:
        """Return the provider of each import, in the same order."""
        with self._lock:
            self._loaded()
            return self._provided(wanted)

    def owners(self, names: Collection[str]) -> dict[str, str]:
        """Return the current provider of each symbol: a loaded module, or empty for the kernel.

        Symbols without a provider are omitted.
        """
        with self._lock:
            self._loaded()
            found = {name: "" for name in names if self._kernel.find(name)}
            for name in names:
                if name not in found and (module := self._loaded_provider(name)):
                    found[name] = module
            return found

    @property
    def knows_all(self) -> bool:
        """Whether a symbol without a known provider is certain to have none."""
        return self._kernel.complete

    def _exports(self, module: str) -> tuple[Export, ...]:
        """Return the exports of a module, from its file or else from /proc/kallsyms."""
        try:
            return self._read(module).exports
        except KmodtuiError:
            return exports_in_kallsyms(self._rows.get(module, NO_ROWS))

    def _provided(self, wanted: Iterable[Import]) -> tuple[ResolvedImport, ...]:
        found = [(each, *self._provider(each.name)) for each in wanted]
        # Read each provider's file once: symbols sorted by name switch between providers.
        modules = {module for _, _, module in found if module}
        exports = {module: {e.name: e for e in self._exports(module)} for module in modules}
        return tuple(
            ResolvedImport(
                each,
                giver,
                module,
                exports[module].get(each.name) if module else self._kernel.find(each.name),
            )
            for each, giver, module in found
        )

    def _provider(self, name: str) -> tuple[ProviderKind, str]:
        """Return the provider of a symbol; loaded modules take precedence."""
        if self._kernel.find(name) is not None:
            return ProviderKind.KERNEL, ""
        modules = self.index.resolve(f"symbol:{name}") if self.index else ()
        loaded = next((module for module in modules if module in self._table.by_name), "")
        module = loaded or next(iter(modules), "") or self._loaded_provider(name)
        if module:
            return ProviderKind.MODULE, module
        if name in self._kernel.names:
            return ProviderKind.KERNEL, ""
        return (ProviderKind.UNRESOLVED if self._kernel.complete else ProviderKind.UNKNOWN), ""

    def _loaded_provider(self, name: str) -> str:
        """Return the loaded module that exports a symbol, from /proc/kallsyms; empty if none."""
        if self._providers is None:
            self._providers = providers_in_kallsyms(self._rows)
        return self._providers.get(name, "")

    def _possible_users(self, module: str) -> tuple[str, ...]:
        """Return the loaded modules that may import from a module, or from "" for the kernel.

        A module's importers are its holders in /proc/modules. A kernel without
        CONFIG_MODULE_UNLOAD does not list them.
        """
        row = self._table.by_name.get(module)
        if module and row is None:
            return ()
        if row is not None and row.refcount is not None:
            return tuple(sorted(row.users))
        return tuple(sorted(name for name in self._table.by_name if name != module))

    # Reading

    def _loaded(self) -> ModuleTable:
        """Return the loaded modules; empty for another kernel, or if they cannot be read.

        The symbol table is read again only if the modules have changed.
        """
        if not self._running:
            return self._table
        try:
            table = read_modules(self._host)
        except KmodtuiError:
            table = ModuleTable()
        if table.raw != self._table.raw or not self._kernel.names:
            try:
                symbols = read_symbols(self._host)
            except KmodtuiError:
                symbols = SymbolTable()
            # The kernel's own rows are most of the table and never change: do not keep them.
            self._rows = symbols.modules
            self._providers = None
            if not self._kernel.names:
                self._kernel = kernel_exports(symbols.core)
        self._table = table
        return table

    def _origin(self, module: str) -> Origin | None:
        return self._origins.of(module) if self._origins is not None else None

    def _path(self, module: str) -> str | None:
        if (origin := self._origin(module)) is not None:
            return origin.path
        return self.index.path_of(module) if self.index else None

    def _file(self, module: str) -> str:
        path = self._path(module)
        if path is None:
            raise UnreadableError(f"The file of {clean(module)} is unknown.")
        return path

    def _read(self, module: str) -> ModuleSymbols:
        if (origin := self._origin(module)) is not None:
            # It is built again and again: what was read before may be another build.
            with opened(self._host, origin.path) as elf:
                return module_symbols(elf)
        if module in self._files:
            self._files.move_to_end(module)
            return self._files[module]
        with opened(self._host, self._file(module)) as elf:
            symbols = module_symbols(elf)
        self._files[module] = symbols
        if len(self._files) > KEPT:
            self._files.popitem(last=False)
        return symbols

    def _imports_of(self, module: str) -> frozenset[str]:
        """Return the names that a module imports; kept for all modules, which share the names."""
        if module in self._imports and self._origin(module) is None:
            return self._imports[module]
        imports = self._read(module).imports
        self._imports[module] = frozenset(sys.intern(wanted.name) for wanted in imports)
        return self._imports[module]

    def _mismatches(self, module: str, *, loaded: bool) -> tuple[str, ...]:
        """Return a sentence if a module's file is not the one that is loaded; else nothing."""
        path = self._path(module)
        if not loaded or path is None:
            return ()
        if self._origins is not None and (origin := self._origin(module)) is not None:
            return tuple(filter(None, [self._origins.difference(module, origin)]))
        live = read_live_module(self._host, module)
        try:
            with opened(self._host, path) as elf:
                inside = module_info(elf, path).srcversion
        except KmodtuiError:
            return ()
        if live is None or not live.srcversion or not inside or live.srcversion == inside:
            return ()
        return (f"{clean(path)} is not the loaded module: it was built from other sources.",)


_lock = threading.Lock()
_known: WeakKeyDictionary[Machine, Linkage] = WeakKeyDictionary()
