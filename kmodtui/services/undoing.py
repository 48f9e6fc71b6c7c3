"""Noting down what a plan has really changed, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.modules import ModuleTable, canonical
from kmodtui.model.plan import Action, Command, Plan
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.undo import Done, blacklisted, loaded, reloaded, set_back, unloaded, words_of
from kmodtui.model.verb import Verb
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_and_lost


@dataclass(frozen=True, slots=True)
class Before:
    """How things were before a plan was carried out.

    Attributes:
        table: what was loaded.
        given: what each module that goes has to be given to be as it was.
        lost: sentences about values of these that cannot be given again, by module.
    """

    table: ModuleTable
    given: Mapping[str, tuple[str, ...]]
    lost: Mapping[str, tuple[str, ...]]


def read_before(machine: Machine, plan: Plan) -> Before:
    """Return how things are now, as far as a plan will change them. Reads files."""
    goes = _of(plan, Action.RMMOD, Action.REMOVE)
    config = machine.config()
    given, lost = {}, {}
    for name in goes:
        given[name], lost[name] = kept_and_lost(machine, name, config)
    return Before(read_modules(machine.host), given, lost)


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


def remember(
    machine: Machine,
    plan: Plan,
    before: Before,
    results: Collection[tuple[Command, Result]],
    *,
    ended: bool = True,
) -> None:
    """Note down what a plan has really changed, from what the kernel shows now. Reads files.

    What others have loaded or unloaded meanwhile is theirs: of that nothing is noted.

    Args:
        machine: where it is noted down.
        plan: what was to be done.
        before: how things were just before it.
        results: what was asked for, and the answers.
        ended: whether there is no further request that has no answer.
    """
    if ended and all(result.code in _RAN_NOTHING for _, result in results):
        return
    after = read_modules(machine.host)
    failed = _failed_loads(results)
    comes = _of(plan, Action.INSMOD) - failed | _of(plan, Action.INSTALL)
    goes = _of(plan, Action.RMMOD, Action.REMOVE)
    words = words_of(plan)
    came = [m.name for m in after if m.name in comes and m.name not in before.table.by_name]
    went = [m.name for m in before.table if m.name in goes and m.name not in after.by_name]
    succeeded = [(command, result) for command, result in results if result.ok]
    for command, _ in succeeded:
        if command.verb in (Verb.LOAD, Verb.INSERT):
            machine.done.note_given(canonical(command.names[0]), command.parameters)
    match plan.verb:
        case Verb.LOAD | Verb.INSERT:
            machine.done.note(loaded(words, came))
        case Verb.UNLOAD | Verb.RELOAD if went:
            brought = _brought(machine, plan.targets)
            done = unloaded(words, plan.targets, went, before.given, brought)
            machine.done.note(_without(done, before, went))
        case Verb.RELOAD if succeeded:
            given = {name: before.given.get(name, ()) for name in plan.targets}
            machine.done.note(_without(reloaded(words, given), before, plan.targets))
        case Verb.SET:
            machine.done.note(set_back(words, _writes(succeeded)))
        case Verb.BLACKLIST | Verb.UNBLACKLIST if succeeded:
            names = [name for command, _ in succeeded for name in command.names]
            back = plan.verb is Verb.UNBLACKLIST
            machine.done.note(blacklisted(words, names, back=back))


def brought_all_the_same(machine: Machine, plan: Plan, before: Before) -> list[str]:
    """Return what a plan that has failed has loaded on the way, newest first. Reads files."""
    comes = _of(plan, Action.INSMOD, Action.INSTALL) - {canonical(name) for name in plan.targets}
    now = read_modules(machine.host)
    return [m.name for m in now if m.name in comes and m.name not in before.table.by_name]


def _without(done: Done | None, before: Before, names: Iterable[str]) -> Done | None:
    """Return a change with what cannot be given again to the modules that it is about."""
    lost = tuple(words for name in names for words in before.lost.get(name, ()))
    return done and replace(done, lost=lost)


def _of(plan: Plan, *actions: Action) -> frozenset[str]:
    """Return the modules to which a plan does one of these."""
    return frozenset(canonical(step.module) for step in plan.steps if step.action in actions)


def _failed_loads(results: Iterable[tuple[Command, Result]]) -> frozenset[str]:
    """Return the modules whose load was refused: if they came all the same, others did it."""
    return frozenset(
        canonical(name)
        for command, result in results
        if command.verb is Verb.LOAD and result.code is ResultCode.FAILED
        for name in (*command.names, result.subject)
        if name
    )


def _brought(machine: Machine, names: Iterable[str]) -> frozenset[str]:
    """Return what the load of modules brings of itself."""
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
    succeeded: Iterable[tuple[Command, Result]],
) -> list[tuple[str, str, str | None]]:
    writes = []
    for command, result in succeeded:
        key = command.parameters[0].partition("=")[0]
        writes.append((command.names[0], key, result.before.get(key)))
    return writes
