"""Who needs whom: dependencies in both directions, as a list and as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kmodtui.model.modules import ModuleTable

Neighbours = Callable[[str], tuple[str, ...]]
"""Gives the direct neighbours of a module in one direction, in a stable order."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A module in a dependency tree, as a walk comes by it.

    Attributes:
        name: the module.
        depth: 0 for the root.
        last: for each level down to this one, whether the branch there is the last.
        repeated: it has been shown with its branches before and is not opened again.
    """

    name: str
    depth: int
    last: tuple[bool, ...]
    repeated: bool = False


def loaded_needs(table: ModuleTable) -> dict[str, tuple[str, ...]]:
    """Return for each loaded module the loaded modules it holds a reference to.

    /proc/modules names the users of a module; this is the same, turned round.
    """
    needs: dict[str, list[str]] = {module.name: [] for module in table}
    for module in table:
        for user in module.users:
            needs.setdefault(user, []).append(module.name)
    return {name: tuple(sorted(needed)) for name, needed in needs.items()}


def direct(dependencies: Neighbours, name: str) -> tuple[str, ...]:
    """Return the direct dependencies in a transitive index such as modules.dep.

    modules.dep lists everything that a module needs, near and far. What another
    listed module needs as well counts as far: the result is the least set from
    which all the others follow.
    """
    every = dependencies(name)
    far = {further for near in every for further in dependencies(near) if further != near}
    return tuple(sorted(near for near in every if near not in far))


def walk(neighbours: Neighbours, root: str) -> Iterator[TreeNode]:
    """Yield the tree below `root`, depth first; a module's branches are opened once."""
    opened: set[str] = set()
    ahead: list[tuple[str, tuple[bool, ...]]] = [(root, ())]
    while ahead:
        name, last = ahead.pop()
        children = neighbours(name)
        repeated = name in opened and bool(children)
        yield TreeNode(name, len(last), last, repeated)
        opened.add(name)
        if not repeated:
            ahead.extend((child, (*last, child == children[-1])) for child in reversed(children))


def branch_prefix(last: tuple[bool, ...]) -> str:
    """Return the line art in front of a tree node: `│  └─ `."""
    if not last:
        return ""
    return "".join("   " if done else "│  " for done in last[:-1]) + ("└─ " if last[-1] else "├─ ")
