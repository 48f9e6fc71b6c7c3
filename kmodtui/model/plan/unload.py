"""The plan of an unload: what `modprobe -r` does, simulated on one reading of the system."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kmodtui.errors import PlanError
from kmodtui.model.graph import loaded_dependencies, neighbours_first
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable, hang_remedy, named_module
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.plan import REQUESTED, Action, Plan, PlanCommand, Step
from kmodtui.model.plan.removal import InUseError, removal
from kmodtui.model.plan.verb import Verb
from kmodtui.model.usage import held_by, release_remedy, unload_warnings

_UNTIL_BOOT = "It stays until the next boot."

MAX_STEPS = 10_000
"""Steps of an unload: a softdep of modules with remove rules can be taken again and again."""


def plan_unload(asked: Sequence[str], facts: PlanFacts) -> Plan:
    """Return what `modprobe -r NAME` would do now, for each name in an order that works.

    Args:
        asked: names or aliases of loaded modules.
        facts: one reading of the system.

    Raises:
        UnknownModuleError: no module has such a name.
        PlanError: a module is not loaded, or softdeps form a loop.
    """
    unloading = _Unloading(facts)
    targets = tuple(dict.fromkeys(name for text in asked for name in unloading.named(text)))
    for name in users_first(targets, facts.table, only=targets):
        unloading.take(name)
    return unloading.plan(targets)


def users_first(
    names: Iterable[str], table: ModuleTable, *, only: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return modules and all their direct and indirect holders, in an order that unloads them.

    Args:
        names: of loaded modules.
        table: the loaded modules with their holders.
        only: leaves all others out, if given.
    """
    wanted = None if only is None else frozenset(only)

    def users(name: str) -> tuple[str, ...]:
        module = table.by_name.get(name)
        return module.users if module else ()

    return tuple(
        name for name in neighbours_first(names, users) if wanted is None or name in wanted
    )


def obstacles(names: Iterable[str], facts: PlanFacts) -> tuple[str, ...]:
    """Return a sentence for each module that cannot be unloaded even if no module uses it."""
    found = []
    for name in names:
        module = facts.table.by_name.get(name)
        if module is not None and module.permanent:
            found.append(f"But {name} is [permanent]. {_UNTIL_BOOT}")
        elif module is not None and module.state is not ModuleState.LIVE:
            found.append(f"But {name} is {module.state.lower()}. {hang_remedy(module.state)}")
        elif module is not None and module.other_references:
            found.append(f"But {_in_use(module, facts)}")
    return tuple(found)


def _in_use(module: LoadedModule, facts: PlanFacts) -> str:
    """Return that something other than modules holds a module, and what, in sentences."""
    held = held_by(facts.usage, module.name, module.other_references)
    return f"{module.name} is in use. {held}"


