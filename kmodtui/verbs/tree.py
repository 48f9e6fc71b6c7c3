"""`kmodtui tree`: the dependencies or the dependents of a module."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from kmodtui.kernel.host import Host
from kmodtui.model.graph import branch_prefix, walk
from kmodtui.model.modules import named_module
from kmodtui.model.text import clean
from kmodtui.services.neighbours import read_neighbours
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument("name", metavar="NAME", help="a module")
    parser.add_argument(
        "--reverse", action="store_true", help="show dependents instead of dependencies"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the tree; return the exit status."""
    neighbours = read_neighbours(host, getattr(options, "kernel", None))
    name = named_module(options.name, neighbours.loaded)
    if not neighbours.knows(name):
        raise neighbours.unknown(name)
    step = neighbours.users if options.reverse else neighbours.needs
    nodes = list(walk(step, name))
    if options.json:
        direction = "dependents" if options.reverse else "dependencies"
        print_json(SCHEMA, _nested(iter(nodes), neighbours.loaded, direction))
        return 0
    for node in nodes:
        marks = "" if node.name in neighbours.loaded else "  (not loaded)"
        again = "  (see above)" if node.repeated else ""
        more = "  (deeper levels are not shown)" if node.truncated else ""
        print(f"{branch_prefix(node.last)}{clean(node.name)}{marks}{again}{more}")
    return 0


def _nested(nodes: Iterator[Any], loaded: frozenset[str], direction: str) -> dict[str, Any]:
    """Return the nodes of a depth-first walk as nested objects.

    Args:
        nodes: of the walk, the root first.
        loaded: names of the loaded modules.
        direction: key of the children: `dependencies` or `dependents`.
    """
    path: list[dict[str, Any]] = []
    for node in nodes:
        entry = {
            "name": node.name,
            "loaded": node.name in loaded,
            "repeated": node.repeated,
            "truncated": node.truncated,
            direction: [],
        }
        del path[node.depth :]
        if path:
            path[-1][direction].append(entry)
        path.append(entry)
    return path[0]
