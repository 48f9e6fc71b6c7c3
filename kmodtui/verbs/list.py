"""`kmodtui list`: the loaded modules, newest first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.table_notes import table_notes
from kmodtui.model.modules import LoadedModule, ModuleTable
from kmodtui.verbs.printing import (
    add_json,
    hexadecimal,
    print_error,
    print_json,
    print_note,
    release_of,
)

if TYPE_CHECKING:
    from kmodtui.model.usage import Usage

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the loaded modules; return the exit status."""
    table = read_modules(host)
    for line in table.malformed:
        print_error(UnreadableError(f"Malformed line in /proc/modules, skipped: {line}"))
    notes = table_notes(host, table)
    if options.json:
        modules = [_module_json(module) for module in table]
        fields = {"modules": modules, "malformed_lines": table.malformed, "notes": notes}
        print_json(SCHEMA, fields)
        return 0
    for note in notes:
        print_note(note)
    from kmodtui.model.usage import users_of

    usage = _usage(host, options, table)
    width = max((len(module.name) for module in table), default=4)
    print(f"{'Module':<{width}}  {'Size':>10}  {'Refs':>4}  {'State':<9}  {'Taint':<5}  Used by")
    for module in table:
        refs = "-" if module.refcount is None else module.refcount
        used_by = users_of(module, usage)
        line = (
            f"{module.name:<{width}}  {module.size:>10}  {refs:>4}  "
            f"{module.state:<9}  {module.taints:<5}  {used_by}"
        )
        print(line.rstrip())
    return 0


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
