"""`kmodtui list`: the loaded modules, newest first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.table_notes import table_notes
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.modules import LoadedModule, ModuleTable
from kmodtui.verbs.filter_option import add_filter, chosen_filter, matching
from kmodtui.verbs.printing import (
    add_json,
    hexadecimal,
    print_error,
    print_json,
    print_note,
    release_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodtui.model.filter.parse import Filter
    from kmodtui.model.usage import Usage

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    add_filter(parser, FilterKind.MODULES)


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the loaded modules; return the exit status: 1 if a filter matches none."""
    chosen = chosen_filter(options, FilterKind.MODULES)
    table = read_modules(host)
    for line in table.malformed:
        print_error(UnreadableError(f"Malformed line in /proc/modules, skipped: {line}"))
    notes = table_notes(host, table)
    shown = _shown(host, options, table, chosen)
    status = 1 if chosen is not None and not shown else 0
    if options.json:
        modules = [_module_json(module) for module in shown]
        fields = {"modules": modules, "malformed_lines": table.malformed, "notes": notes}
        print_json(SCHEMA, fields)
        return status
    for note in notes:
        print_note(note)
    from kmodtui.model.usage import users_of

    usage = _usage(host, options, table)
    width = max((len(module.name) for module in shown), default=6)
    print(f"{'Module':<{width}}  {'Size':>10}  {'Refs':>4}  {'State':<9}  {'Taint':<5}  Used by")
    for module in shown:
        refs = "-" if module.refcount is None else module.refcount
        used_by = users_of(module, usage)
        line = (
            f"{module.name:<{width}}  {module.size:>10}  {refs:>4}  "
            f"{module.state:<9}  {module.taints:<5}  {used_by}"
        )
        print(line.rstrip())
    return status


def _shown(
    host: Host, options: argparse.Namespace, table: ModuleTable, chosen: Filter | None
) -> Sequence[LoadedModule]:
    """Return the modules that match the filter; its fields about rules need the index."""
    if chosen is None:
        return table.modules
    from kmodtui.model.filter.sources import RULES, ModuleSource

    exposures = {}
    if chosen.asks_for(*RULES):
        from kmodtui.services.exposure import read_exposures

        found, _ = read_exposures(host, release_of(host, options))
        exposures = {each.name: each for each in found}
    return matching(chosen, ModuleSource(table, exposures), table.modules)


def _usage(host: Host, options: argparse.Namespace, table: ModuleTable) -> Usage:
    """Return what uses the modules; imported here, because `list --json` does without."""
    from kmodtui.kernel.index.release import read_index
    from kmodtui.services.usage import usage_of

    try:
        index = read_index(host, release_of(host, options))
    except KmodtuiError:
        index = None  # what is found by an alias is missing then
    return usage_of(host, index, tuple(table.by_name), open_files=False)


def _module_json(module: LoadedModule) -> dict[str, Any]:
    return {
        "name": module.name,
        "size": module.size,
        "refcount": module.refcount,
        "holders": module.users,
        "state": module.state,
        "taint": module.taints,
        "permanent": module.permanent,
        # The kernel prints 0 when it hides addresses; no module is loaded at 0.
        "address": hexadecimal(module.address) if module.address else None,
    }
