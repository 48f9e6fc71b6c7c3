"""What `modprobe -r` goes through to unload one module, as far as the kernel lets it.

After `rmmod_do_module` in kmod's `tools/modprobe.c`: softdeps that come after the module,
last first; itself; what it needs and nobody else does; softdeps that come before it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from kmodtui.errors import PlanError
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.plan import Action, Step
from kmodtui.model.probe_list import MAX_DEPTH

Removal = Generator[Step, int, int]
"""Yields what is to be done, is sent 0 or the errno, and returns the one that counts."""


class References(Protocol):
    """What a kernel tells of its modules."""

    def refcount(self, name: str) -> int | None:
        """Return how often a module is referred to; None if it is not loaded."""
        ...


class InUseError(Exception):
    """modprobe ends here, whatever it had still to do: the module is in use.

    Attributes:
        name: of the module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def removal(
    name: str,
    lookup: ModuleLookup,
    kernel: References,
    reason: str = "asked for",
    source: str = "",
    depth: int = 0,
) -> Removal:
    """Unload a module and what goes with it; see the module's docstring for the order.

    Raises:
        InUseError: modprobe ends at this module.
        PlanError: softdeps go round in a circle.
    """
    if depth > MAX_DEPTH:
        raise PlanError(
            f"modprobe -r would not come to an end: softdeps go round in a circle at {name}.",
            "Look at the softdep lines in modprobe.d.",
        )
    rule = lookup.remove(name)
    if rule is None and kernel.refcount(name) is None:
        return 0
    softdep = lookup.softdep(name)
    said = f"softdep of {name}"
    for module in reversed(_names(softdep.post, lookup)):
        yield from removal(module, lookup, kernel, said, softdep.source, depth + 1)
    if rule is None and (kernel.refcount(name) or 0) > 0:
        raise InUseError(name)
    path = lookup.path_of(name) or ""
    if rule is not None:
        command = rule.value.strip()
        step = Step(Action.REMOVE, name, reason, path, command=command, source=rule.source)
    else:
        step = Step(Action.RMMOD, name, reason, path, source=source)
    if failure := (yield step):
        return failure
    for needed in _dependencies(name, lookup) if rule is None else ():
        if kernel.refcount(needed) == 0:
            why = f"no longer needed by {name}"
            yield Step(Action.RMMOD, needed, why, lookup.path_of(needed) or "")
    for module in reversed(_names(softdep.pre, lookup)):
        yield from removal(module, lookup, kernel, said, softdep.source, depth + 1)
    return 0


def _names(texts: tuple[str, ...], lookup: ModuleLookup) -> list[str]:
    return [found.name for text in texts for found in lookup.find(text)]


def _dependencies(name: str, lookup: ModuleLookup) -> tuple[str, ...]:
    """Return what kmod takes for dependencies: none at all where one of them has no file."""
    needed = lookup.dependencies(name)
    return needed if all(map(lookup.has_file, needed)) else ()
