"""The plan of an unload: `modprobe -r` played through on paper."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kmodtui.errors import PlanError
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable, canonical
from kmodtui.model.plan import Action, Command, Plan, Step
from kmodtui.model.removal import InUseError, removal
from kmodtui.model.text import counted
from kmodtui.model.verb import Verb


def plan_unload(asked: Sequence[str], table: ModuleTable, lookup: ModuleLookup) -> Plan:
    """Return what `modprobe -r NAME` would do now, for each name in an order that works.

    Args:
        asked: names or aliases of loaded modules.
        table: what is loaded.
        lookup: what there is.

    Raises:
        UnknownModuleError: nothing is called that.
        PlanError: a module is not loaded, or softdeps go round in a circle.
    """
    unloading = _Unloading(table, lookup)
    targets = tuple(dict.fromkeys(name for text in asked for name in unloading.named(text)))
    for name in users_first(targets, table, only=targets):
        unloading.take(name)
    return unloading.plan(targets)


def users_first(
    names: Iterable[str], table: ModuleTable, *, only: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return modules and all who use them, near and far, in an order that unloads them.

    Args:
        names: of loaded modules.
        table: tells who uses whom.
        only: leaves all others out, where it is given.
    """
    wanted = None if only is None else frozenset(only)
    order: dict[str, None] = {}
    opened: set[str] = set()
    ahead = [(name, False) for name in reversed(tuple(names))]
    while ahead:
        name, users_done = ahead.pop()
        if users_done:
            order.setdefault(name)
        elif name not in opened:
            opened.add(name)
            ahead.append((name, True))
            module = table.by_name.get(name)
            ahead += [(user, False) for user in reversed(module.users if module else ())]
    return tuple(name for name in order if wanted is None or name in wanted)


class _Unloading:
    """A plan in the making."""

    def __init__(self, table: ModuleTable, lookup: ModuleLookup) -> None:
        self._table = table
        self._lookup = lookup
        self._kernel = _PaperKernel(table)
        self._steps: list[Step] = []
        self._commands: list[Command] = []
        self._warnings: list[str] = []
        self._refusals: list[tuple[str, str]] = []
        self._blocked_by: dict[str, None] = {}

    def named(self, text: str) -> tuple[str, ...]:
        """Return the loaded modules that are meant, all that an alias stands for."""
        name = canonical(text)
        found = self._lookup.find(text)
        loaded = tuple(each.name for each in found if each.name in self._table.by_name)
        if name in self._table.by_name:
            if name in loaded or not found:
                return loaded or (name,)
            where = f" ({found[0].source})" if found[0].source else ""
            self._refuse(
                f"modprobe takes {name} for {found[0].name}, by an alias{where}.",
                f"In a shell: sudo rmmod {shlex.quote(name)}",
            )
            return (name,)
        if loaded:
            self._warnings.append(f"{text} is an alias of {', '.join(loaded)}.")
            return loaded
        if not found:
            raise self._lookup.unknown(text)
        whom = found[0].name
        if self._lookup.is_builtin(whom):
            raise PlanError(f"{whom} is compiled into this kernel: it cannot be unloaded.")
        raise PlanError(f"{whom} is not loaded.", "There is nothing to unload.")

    def take(self, name: str) -> None:
        """Plan the unload of one module."""
        if self._kernel.refcount(name) is None:
            return  # it goes along with an earlier one
        why, remedy = self._why_not(self._table.by_name[name])
        if why:
            self._refuse(why, remedy)
            return
        if not self._lookup.find(name):
            # modprobe looks for it in the index only, and never asks the kernel.
            self._refuse(
                f"modprobe does not find {name}: this release's index does not name it.",
                "It was inserted by path, or the index was written anew since. "
                f"In a shell: sudo rmmod {shlex.quote(name)}",
            )
            return
        self._commands.append(Command(Verb.UNLOAD, (name,)))
        steps = removal(name, self._lookup, self._kernel)
        answer: int | None = None
        try:
            while True:
                step = next(steps) if answer is None else steps.send(answer)
                answer = self._kernel.answer(step)
                if not answer:
                    self._note(step)
        except StopIteration:
            pass
        except InUseError as error:
            self._tell_in_use(name, error.name)
        if self._table.by_name[name].refcount == 0 and self._kernel.refcount(name) is None:
            self._warnings.append(
                "A count of 0 is no promise that nothing uses it: a driver's devices and "
                "network interfaces go with it."
            )

    def plan(self, targets: tuple[str, ...]) -> Plan:
        """Return the plan of all that was taken."""
        went = [step.module for step in self._steps if step.action is Action.RMMOD]
        stays = left_behind(went, self._kernel.remaining(), self._lookup, self._table)
        for left in stays:
            # A module can hold another as a mount or a socket does, by no symbol of it:
            # the kernel counts that and does not tell who it is.
            if (module := self._table.by_name.get(left)) and module.other_references:
                whom = ", ".join(targets)
                verb = "refers" if len(targets) == 1 else "refer"
                stays[left] += f"; goes as well if only {whom} {verb} to it"
        refused = " ".join(dict.fromkeys(sentence for sentence, _ in self._refusals))
        remedies = dict.fromkeys(remedy for _, remedy in self._refusals if remedy)
        return Plan(
            Verb.UNLOAD,
            targets,
            tuple(self._steps),
            () if refused else tuple(self._commands),
            stays,
            tuple(dict.fromkeys(self._warnings)),
            refused,
            " ".join(remedies),
            tuple(self._blocked_by),
        )

    def _note(self, step: Step) -> None:
        module = self._table.by_name.get(step.module)
        self._steps.append(replace(step, memory=module.size if module else None))
        if step.action is Action.REMOVE:
            self._warnings.append(
                f"A remove rule ({step.source}) runs a shell command as root in place of "
                f"unloading {step.module}. What that does is not known here."
            )

    def _refuse(self, sentence: str, remedy: str) -> None:
        self._refusals.append((sentence, remedy))

    def _tell_in_use(self, target: str, name: str) -> None:
        """Say that modprobe ends at a softdep which is in use."""
        why, remedy = self._why_not(self._table.by_name[name])
        if self._kernel.refcount(target) is None:
            self._warnings.append(
                f"modprobe will end with an error at {name}, a softdep that is in use; "
                f"{target} is gone by then."
            )
        else:
            self._refuse(
                f"modprobe unloads {name} before {target}, as its softdep, and ends there: {why}",
                remedy,
            )

    def _why_not(self, module: LoadedModule) -> tuple[str, str]:
        """Return why the kernel would refuse to unload a module now, and the remedy."""
        name = module.name
        if module.state is not ModuleState.LIVE:
            return f"{name} is {module.state.lower()}.", "Wait until it has finished."
        if module.refcount is None:
            return (
                "This kernel cannot unload modules.",
                "It was built without CONFIG_MODULE_UNLOAD.",
            )
        if module.permanent:
            return f"{name} is permanent: it has no way out.", "It stays until the next boot."
        users = self._kernel.users(name)
        if users:
            return f"{name} is in use by {', '.join(users)}.", self._way_out(users)
        if self._kernel.refcount(name):
            return f"{name} is in use: {_references(module)}.", _CLOSE_THAT
        return "", ""

    def _way_out(self, users: tuple[str, ...]) -> str:
        """Return what has to be unloaded first, in which order, and what is in the way of that."""
        left = self._kernel.remaining()
        first = [name for name in users_first(users, self._table) if name in left]
        first = first or list(users)
        self._blocked_by.update(dict.fromkeys(first))
        stuck = []
        for name in first:
            module = self._table.by_name.get(name)
            if module is not None and module.permanent:
                stuck.append(f"{name} is permanent, and stays until the next boot.")
            elif module is not None and module.other_references:
                stuck.append(f"But {name} is in use: {_references(module)}.")
        order = ", in this order" if len(first) > 1 else ""
        return " ".join((f"Unload {', '.join(first)} first{order}.", *stuck))