class _Unloading:
    """A plan in the making."""

    def __init__(self, facts: PlanFacts) -> None:
        self._facts = facts
        self._table = facts.table
        self._lookup = facts.lookup
        self._kernel = _PaperKernel(facts.table)
        self._steps: list[Step] = []
        self._commands: list[PlanCommand] = []
        self._warnings: list[str] = []
        self._refusals: list[tuple[str, str]] = []
        self._blocked_by: dict[str, None] = {}

    def named(self, text: str) -> tuple[str, ...]:
        """Return the loaded modules that a name or an alias stands for."""
        name = named_module(text, self._table.by_name)
        if name in self._table.by_name and (name in self._facts.origins or "." in name):
            return (name,)
        found = self._lookup.find(text)
        loaded = tuple(each.name for each in found if each.name in self._table.by_name)
        if name in self._table.by_name:
            if name in loaded or not found:
                return loaded or (name,)
            where = f" ({found[0].source})" if found[0].source else ""
            self._refuse(
                f"modprobe treats {name} as an alias of {found[0].name}{where}.",
                f"In a shell: sudo rmmod {shlex.quote(name)}",
            )
            return (name,)
        if loaded:
            self._warnings.append(f"{text} is an alias of {', '.join(loaded)}.")
            return loaded
        if not found and self._lookup.advice.folder:
            raise self._lookup.unknown(text)
        name = found[0].name if found else name
        if self._lookup.is_builtin(name):
            raise PlanError(f"{name} is built into this kernel: it cannot be unloaded.")
        raise PlanError(f"{name} is not loaded.", "There is nothing to unload.")

    def take(self, name: str) -> None:
        """Plan the unload of one module."""
        if self._kernel.refcount(name) is None:
            return  # an earlier one takes it along
        why, remedy = self._why_not(self._table.by_name[name])
        if why:
            self._refuse(why, remedy)
            return
        if name in self._facts.origins or "." in name or not self._lookup.find(name):
            self._take_without_index(name)
            return
        self._commands.append(PlanCommand(Verb.UNLOAD, (name,)))
        steps = removal(name, self._lookup, self._kernel)
        answer: int | None = None
        try:
            while True:
                step = next(steps) if answer is None else steps.send(answer)
                answer = self._kernel.answer(step)
                if not answer:
                    self._note(step)
                if len(self._steps) > MAX_STEPS:
                    raise PlanError(
                        f"modprobe -r would take more than {MAX_STEPS:,} steps for {name}.",
                        "Check the softdep and remove lines in modprobe.d.",
                    )
        except StopIteration:
            pass
        except InUseError as error:
            self._stop_in_use(name, error.name)

    def _take_without_index(self, name: str) -> None:
        """Plan the unload of a module that only the kernel knows: it needs no file for that."""
        step = Step(Action.RMMOD, name, REQUESTED)
        self._kernel.answer(step)
        self._note(step)
        self._commands.append(PlanCommand(Verb.UNLOAD, (name,), indexed=False))
        self._warnings.append(self._why_without_index(name))

    def _why_without_index(self, name: str) -> str:
        if "." in name:
            return (
                f"modprobe and rmmod cut the name {name} at its first dot: kmodtui passes the "
                "whole name to delete_module(2)."
            )
        if (file := self._facts.origins.get(name)) is not None:
            return (
                f"{name} was inserted from {file.path}: it is unloaded by its name, as with "
                "rmmod, and nothing else. No rule of modprobe.d applies."
            )
        if self._lookup.advice.private:
            return (
                f"Only root may read the module directory, so what modprobe -r unloads besides "
                f"{name} is unknown: rmmod unloads it, and nothing else. To see that plan, run "
                "kmodtui as root."
            )
        return (
            f"modprobe cannot find {name}, which is not in the index of this kernel: rmmod "
            "unloads it, and nothing else."
        )

    def plan(self, targets: tuple[str, ...]) -> Plan:
        """Return the plan for everything that was taken."""
        unloaded = [step.module for step in self._steps if step.action is Action.RMMOD]
        stays = left_behind(unloaded, self._kernel.remaining(), self._lookup, self._table)
        for left in stays:
            # A module can hold another by a mount or a socket, without using a symbol of it:
            # the kernel counts such a reference without recording whose it is.
            if (module := self._table.by_name.get(left)) and module.other_references:
                stays[left] += f"; unloaded as well if only {', '.join(targets)} held it"
        refused = " ".join(dict.fromkeys(sentence for sentence, _ in self._refusals))
        return Plan(
            Verb.UNLOAD,
            targets,
            tuple(self._steps),
            () if refused else tuple(self._commands),
            stays,
            tuple(dict.fromkeys((*unload_warnings(self._facts.usage, unloaded), *self._warnings))),
            refused=refused,
            remedy=" ".join(dict.fromkeys(remedy for _, remedy in self._refusals if remedy)),
            blocked_by=tuple(self._blocked_by),
        )

    def _note(self, step: Step) -> None:
        module = self._table.by_name.get(step.module)
        self._steps.append(replace(step, memory=module.size if module else None))
        if step.action is Action.REMOVE:
            self._warnings.append(
                f"A remove rule ({step.source}) runs a shell command as root instead of "
                f"unloading {step.module}. Its effect is unknown."
            )

    def _refuse(self, sentence: str, remedy: str) -> None:
        self._refusals.append((sentence, remedy))

    def _stop_in_use(self, target: str, name: str) -> None:
        """Say that modprobe stops at a softdep that is in use."""
        why, remedy = self._why_not(self._table.by_name[name])
        if self._kernel.refcount(target) is None:
            self._warnings.append(
                f"modprobe will fail at {name}, a softdep that is in use; {target} is "
                "unloaded by then."
            )
        else:
            self._refuse(
                f"modprobe unloads {name} before {target}, as its softdep, and fails there: {why}",
                remedy,
            )

    def _why_not(self, module: LoadedModule) -> tuple[str, str]:
        """Return why the kernel would refuse to unload a module now, and the remedy."""
        name = module.name
        if module.state is not ModuleState.LIVE:
            return f"{name} is {module.state.lower()}.", hang_remedy(module.state)
        if module.refcount is None:
            return (
                "This kernel cannot unload modules.",
                "It was built without CONFIG_MODULE_UNLOAD.",
            )
        if module.permanent:
            return (
                f"{name} cannot be unloaded: it has no exit function ([permanent]).",
                _UNTIL_BOOT,
            )
        users = self._kernel.users(name)
        if users:
            return f"{name} is in use by {', '.join(users)}.", self._way_out(users)
        if self._kernel.refcount(name):
            holders = self._facts.usage.holders(name)
            return _in_use(module, self._facts), release_remedy(holders)
        return "", ""

    def _way_out(self, users: tuple[str, ...]) -> str:
        """Return what has to be unloaded first, in which order, and what prevents that."""
        left = self._kernel.remaining()
        first = [name for name in users_first(users, self._table) if name in left]
        first = first or list(users)
        self._blocked_by.update(dict.fromkeys(first))
        order = ", in this order" if len(first) > 1 else ""
        return " ".join(
            (f"Unload {', '.join(first)} first{order}.", *obstacles(first, self._facts))
        )


