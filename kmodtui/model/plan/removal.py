"""What `modprobe -r` does to unload one module, until the kernel refuses.

After `rmmod_do_module` in kmod's `tools/modprobe.c`: the module's post softdeps, last
first; the module; its dependencies that are unused now; its pre softdeps.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from kmodtui.errors import PlanError
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.plan.plan import REQUESTED, Action, Step
from kmodtui.model.probe_list import MAX_DEPTH

Removal = Generator[Step, int, int]
"""Yields a step, is sent its errno or 0, and returns the errno that modprobe ends with."""


class References(Protocol):
    """The reference counts of a kernel, real or simulated."""

    def refcount(self, name: str) -> int | None:
        """Return the reference count of a module; None if it is not loaded."""
        ...


class InUseError(Exception):
    """modprobe stops here, whatever it had still to do: the module is in use.

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
    reason: str = REQUESTED,
    source: str = "",
    depth: int = 0,
) -> Removal:
    """Unload a module and what is unloaded with it; for the order see above.

    Raises:
        InUseError: modprobe stops at this module.
        PlanError: softdeps form a loop.
    """
    if depth > MAX_DEPTH:
        raise PlanError(
            f"modprobe -r would never end: the softdeps of {name} form a loop.",
            "Check the softdep lines in modprobe.d.",
        )
    rule = lookup.remove(name)
    if rule is None and kernel.refcount(name) is None:
        return 0
    softdep = lookup.softdep(name)
    why = f"softdep of {name}"
    for module in reversed(_names(softdep.post, lookup)):
        yield from removal(module, lookup, kernel, why, softdep.source, depth + 1)
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
            unneeded = f"no longer needed by {name}"
            yield Step(Action.RMMOD, needed, unneeded, lookup.path_of(needed) or "")
    for module in reversed(_names(softdep.pre, lookup)):
        yield from removal(module, lookup, kernel, why, softdep.source, depth + 1)
    return 0


def _names(texts: tuple[str, ...], lookup: ModuleLookup) -> list[str]:
    return [found.name for text in texts for found in lookup.find(text)]


def _dependencies(name: str, lookup: ModuleLookup) -> tuple[str, ...]:
    """Return what kmod treats as dependencies: none at all if one of them has no file."""
    needed = lookup.dependencies(name)
    return needed if all(map(lookup.has_file, needed)) else ()