_CLOSE_THAT = "A mount, an open file, a device or a socket holds it; close that first."


def _references(module: LoadedModule) -> str:
    return f"{counted(module.other_references, 'reference')} by something other than modules"


class _PaperKernel:
    """What is loaded while a plan is played through."""

    def __init__(self, table: ModuleTable) -> None:
        self._table = table
        self._refcounts = {module.name: module.refcount or 0 for module in table}
        self._users = {module.name: set(module.users) for module in table}

    def refcount(self, name: str) -> int | None:
        """Return how often a module is referred to; None if it is not loaded."""
        return self._refcounts.get(name)

    def users(self, name: str) -> tuple[str, ...]:
        """Return the modules that use it still, in the kernel's order."""
        left = self._users[name]
        return tuple(user for user in self._table.by_name[name].users if user in left)

    def remaining(self) -> frozenset[str]:
        """Return the modules that are still loaded at this point."""
        return frozenset(self._refcounts)

    def answer(self, step: Step) -> int:
        """Take a module out as `delete_module(2)` does, and return its errno.

        What a remove rule's command does is not known: nothing changes.
        """
        if step.action is not Action.RMMOD:
            return 0
        module = self._table.by_name[step.module]
        if module.permanent or module.state is not ModuleState.LIVE:
            return errno.EBUSY
        del self._refcounts[step.module]
        for other, users in self._users.items():
            if step.module in users:
                users.discard(step.module)
                if other in self._refcounts:
                    self._refcounts[other] -= 1
        return 0


def left_behind(
    went: Iterable[str], remaining: frozenset[str], lookup: ModuleLookup, table: ModuleTable
) -> dict[str, str]:
    """Return what belongs to modules that went and is loaded still, with the reason.

    Args:
        went: modules that are gone.
        remaining: names of the modules that are loaded.
        lookup: who belongs to whom.
        table: a reading that names the users of what remains.
    """
    stays: dict[str, str] = {}
    gone = tuple(went)
    for name in gone:
        softdep = lookup.softdep(name)
        for text in (*softdep.pre, *softdep.post):
            for found in lookup.find(text):
                if found.name in remaining:
                    stays.setdefault(found.name, f"softdep of {name}")
        for needed in lookup.dependencies(name):
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
