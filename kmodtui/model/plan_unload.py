"""The plan of an unload, after kmod's `rmmod_do_module` in `tools/modprobe.c`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from kmodtui.errors import PlanError
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable, canonical
from kmodtui.model.plan import Action, Command, Plan, Step, Verb
from kmodtui.model.plan_load import DependencyIndex
from kmodtui.model.text import counted


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
    return Plan(
        Verb.UNLOAD,
        (name,),
        steps,
        () if refused else (Command(Verb.UNLOAD, (name,)),),
        stays,
        tuple(warnings),
        refused,
        remedy,
        blocked_by=module.users,
    )


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
