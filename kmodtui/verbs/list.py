"""`kmodtui list`: the modules that are loaded, newest first."""

from __future__ import annotations

import argparse

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.verbs.printing import add_json, complain, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)


def run(host: Host, options: argparse.Namespace) -> int:
    """Print it; return the exit status."""
    table = read_modules(host)
    for line in table.malformed:
        complain(UnreadableError(f"A line of /proc/modules makes no sense: {line}"))
    if options.json:
        keys = ("name", "size", "refcount", "users", "state", "taints", "permanent", "address")
        print_json([{key: getattr(module, key) for key in keys} for module in table])
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
