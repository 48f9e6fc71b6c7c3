"""`kmodtui list`: the loaded modules, newest first."""

from __future__ import annotations

import argparse
from typing import Any

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.modules import LoadedModule
from kmodtui.verbs.printing import add_json, hexadecimal, print_error, print_json

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the loaded modules; return the exit status."""
    table = read_modules(host)
    for line in table.malformed:
        print_error(UnreadableError(f"Malformed line in /proc/modules, skipped: {line}"))
    if options.json:
        modules = [_module_json(module) for module in table]
        print_json(SCHEMA, {"modules": modules, "malformed_lines": table.malformed})
        return 0
    width = max((len(module.name) for module in table), default=4)
    print(f"{'Module':<{width}}  {'Size':>10}  {'Refs':>4}  {'State':<9}  {'Taint':<5}  Used by")
    for module in table:
        refs = "-" if module.refcount is None else module.refcount
        used_by = " ".join((*(("[permanent]",) if module.permanent else ()), *module.users))
        line = (
            f"{module.name:<{width}}  {module.size:>10}  {refs:>4}  "
            f"{module.state:<9}  {module.taints:<5}  {used_by}"
        )
        print(line.rstrip())
    return 0


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
