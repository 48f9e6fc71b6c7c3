"""Records what a plan has really changed, so that it can be undone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.modules import ModuleTable, canonical, kernel_spelling
from kmodtui.model.origin import Origin
from kmodtui.model.own_file import OwnFile
from kmodtui.model.plan.own_change import OWN_CHANGES, own_change
from kmodtui.model.plan.plan import Action, Plan, PlanCommand
from kmodtui.model.plan.undo import (
    UndoEntry,
    loaded,
    reloaded,
    restored,
    set_back,
    unloaded,
    words_of,
)
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_and_lost


@dataclass(frozen=True, slots=True)
class Before:
    """The state before a plan was carried out.

    Attributes:
        table: the loaded modules.
        given: the parameters that make a new load of each module that is unloaded as it was.
        lost: a sentence for each parameter value that cannot be restored, and for a build that
            cannot be loaded again, by module.
        origins: the files of those that were inserted from a file, by module.
    """

    table: ModuleTable
    given: Mapping[str, tuple[str, ...]]
    lost: Mapping[str, tuple[str, ...]]
    origins: Mapping[str, Origin]


def read_before(machine: Machine, plan: Plan) -> Before:
    """Return the current state, as far as a plan will change it. Reads files."""
    config = machine.config()
    given, lost, origins = {}, {}, {}
    for name in _modules(plan, Action.RMMOD, Action.REMOVE):
        given[name], lost[name] = kept_and_lost(machine, name, config)
        if (origin := machine.origin(name)) is not None:
            origins[name] = origin
            if machine.origins.difference(name, origin):
                build = f"The build of {name} that was loaded cannot be restored: its file differs."
                lost[name] = (*lost[name], build)
    return Before(read_modules(machine.host), given, lost, origins)


_RAN_NOTHING = frozenset(
    {
        ResultCode.INVALID,
        ResultCode.UNKNOWN_MODULE,
        ResultCode.BUILT_IN,
        ResultCode.ALREADY_LOADED,
        ResultCode.BUSY,
        ResultCode.NO_MODPROBE,
        ResultCode.CHANGED_FILE,
        ResultCode.COMPRESSED,
    }
)


def record_change(
    machine: Machine,
    plan: Plan,
    before: Before,
    results: Collection[tuple[PlanCommand, Result]],
    *,
    ended: bool = True,
) -> None:
    """Record what a plan has really changed, from what the kernel shows now. Reads files.

    What others have loaded or unloaded in the meantime is not recorded.

    Args:
        machine: has the undo list.
        plan: what was requested.
        before: the state just before.
        results: requests with their results.
        ended: whether no request is without a result.
    """
    if ended and all(result.code in _RAN_NOTHING for _, result in results):
        return
    succeeded = [(command, result) for command, result in results if result.ok]
    for command, _ in succeeded:
        if command.verb in (Verb.LOAD, Verb.INSERT):
            machine.done.note_given(canonical(command.modules[0]), command.parameters)
    if any(command.verb is Verb.UNLOAD for command, _ in results) and plan.verb is Verb.BLOCK:
        # An undo of its own, after that of the block: a blocked module cannot be loaded.
        unload = replace(plan, verb=Verb.UNLOAD)
        machine.done.note(_undo_entry(machine, unload, before, results, succeeded))
    machine.done.note(_undo_entry(machine, plan, before, results, succeeded))
    if plan.verb not in OWN_CHANGES:
        # What a load was kept with is undone first, and the load stays.
        kept = Verb.KEEP.of(plan.subject)
        machine.done.note(restored(kept, _own_before(succeeded)))


def _undo_entry(
    machine: Machine,
    plan: Plan,
    before: Before,
    results: Collection[tuple[PlanCommand, Result]],
    succeeded: Collection[tuple[PlanCommand, Result]],
) -> UndoEntry | None:
    """Return how to undo what a plan has changed; None if it has changed nothing."""
    after = read_modules(machine.host)
    to_load = _modules(plan, Action.INSMOD) - _failed_loads(results)
    to_load |= _modules(plan, Action.INSTALL)
    to_unload = _modules(plan, Action.RMMOD, Action.REMOVE)
    added = [m.name for m in after if m.name in to_load and m.name not in before.table.by_name]
    removed = [m.name for m in before.table if m.name in to_unload and m.name not in after.by_name]
    words = words_of(plan)
    match plan.verb:
        case Verb.LOAD | Verb.INSERT:
            return loaded(words, added)
        case Verb.RELOAD if not removed:
            if not succeeded:
                return None
            given = {name: before.given.get(name, ()) for name in plan.targets}
            return _with_lost(reloaded(words, given), before, plan.targets)
        case Verb.UNLOAD | Verb.RELOAD:
            along = _loaded_along(machine, plan.targets)
            entry = unloaded(words, plan.targets, removed, before.given, along, before.origins)
            return _with_lost(entry, before, removed)
        case Verb.SET:
            return set_back(words, _writes(succeeded))
        case Verb.BLACKLIST | Verb.UNBLACKLIST | Verb.BLOCK | Verb.LOG_LOADS | Verb.UNBLOCK:
            return restored(words, _own_before(succeeded))
        case Verb.KEEP | Verb.FORGET | Verb.KEEP_OPTIONS | Verb.FORGET_OPTIONS:
            return restored(words, _own_before(succeeded))
        case _:
            assert_never(plan.verb)


def _own_before(
    succeeded: Iterable[tuple[PlanCommand, Result]],
) -> Iterator[tuple[OwnFile, str, str | None]]:
    """Yield what kmodtui's files said before of each module that they were changed for."""
    for command, result in succeeded:
        if command.verb in OWN_CHANGES:
            file, _ = own_change(command.verb)
            for name in map(canonical, command.names):
                yield file, name, result.before.get(name)