class _PaperKernel:
    """What is loaded while an unload is simulated."""

    def __init__(self, table: ModuleTable) -> None:
        self._table = table
        self._refcounts = {module.name: module.refcount or 0 for module in table}
        self._users = {module.name: set(module.users) for module in table}
        self._used = loaded_dependencies(table)

    def refcount(self, name: str) -> int | None:
        """Return the reference count of a module; None if it is not loaded."""
        return self._refcounts.get(name)

    def users(self, name: str) -> tuple[str, ...]:
        """Return the loaded modules that still use it, in the kernel's order."""
        left = self._users[name]
        return tuple(user for user in self._table.by_name[name].users if user in left)

    def remaining(self) -> frozenset[str]:
        """Return the modules that are still loaded at this point."""
        return frozenset(self._refcounts)

    def answer(self, step: Step) -> int:
        """Remove a module as `delete_module(2)` does, and return its errno.

        The effect of a remove rule's command is unknown: nothing changes.
        """
        if step.action is not Action.RMMOD:
            return 0
        module = self._table.by_name[step.module]
        if module.permanent or module.state is not ModuleState.LIVE:
            return errno.EBUSY
        del self._refcounts[step.module]
        for other in self._used.get(step.module, ()):
            self._users[other].discard(step.module)
            if other in self._refcounts:
                self._refcounts[other] -= 1
        return 0


def left_behind(
    unloaded: Iterable[str], remaining: frozenset[str], lookup: ModuleLookup, table: ModuleTable
) -> dict[str, str]:
    """Return the dependencies and softdeps of unloaded modules that stay loaded, with the reason.

    Args:
        unloaded: the unloaded modules.
        remaining: names of the modules that are still loaded.
        lookup: has the dependencies and softdeps.
        table: a reading with the holders of what remains.
    """
    still_loaded: dict[str, str] = {}
    order = tuple(unloaded)
    gone = frozenset(order)
    for name in order:
        softdep = lookup.softdep(name)
        for text in (*softdep.pre, *softdep.post):
            for found in lookup.find(text):
                if found.name in remaining:
                    still_loaded.setdefault(found.name, f"softdep of {name}")
        for needed in lookup.dependencies(name) or _loaded_dependencies(name, table):
            if needed in remaining:
                still_loaded.setdefault(needed, _why_still(needed, gone, remaining, table))
    return still_loaded


def _loaded_dependencies(name: str, table: ModuleTable) -> tuple[str, ...]:
    """Return the modules that a loaded module uses, as the kernel shows them."""
    return tuple(module.name for module in table if name in module.users)


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
    return "not removed by modprobe -r"
