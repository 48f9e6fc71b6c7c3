"""Noting down what a plan has really changed, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.modules import ModuleTable, canonical
from kmodtui.model.plan import Action, Command, Plan, Verb
from kmodtui.model.undo import blacklisted, loaded, reloaded, set_back, unloaded, words_of
from kmodtui.privileged.protocol import Result
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_now


@dataclass(frozen=True, slots=True)
class Before:
    """How things were before a plan was carried out.

    Attributes:
        table: what was loaded.
        given: what each module that goes has to be given to be as it was.
    """

    table: ModuleTable
    given: Mapping[str, tuple[str, ...]]


def read_before(machine: Machine, plan: Plan) -> Before:
    """Return how things are now, as far as a plan will change them. Reads files."""
    goes = {step.module for step in plan.steps if step.action in (Action.RMMOD, Action.REMOVE)}
    return Before(
        read_modules(machine.host),
        {name: words for name in goes if (words := kept_now(machine, name))},
    )


def remember(
    machine: Machine, plan: Plan, before: Before, results: Iterable[tuple[Command, Result]]
) -> None:
    """Note down what a plan has really changed, from what the kernel shows now. Reads files."""
    after = read_modules(machine.host)
    words = words_of(plan)
    came = [module.name for module in after if module.name not in before.table.by_name]
    went = [module.name for module in before.table if module.name not in after.by_name]
    succeeded = [(command, result) for command, result in results if result.ok]
    for command, _ in succeeded:
        if command.verb in (Verb.LOAD, Verb.INSERT):
            machine.done.note_given(canonical(command.names[0]), command.parameters)
    match plan.verb:
        case Verb.LOAD | Verb.INSERT:
            machine.done.note(loaded(words, came))
        case Verb.UNLOAD:
            machine.done.note(
                unloaded(words, plan.targets, went, before.given, _brought(machine, plan.targets))
            )
        case Verb.RELOAD if went:
            brought = _brought(machine, plan.targets)
            machine.done.note(unloaded(words, plan.targets, went, before.given, brought))
        case Verb.RELOAD if succeeded:
            given = {name: before.given.get(name, ()) for name in plan.targets}
            machine.done.note(reloaded(words, given))
        case Verb.SET:
            machine.done.note(set_back(words, _writes(succeeded)))
        case Verb.BLACKLIST | Verb.UNBLACKLIST if succeeded:
            names = [name for command, _ in succeeded for name in command.names]
            back = plan.verb is Verb.UNBLACKLIST
            machine.done.note(blacklisted(words, names, back=back))


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


def _writes(succeeded: Iterable[tuple[Command, Result]]) -> list[tuple[str, str, str]]:
    writes = []
    for command, result in succeeded:
        key = command.parameters[0].partition("=")[0]
        was = result.before.get(key)
        if was:  # what could not be read cannot be put back
            writes.append((command.names[0], key, was))
    return writes