def loaded_by_failure(machine: Machine, plan: Plan, before: Before) -> list[str]:
    """Return the other modules that a failed load has loaded, newest first. Reads files."""
    to_load = _modules(plan, Action.INSMOD, Action.INSTALL) - set(
        map(kernel_spelling, plan.targets)
    )
    now = read_modules(machine.host)
    return [m.name for m in now if m.name in to_load and m.name not in before.table.by_name]


def _with_lost(entry: UndoEntry | None, before: Before, names: Iterable[str]) -> UndoEntry | None:
    """Return an undo entry with the parameter values of modules that cannot be restored."""
    lost = tuple(words for name in names for words in before.lost.get(name, ()))
    return entry and replace(entry, not_restored=lost)


def _modules(plan: Plan, *actions: Action) -> frozenset[str]:
    """Return the modules of the steps with one of these actions."""
    return frozenset(kernel_spelling(step.module) for step in plan.steps if step.action in actions)


def _failed_loads(results: Iterable[tuple[PlanCommand, Result]]) -> frozenset[str]:
    """Return the modules whose load was refused: if they are loaded, somebody else did it."""
    return frozenset(
        canonical(name)
        for command, result in results
        if command.verb is Verb.LOAD and result.code is ResultCode.FAILED
        for name in (*command.names, result.subject)
        if name
    )


def _loaded_along(machine: Machine, names: Iterable[str]) -> frozenset[str]:
    """Return the dependencies and softdeps that a load of modules brings along."""
    try:
        lookup = machine.lookup()
    except KmodtuiError:
        return frozenset()
    found: set[str] = set()
    for name in names:
        softdep = lookup.softdep(name)
        around = (*softdep.pre, *softdep.post)
        found.update(lookup.dependencies(name))
        found.update(each.name for alias in around for each in lookup.find(alias))
    return frozenset(found - set(names))


def _writes(
    succeeded: Iterable[tuple[PlanCommand, Result]],
) -> list[tuple[str, str, str | None]]:
    """Return module, parameter and value before of each successful write, in order."""
    writes = []
    for command, result in succeeded:
        key = command.parameters[0].partition("=")[0]
        writes.append((command.names[0], key, result.before.get(key)))
    return writes
