"""Dependencies between modules, in both directions, as a list and as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kmodtui.model.modules import ModuleTable

Neighbours = Callable[[str], tuple[str, ...]]
"""Returns the direct dependencies of a module, or its direct dependents, in a stable order."""

MAX_DEPTH = 200
"""Levels of a tree that are shown. No chain of real modules is nearly as long, and each further
level would be indented more than the last one: the output would grow with the square."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of a dependency tree.

    Attributes:
        name: the module.
        depth: 0 for the root.
        last: for each level down to this one, whether it is the last branch of its parent.
        repeated: whether its branches are left out because an earlier node has them.
        truncated: whether its branches are left out because it is on the last level shown.
    """

    name: str
    depth: int
    last: tuple[bool, ...]
    repeated: bool = False
    truncated: bool = False


def loaded_dependencies(table: ModuleTable) -> dict[str, tuple[str, ...]]:
    """Return the dependencies of each loaded module, among the loaded modules.

    /proc/modules lists the users of each module; this is the inverse relation.
    """
    needs: dict[str, list[str]] = {module.name: [] for module in table}
    for module in table:
        for user in module.users:
            needs.setdefault(user, []).append(module.name)
    return {name: tuple(sorted(needed)) for name, needed in needs.items()}


def neighbours_first(
    names: Iterable[str], neighbours: Callable[[str], Iterable[str]]
) -> tuple[str, ...]:
    """Return modules and all their direct and indirect neighbours, each after its own neighbours.

    Without recursion, because a damaged or hostile index can have chains of any length; what
    depends on itself comes once.

    Args:
        names: of the modules to begin with.
        neighbours: returns the direct neighbours of a module, in a stable order.
    """
    order: dict[str, None] = {}
    opened: set[str] = set()
    ahead = [(name, False) for name in reversed(tuple(names))]
    while ahead:
        name, ready = ahead.pop()
        if ready:
            order.setdefault(name)
        elif name not in opened:
            opened.add(name)
            ahead.append((name, True))
            ahead += [(other, False) for other in reversed(tuple(neighbours(name)))]
    return tuple(order)


def direct(dependencies: Neighbours, name: str) -> tuple[str, ...]:
    """Return the direct dependencies of a module, given all dependencies of each module.

    modules.dep lists direct and indirect dependencies alike. A dependency of another
    listed module counts as indirect, so the result is the smallest set from which all
    dependencies follow.
    """
    every = dependencies(name)
    indirect: set[str] = set()
    # The module that is loaded last comes first, because it may imply all others.
    for other in reversed(every):
        if other not in indirect:
            indirect.update(dependencies(other))
            indirect.discard(other)  # a damaged index can list a module for itself
    return tuple(sorted(other for other in every if other not in indirect))


def inverse(dependencies: Neighbours, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the direct dependents of each module that has any, sorted as `names` are.

    Args:
        dependencies: all dependencies of a module.
        names: of all modules.
    """
    users: dict[str, list[str]] = {}
    for name in names:
        for other in direct(dependencies, name):
            users.setdefault(other, []).append(name)
    return {name: tuple(found) for name, found in users.items()}


def walk(neighbours: Neighbours, root: str) -> Iterator[TreeNode]:
    """Yield the tree from `root`, depth first, down to level MAX_DEPTH.

    Only the first node of a module has branches.
    """
    opened: set[str] = set()
    ahead: list[tuple[str, tuple[bool, ...]]] = [(root, ())]
    while ahead:
        name, last = ahead.pop()
        children = neighbours(name)
        repeated = name in opened and bool(children)
        truncated = len(last) == MAX_DEPTH and bool(children) and not repeated
        yield TreeNode(name, len(last), last, repeated, truncated)
        if not repeated and not truncated:
            opened.add(name)
            ahead.extend((child, (*last, child == children[-1])) for child in reversed(children))


def branch_prefix(last: tuple[bool, ...]) -> str:
    """Return the lines drawn before a tree node: `│  └─ `."""
    if not last:
        return ""
    return "".join("   " if done else "│  " for done in last[:-1]) + ("└─ " if last[-1] else "├─ ")
