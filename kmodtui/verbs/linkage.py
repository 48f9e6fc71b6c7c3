"""`kmodtui linkage`: which symbols a module takes from whom, and gives to whom."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from kmodtui.errors import KmodtuiError, UnknownModuleError, UnreadableError
from kmodtui.kernel.catalog import read_index
from kmodtui.kernel.host import Host
from kmodtui.kernel.system import read_system
from kmodtui.model.linkage import Edge, Export, Giver, ModuleLinkage, Taken
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, counted
from kmodtui.services.linkage import Linkage
from kmodtui.verbs.printing import add_json, complain, print_json, release_of

SCHEMA = 1

_PROVIDER_KINDS = {
    Giver.KERNEL: "kernel",
    Giver.MODULE: "module",
    Giver.NOBODY: "unresolved",
    Giver.UNKNOWN: "unknown",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("other", metavar="OTHER", nargs="?", help="only what is between these two")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print it; return the exit status.

    Raises:
        UnknownModuleError: there is no such module.
    """
    release = release_of(host, options)
    running = read_system(host).release in (None, release)
    problem: KmodtuiError | None = None
    index = None
    try:
        index = read_index(host, release)
    except KmodtuiError as error:
        problem = error
    linkage = Linkage(host, index, running=running)
    names = [canonical(name) for name in (options.name, options.other) if name is not None]
    for name in names:
        if not linkage.knows(name):
            if index is not None and not index.is_builtin(name):
                raise index.unknown(name)
            if index is not None:
                told = f"{clean(name)} is built into the kernel: it has no symbols of its own."
                raise UnreadableError(told, "kmodtui symbols shows those of the kernel.")
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
                "imports": [_import_json(taken) for taken in found.takes],
                "exports": [
                    {**_export_json(given.export), "importers": given.users}
                    for given in found.gives
                ],
                "problems": found.problems,
            },
        )
        return 1 if found.problems else 0
    taken = counted(len(found.takes), "symbol")
    print(f"{clean(found.name)} takes {taken}, and gives {counted(len(found.gives), 'symbol')}.")
    if found.takes:
        print("\nTakes")
        _print_taken(found.takes)
    if found.gives:
        print("\nGives")
        for given in found.gives:
            users = " ".join(given.users) or "-"
            print(f"  {given.export.name:<40} {given.export.words:<18} {users}")
    _complain(found.problems)
    return 1 if found.problems else 0


def _two(edges: tuple[Edge, Edge], *, as_json: bool) -> int:
    problems = tuple(dict.fromkeys(problem for edge in edges for problem in edge.problems))
    if as_json:
        found = [
            {
                "importer": edge.user,
                "provider": edge.giver,
                "imports": [_import_json(taken) for taken in edge.symbols],
            }
            for edge in edges
        ]
        print_json(SCHEMA, {"edges": found, "problems": problems})
        return 1 if problems else 0
    for edge in edges:
        if edge.symbols:
            count = counted(len(edge.symbols), "symbol")
            print(f"{clean(edge.user)} takes {count} from {clean(edge.giver)}.")
            _print_taken(edge.symbols)
    if not problems and not any(edge.symbols for edge in edges):
        names = (clean(edges[0].user), clean(edges[0].giver))
        print(f"{names[0]} and {names[1]} take no symbols from each other.")
    _complain(problems)
    return 1 if problems else 0


def _print_taken(symbols: Iterable[Taken]) -> None:
    for taken in symbols:
        giver = taken.module if taken.giver is Giver.MODULE else f"({taken.giver})"
        how = taken.export.words if taken.export else ""
        weak = "  weak" if taken.wanted.weak else ""
        print(f"  {taken.wanted.name:<40} {giver:<18} {how}{weak}".rstrip())


def _complain(problems: Iterable[str]) -> None:
    for problem in problems:
        complain(UnreadableError(problem))


def _import_json(taken: Taken) -> dict[str, Any]:
    return {
        "name": taken.wanted.name,
        "weak": taken.wanted.weak,
        "provider_kind": _PROVIDER_KINDS[taken.giver],
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
