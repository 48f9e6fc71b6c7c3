"""`kmodtui linkage`: the symbols that a module imports and exports."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from kmodtui.errors import KmodtuiError, UnknownModuleError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.system import read_system
from kmodtui.model.linkage import Edge, Export, ModuleLinkage, ProviderKind, ResolvedImport
from kmodtui.model.text import clean, counted
from kmodtui.services.linkage import Linkage
from kmodtui.services.origins import origins_of
from kmodtui.verbs.printing import add_json, print_error, print_json, release_of

SCHEMA = 1

_PROVIDER_KINDS = {
    ProviderKind.KERNEL: "kernel",
    ProviderKind.MODULE: "module",
    ProviderKind.UNRESOLVED: "unresolved",
    ProviderKind.UNKNOWN: "unknown",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument("name", metavar="NAME", help="a module")
    parser.add_argument(
        "other", metavar="OTHER", nargs="?", help="show only symbols between these two modules"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print imports and exports; return the exit status.

    Raises:
        UnknownModuleError: there is no such module.
        UnreadableError: the module is built into the kernel.
    """
    release = release_of(host, options)
    running = read_system(host).release in (None, release)
    problem: KmodtuiError | None = None
    index = None
    try:
        index = read_index(host, release)
    except KmodtuiError as error:
        problem = error
    origins = origins_of(host, index) if running else None
    linkage = Linkage(host, index, running=running, origins=origins)
    typed = (options.name, options.other)
    names = [linkage.named(name) for name in typed if name is not None]
    for name in names:
        if not linkage.knows(name):
            if index is not None and not index.is_builtin(name):
                raise index.unknown(name)
            if index is not None:
                raise UnreadableError(
                    f"{clean(name)} is built into the kernel: it has no symbols of its own.",
                    "To list the kernel's symbols: kmodtui symbols",
                )
            raise UnknownModuleError(f"No module {clean(name)} is loaded.", str(problem or ""))
    if len(names) == 1:
        return _one(linkage.of(names[0]), as_json=options.json)
    one, other = names
    return _two((linkage.edge(one, other), linkage.edge(other, one)), as_json=options.json)


def _one(found: ModuleLinkage, *, as_json: bool) -> int:
    if as_json:
        print_json(
            SCHEMA,
            {
                "module": found.name,
                "loaded": found.loaded,
                "path": found.path or None,
                "imports": [_import_json(taken) for taken in found.imports],
                "exports": [
                    {**_export_json(given.export), "importers": given.users}
                    for given in found.exports
                ],
                "problems": found.problems,
            },
        )
        return 1 if found.problems else 0
    imports, exports = len(found.imports), len(found.exports)
    if found.problems and not (found.imports or found.exports):
        print(f"What {clean(found.name)} imports and exports is unknown.")
        _print_problems(found.problems)
        return 1 if found.problems else 0
    print(f"{clean(found.name)} imports {counted(imports, 'symbol')} and exports {exports:,}.")
    if found.imports:
        print("\nImports")
        _print_imports(found.imports)
    if found.exports:
        print("\nExports")
        for given in found.exports:
            importers = " ".join(given.users) or "-"
            print(f"  {given.export.name:<40} {given.export.words:<18} {importers}")
    _print_problems(found.problems)
    return 1 if found.problems else 0


def _two(edges: tuple[Edge, Edge], *, as_json: bool) -> int:
    problems = tuple(dict.fromkeys(problem for edge in edges for problem in edge.problems))
    if as_json:
        found = [
            {
                "importer": edge.user,
                "provider": edge.provider,
                "imports": [_import_json(taken) for taken in edge.symbols],
            }
            for edge in edges
        ]
        print_json(SCHEMA, {"edges": found, "problems": problems})
        return 1 if problems else 0
    for edge in edges:
        if edge.symbols:
            count = counted(len(edge.symbols), "symbol")
            print(f"{clean(edge.user)} imports {count} from {clean(edge.provider)}.")
            _print_imports(edge.symbols)
    if not problems and not any(edge.symbols for edge in edges):
        names = (clean(edges[0].user), clean(edges[0].provider))
        print(f"{names[0]} and {names[1]} import no symbols from each other.")
    _print_problems(problems)
    return 1 if problems else 0


def _print_imports(symbols: Iterable[ResolvedImport]) -> None:
    for taken in symbols:
        provider = taken.module or f"({_PROVIDER_KINDS[taken.provider]})"
        export = taken.export.words if taken.export else ""
        weak = "  weak" if taken.wanted.weak else ""
        print(f"  {taken.wanted.name:<40} {provider:<18} {export}{weak}".rstrip())


def _print_problems(problems: Iterable[str]) -> None:
    for problem in problems:
        print_error(UnreadableError(problem))


def _import_json(taken: ResolvedImport) -> dict[str, Any]:
    return {
        "name": taken.wanted.name,
        "weak": taken.wanted.weak,
        "provider_kind": _PROVIDER_KINDS[taken.provider],
        "provider": taken.module or None,
        "export": _export_json(taken.export) if taken.export else None,
    }


def _export_json(export: Export) -> dict[str, Any]:
    return {
        "name": export.name,
        "macro": export.macro,
        "gpl_only": export.gpl_only,
        "namespace": export.namespace or None,
        "crc": None if export.crc is None else f"0x{export.crc:08x}",
        "section": export.section or None,
        "size": export.size or None,
    }
