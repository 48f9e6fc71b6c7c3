"""`kmodtui tree`: what a module needs, or what needs it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from kmodtui.kernel.host import Host
from kmodtui.model.graph import branch_prefix, walk
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean
from kmodtui.services.neighbours import read_neighbours
from kmodtui.verbs.printing import add_json, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--reverse", action="store_true", help="what needs it")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print it; return the exit status."""
    name = canonical(options.name)
    neighbours = read_neighbours(host, getattr(options, "kernel", None))
    if not neighbours.knows(name):
        raise neighbours.unknown(name)
    step = neighbours.users if options.reverse else neighbours.needs
    nodes = list(walk(step, name))
    if options.json:
        print_json(_nested(iter(nodes), neighbours.loaded))
        return 0
    for node in nodes:
        marks = "" if node.name in neighbours.loaded else "  (not loaded)"
        again = "  (see above)" if node.repeated else ""
        print(f"{branch_prefix(node.last)}{clean(node.name)}{marks}{again}")
    return 0


def _nested(nodes: Iterator[Any], loaded: frozenset[str]) -> dict[str, Any]:
    """Return a walk, which comes depth first, as objects in objects."""
    path: list[dict[str, Any]] = []
    for node in nodes:
        entry: dict[str, Any] = {"name": node.name, "loaded": node.name in loaded, "modules": []}
        if node.repeated:
            entry["repeated"] = True
        del path[node.depth :]
        if path:
            path[-1]["modules"].append(entry)
        path.append(entry)
    return path[0]
