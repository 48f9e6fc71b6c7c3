"""What loading or unloading a module will do, step by step, worked out before anything runs.

The rules are those of kmod (`kmod_module_get_probe_list` in
`libkmod/libkmod-module.c`, `rmmod_do_module` in `tools/modprobe.c`), applied to
the index of the kernel and to what is loaded now.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kmodtui.errors import PlanError, UnknownModuleError
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable, canonical
from kmodtui.model.text import counted


class Action(StrEnum):
    """What a step does."""

    INSMOD = "insmod"
    RMMOD = "rmmod"
    BUILTIN = "builtin"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        action: what is done; `builtin` and `skip` do nothing and say why.
        module: to which module.
        reason: why this module, in a few words.
        path: its file below the release's folder; empty where there is none.
        options: parameters it is given.
    """

    action: Action
    module: str
    reason: str
    path: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and what a person should know before they are taken.

    Attributes:
        verb: `load` or `unload`.
        target: the module that was asked for.
        steps: in the order they will be taken.
        stays: modules that belong to the target and stay loaded afterwards, with the reason.
        warnings: sentences to read first.
        refused: why it cannot work as things stand; empty if it can.
        remedy: what to do about a refusal.
        parameters: what the target is given.
    """

    verb: str
    target: str
    steps: tuple[Step, ...]
    stays: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refused: str = ""
    remedy: str = ""
    parameters: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The command line that does it, as a person would type it as root."""
        if self.verb == "load":
            return ("modprobe", "--", self.target, *self.parameters)
        return ("modprobe", "-r", "--", self.target)

    @property
    def does_nothing(self) -> bool:
        """Whether no step changes the kernel."""
        return not any(step.action in (Action.INSMOD, Action.RMMOD) for step in self.steps)


