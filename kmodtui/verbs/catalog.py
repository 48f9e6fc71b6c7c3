"""`kmodtui catalog [WORD…]`: all modules of a kernel release, or those that match."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.catalog_entry import Catalog, CatalogEntry, CatalogStatus
from kmodtui.model.did_you_mean import did_you_mean
from kmodtui.model.exposure.exposure import Exposure
from kmodtui.model.exposure.request import BY_WORD, Reach
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.sources import RULES, CatalogSource
from kmodtui.model.fuzzy import SearchIndex
from kmodtui.model.text import clean
from kmodtui.services.catalog.cache import user_cache
from kmodtui.services.catalog.catalog import read_catalog
from kmodtui.services.exposure import read_exposures
from kmodtui.services.picker.matching import (
    InputKind,
    Suggestions,
    answer_device,
    answer_modules,
    kind_of,
)
from kmodtui.verbs.filter_option import add_filter, chosen_filter, matching
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    add_filter(parser, FilterKind.CATALOG)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="part of a name, an alias, a description or a category; a hardware alias; a device",
    )
    parser.add_argument(
        "--reach",
        choices=[*BY_WORD, "any"],
        metavar="WHO",
        help="also show who can make the kernel load them, and only those of WHO: user, "
        "namespace, device, root, or any",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--loaded", action="store_true", help="only loaded modules")
    which.add_argument("--builtin", action="store_true", help="only built-in modules")
    which.add_argument(
        "--external", action="store_true", help="only modules that are not from the kernel package"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the modules; return the exit status: 1 if none matches."""
    chosen = chosen_filter(options, FilterKind.CATALOG)
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
    by_rules = options.reach or (chosen is not None and chosen.asks_for(*RULES))
    exposures = _exposures(host, release) if by_rules else {}
    reaches = {each.name: each.reach for each in exposures.values()} if options.reach else {}
    if wanted := BY_WORD.get(options.reach or ""):
        found = [entry for entry in found if reaches.get(entry.name) is wanted]
    found = [*matching(chosen, CatalogSource(loaded, exposures), found)]
    if options.json:
        modules = (_json(entry, loaded, reaches) for entry in found)
        print_json(SCHEMA, {"release": release, "modules": modules})
    else:
        _print(found, loaded, reaches)
    if text and not answer.entries:
        raise _no_match(release, text, answer)
    return 0 if found else 1


def _exposures(host: Host, release: str) -> dict[str, Exposure]:
    """Return who can have each module loaded that has a file."""
    return {each.name: each for each in read_exposures(host, release)[0]}


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


def _print(found: list[CatalogEntry], loaded: frozenset[str], reaches: Mapping[str, Reach]) -> None:
    rows = [
        (
            _names(entry),
            entry.standing(loaded),
            *([reaches.get(entry.name, "")] if reaches else []),
            entry.category,
            entry.problem or entry.description,
        )
        for entry in found
    ]
    if not rows:
        return
    more = ("Who can have it loaded",) if reaches else ()
    head = ("Module", "Status", *more, "Category", "Description")
    widths = [max(map(len, column)) for column in zip(*(head, *rows), strict=True)][:-1]
    for row in (head, *rows):
        columns = [f"{text:<{width}}" for text, width in zip(row, widths, strict=False)]
        print("  ".join((*columns, row[-1])).rstrip())


def _names(entry: CatalogEntry) -> str:
    return f"{entry.name}  {entry.other_name}" if entry.other_name else entry.name


def _json(
    entry: CatalogEntry, loaded: frozenset[str], reaches: Mapping[str, Reach]
) -> dict[str, Any]:
    return {
        "name": entry.name,
        "status": entry.standing(loaded),
        "external": entry.external,
        "reach": reaches.get(entry.name),
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
