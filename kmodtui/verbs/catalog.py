"""`kmodtui catalog [WORD…]`: all modules of a kernel release, or those that match."""

from __future__ import annotations

import argparse
from typing import Any

from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.catalog_entry import Catalog, CatalogEntry, CatalogStatus
from kmodtui.model.did_you_mean import did_you_mean
from kmodtui.model.fuzzy import SearchIndex
from kmodtui.model.text import clean
from kmodtui.services.catalog.cache import user_cache
from kmodtui.services.catalog.catalog import read_catalog
from kmodtui.services.picker.matching import (
    InputKind,
    Suggestions,
    answer_device,
    answer_modules,
    kind_of,
)
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="part of a name, an alias, a description or a category; a hardware alias; a device",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--loaded", action="store_true", help="only loaded modules")
    which.add_argument("--builtin", action="store_true", help="only built-in modules")
    which.add_argument(
        "--external", action="store_true", help="only modules that are not from the kernel package"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the modules; return the exit status: 1 if none matches."""
    release = release_of(host, options)
    catalog = read_catalog(host, release, user_cache())
    # Only modules of the running kernel can be loaded.
    loaded = (
        _loaded(host, required=options.loaded)
        if read_system(host).release in (None, release)
        else frozenset()
    )
    text = " ".join(options.words)
    answer = _answer(host, catalog, text) if text else Suggestions(entries=catalog.entries)
    found = [entry for entry in answer.entries if _wanted(entry, loaded, options)]
    if options.json:
        modules = (_json(entry, loaded) for entry in found)
        print_json(SCHEMA, {"release": release, "modules": modules})
    else:
        _print(found, loaded)
    if text and not answer.entries:
        raise _no_match(release, text, answer)
    return 0 if found else 1


def _answer(host: Host, catalog: Catalog, text: str) -> Suggestions:
    haystack = SearchIndex(catalog.entries)
    index = read_index(host, catalog.release)
    if kind_of(text) is InputKind.DEVICE:
        return answer_device(host, haystack, index, text)
    return answer_modules(haystack, index, text)


def _loaded(host: Host, *, required: bool) -> frozenset[str]:
    """Return the names of the loaded modules; none if they cannot be read and are not required."""
    try:
        return frozenset(read_modules(host).by_name)
    except KmodtuiError:
        if required:
            raise
        return frozenset()


def _wanted(entry: CatalogEntry, loaded: frozenset[str], options: argparse.Namespace) -> bool:
    if options.loaded:
        return entry.standing(loaded) is CatalogStatus.LOADED
    if options.external:
        return entry.external
    return entry.builtin or not options.builtin


def _print(found: list[CatalogEntry], loaded: frozenset[str]) -> None:
    rows = [
        (_names(entry), entry.standing(loaded), entry.category, entry.problem or entry.description)
        for entry in found
    ]
    if not rows:
        return
    head = ("Module", "Status", "Category", "Description")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(3)]
    for row in (head, *rows):
        columns = [f"{text:<{width}}" for text, width in zip(row, widths, strict=False)]
        print("  ".join((*columns, row[3])).rstrip())


def _names(entry: CatalogEntry) -> str:
    return f"{entry.name}  {entry.other_name}" if entry.other_name else entry.name


def _json(entry: CatalogEntry, loaded: frozenset[str]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "status": entry.standing(loaded),
        "external": entry.external,
        "path": entry.path or None,
        "category": entry.category or None,
        "description": entry.description or None,
        "license": entry.license or None,
        "version": entry.version or None,
        "intree": entry.intree,
        "signer": entry.signer or None,
        "aliases": entry.aliases,
        "firmware": entry.firmware,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type or None,
                "description": parameter.description or None,
            }
            for parameter in entry.parameters
        ],
        "problem": entry.problem or None,
    }


def _no_match(release: str, text: str, answer: Suggestions) -> UnknownModuleError:
    if answer.words:
        return UnknownModuleError(f"{answer.words.rstrip('.')}.")
    return UnknownModuleError(
        f"Kernel {clean(release)} has no module that matches {clean(text)}.",
        did_you_mean(answer.near),
    )