class DependencyIndex(Protocol):
    """What a plan has to know of a kernel release's modules; see `kernel.catalog`."""

    def path_of(self, name: str) -> str | None:
        """Return the module's file, None if there is none."""
        ...

    def is_builtin(self, name: str) -> bool:
        """Return whether the module is compiled into the kernel."""
        ...

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return everything it needs, in load order."""
        ...

    def softdeps(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return names or aliases of what is tried before and after it."""
        ...

    def resolve(self, name: str) -> tuple[str, ...]:
        """Return the modules that a name or alias stands for; none if it stands for nothing."""
        ...

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error that says that there is no such module, with near names."""
        ...


def plan_load(
    asked: str, parameters: Iterable[str], table: ModuleTable, index: DependencyIndex
) -> Plan:
    """Return what `modprobe asked parameters…` would do now.

    Raises:
        UnknownModuleError: the index knows no such module.
    """
    names = index.resolve(asked)
    if not names:
        raise index.unknown(asked)
    target = names[0]
    given = tuple(parameters)
    order = _ProbeList(index)
    order.visit(target, "asked for")
    required = {target, *index.dependencies(target)}
    steps, warnings = [], []
    for name, reason in order.found.items():
        loaded = table.by_name.get(name)
        options = given if name == target else ()
        if loaded is not None:
            state = "already loaded" if loaded.state is ModuleState.LIVE else loaded.state.lower()
            steps.append(Step(Action.SKIP, name, f"{reason}; {state}"))
        elif index.is_builtin(name) and index.path_of(name) is None:
            steps.append(Step(Action.BUILTIN, name, f"{reason}; compiled into the kernel"))
        elif (path := index.path_of(name)) is None and name not in required:
            # A wish is dropped without a word, as modprobe does.
            steps.append(Step(Action.SKIP, name, f"{reason}; it has no file"))
        else:
            steps.append(Step(Action.INSMOD, name, reason, path or "", options))
    if len(names) > 1:
        others = ", ".join(names[1:])
        warnings.append(f"{asked} stands for {others} as well; only {target} is loaded.")
    if canonical(asked) != target:
        warnings.append(f"{asked} is an alias of {target}.")
    refused, remedy = "", ""
    if target in table.by_name:
        refused = f"{target} is loaded already."
        remedy = "Parameters are only taken when it is loaded: unload it first."
    elif index.is_builtin(target) and index.path_of(target) is None:
        refused = f"{target} is compiled into this kernel: it cannot be loaded."
        remedy = f"Its parameters are set on the boot line, as {target}.name=value."
    return Plan(
        "load", target, tuple(steps), {}, tuple(warnings), refused, remedy, parameters=given
    )


class _ProbeList:
    """The order in which kmod loads: softdeps before, dependencies, itself, softdeps after."""

    def __init__(self, index: DependencyIndex) -> None:
        self.found: dict[str, str] = {}
        self._index = index
        self._visited: set[str] = set()

    def visit(self, name: str, reason: str) -> None:
        if name in self._visited:
            return
        self._visited.add(name)
        for needed in self._index.dependencies(name):
            self._with_softdeps(needed, f"needed by {name}")
        self._with_softdeps(name, reason)

    def _with_softdeps(self, name: str, reason: str) -> None:
        before, after = self._index.softdeps(name)
        for alias in before:
            for module in self._index.resolve(alias):
                self.visit(module, f"softdep of {name}, before it")
        self.found.setdefault(name, reason)
        for alias in after:
            for module in self._index.resolve(alias):
                self.visit(module, f"softdep of {name}, after it")


def plan_unload(target: str, table: ModuleTable, index: DependencyIndex) -> Plan:
    """Return what `modprobe -r target` would do now.

    Raises:
        PlanError: the module is not loaded.
    """
    name = canonical(target)
    module = table.by_name.get(name)
    if module is None:
        raise PlanError(f"{name} is not loaded any more.", "Somebody else has unloaded it.")
    removal = _Removal(table, index)
    refused, remedy = _why_not(module)
    if not refused and index.path_of(name) is None:
        # modprobe looks for it in the index only, and never asks the kernel.
        refused = f"modprobe does not find {name}: this release's index does not name it."
        remedy = (
            "It was inserted by path, or the index was written anew since. "
            f"In a shell: sudo rmmod {shlex.quote(name)}"
        )
    if not refused:
        removal.remove(name, "asked for")
    went = tuple(step.module for step in removal.steps)
    stays = left_behind(went, removal.remaining(), index, table)
    for left in stays:
        # A module can hold another as a mount or a socket does, by no symbol of it:
        # the kernel counts that and does not tell who it is.
        if (module_left := table.by_name.get(left)) and module_left.other_references:
            stays[left] += f"; goes as well if only {name} refers to it"
    warnings = []
    if module.refcount == 0 and not refused:
        warnings.append(
            "A count of 0 is no promise that nothing uses it: a driver's devices and "
            "network interfaces go with it."
        )
    steps = tuple(removal.steps)
    return Plan("unload", name, steps, stays, tuple(warnings), refused, remedy)


def _why_not(module: LoadedModule) -> tuple[str, str]:
    """Return why the kernel would refuse to unload a module, and the remedy; empty if not."""
    name = module.name
    if module.state is not ModuleState.LIVE:
        return f"{name} is {module.state.lower()}.", "Wait until it has finished."
    if module.refcount is None:
        return "This kernel cannot unload modules.", "It was built without CONFIG_MODULE_UNLOAD."
    if module.permanent:
        return f"{name} is permanent: it has no way out.", "It stays until the next boot."
    if module.users:
        users = ", ".join(module.users)
        return f"{name} is in use by {users}.", f"Unload {users} first."
    if module.refcount > 0:
        references = counted(module.refcount, "reference")
        return (
            f"{name} is in use: {references} by something other than modules.",
            "A mount, an open file, a device or a socket holds it; close that first.",
        )
    return "", ""


class _Removal:
    """`modprobe -r`, played through on paper."""

    def __init__(self, table: ModuleTable, index: DependencyIndex) -> None:
        self.steps: list[Step] = []
        self._index = index
        self._refcounts = {m.name: m.refcount or 0 for m in table}
        self._users = {m.name: set(m.users) for m in table}
        self._permanent = {m.name for m in table if m.permanent}

    def remaining(self) -> frozenset[str]:
        """Return the modules that are still loaded at this point."""
        return frozenset(self._refcounts)

    def remove(self, name: str, reason: str) -> None:
        """Remove a module as kmod does: after-softdeps, itself, what became unused, softdeps."""
        if not self._free(name):
            return
        before, after = self._index.softdeps(name)
        for module in reversed(self._resolved(after)):
            self.remove(module, f"softdep of {name}")
        self._take_out(name, reason)
        for needed in self._index.dependencies(name):
            if self._free(needed):
                self._take_out(needed, f"no longer needed by {name}")
        for module in reversed(self._resolved(before)):
            self.remove(module, f"softdep of {name}")

    def _resolved(self, aliases: tuple[str, ...]) -> list[str]:
        return [module for alias in aliases for module in self._index.resolve(alias)]

    def _free(self, name: str) -> bool:
        return self._refcounts.get(name, 1) == 0 and name not in self._permanent

    def _take_out(self, name: str, reason: str) -> None:
        self.steps.append(Step(Action.RMMOD, name, reason, self._index.path_of(name) or ""))
        del self._refcounts[name]
        for other, users in self._users.items():
            if name in users:
                users.discard(name)
                if other in self._refcounts:
                    self._refcounts[other] -= 1


def left_behind(
    went: Iterable[str], remaining: frozenset[str], index: DependencyIndex, table: ModuleTable
) -> dict[str, str]:
    """Return what belongs to modules that went and is loaded still, with the reason.

    Args:
        went: modules that are gone.
        remaining: names of the modules that are loaded.
        index: who belongs to whom.
        table: a reading that names the users of what remains.
    """
    stays: dict[str, str] = {}
    gone = tuple(went)
    for name in gone:
        before, after = index.softdeps(name)
        for alias in (*before, *after):
            for module in index.resolve(alias):
                if module in remaining:
                    stays.setdefault(module, f"softdep of {name}")
        for needed in index.dependencies(name):
            if needed in remaining:
                stays.setdefault(needed, _why_still(needed, frozenset(gone), remaining, table))
    return stays


def _why_still(
    name: str, gone: frozenset[str], remaining: frozenset[str], table: ModuleTable
) -> str:
    module = table.by_name.get(name)
    users = module.users if module else ()
    users = tuple(user for user in users if user in remaining and user not in gone)
    if users:
        return f"used by {', '.join(users)}"
    if module and module.permanent:
        return "permanent"
    if module and module.other_references:
        return "in use by something other than modules"
    return "modprobe -r leaves it"
