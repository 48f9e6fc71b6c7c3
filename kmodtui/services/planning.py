"""From what a person wants to a plan, with who would notice: mounts, interfaces, one's own session.

The steps are worked out in `model.plan_*`; here the system is looked at for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import KmodtuiError, PlanError
from kmodtui.kernel.module_file import read_module_file
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.intent import Intent
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.modules import ModuleState, canonical
from kmodtui.model.parameters import key_of, problems
from kmodtui.model.plan import BLACKLIST_FILE, Action, Command, Option, Plan, Step
from kmodtui.model.plan_change import plan_blacklist, plan_insert, plan_set, plan_unblacklist
from kmodtui.model.undo import merged
from kmodtui.model.usage import Usage
from kmodtui.model.verb import Verb
from kmodtui.services.files import resolved
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_now, not_kept, read_form_now
from kmodtui.services.plan_usage import usage_here, with_usage


async def plan_for(machine: Machine, intents: Sequence[Intent]) -> Plan:
    """Return what would be done now, as one plan, for wishes of one kind.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    return await asyncio.to_thread(plan_now, machine, intents)


def plan_now(machine: Machine, intents: Sequence[Intent]) -> Plan:
    """Return the same, reading in this thread."""
    plan = merged([part for intent in intents for part in _parts(machine, intent)])
    return with_usage(plan, machine.host, machine.index_now())


def still_to_do(machine: Machine, intents: Sequence[Intent]) -> tuple[Intent, ...]:
    """Return what of an undo is not as it is to be already. Reads files.

    One that broke off half-way, or that somebody else did, leaves less to be done. A
    parameter is gone with its module, and there is nothing to be set any more.
    """
    loaded = read_modules(machine.host).by_name
    rules = machine.config().of(RuleKind.BLACKLIST)
    ours = {rule.name for rule in rules if rule.file == BLACKLIST_FILE}
    left = []
    for intent in intents:
        match intent.verb:
            case Verb.LOAD:
                names = tuple(name for name in intent.names if canonical(name) not in loaded)
            case Verb.UNLOAD:
                names = tuple(name for name in intent.names if canonical(name) in loaded)
            case Verb.SET:
                shown = read_parameters(machine.host, intent.names[0])
                now = {f"{each.name}={each.value}" for each in shown}
                there = canonical(intent.names[0]) in loaded
                names = intent.names if there and not now.issuperset(intent.parameters) else ()
            case Verb.BLACKLIST:
                names = tuple(name for name in intent.names if canonical(name) not in ours)
            case Verb.UNBLACKLIST:
                names = tuple(name for name in intent.names if canonical(name) in ours)
            case _:
                names = intent.names
        if names:
            left.append(replace(intent, names=names))
    return tuple(left)


def _parts(machine: Machine, intent: Intent) -> list[Plan]:
    match intent.verb:
        case Verb.SET:
            return [_set(machine, intent.names[0], word) for word in intent.parameters]
        case Verb.BLACKLIST:
            config, table = machine.config(), read_modules(machine.host)
            names = map(canonical, intent.names)
            return [plan_blacklist(name, config.blacklisted(name), table) for name in names]
        case Verb.UNBLACKLIST:
            rules = machine.config().of(RuleKind.BLACKLIST)
            return [
                plan_unblacklist(name, [rule for rule in rules if rule.name == name])
                for name in map(canonical, intent.names)
            ]
        case Verb.INSERT:
            return [_insert(machine, intent)]
        case Verb.RELOAD if len(intent.names) > 1:
            return [_keeping(machine, machine.plan_now(intent.verb, intent.names))]
        case _:
            plan = machine.plan_now(intent.verb, intent.names, intent.parameters)
            return [_with_problems(machine, plan)]


def _keeping(machine: Machine, plan: Plan) -> Plan:
    """Return a reload of several modules that gives each what it has now."""
    kept = {name: kept_now(machine, name) for name in plan.targets}
    steps = tuple(
        replace(step, options=(*step.options, *map(Option, kept[step.module])))
        if step.action is Action.INSMOD and step.module in kept
        else step
        for step in plan.steps
    )
    commands = tuple(
        replace(command, parameters=kept.get(command.names[0], ()))
        if command.verb is Verb.LOAD
        else command
        for command in plan.commands
    )
    lost = tuple(words for name in plan.targets for words in not_kept(machine, name))
    return replace(plan, steps=steps, commands=commands, warnings=(*lost, *plan.warnings))


def _with_problems(machine: Machine, plan: Plan) -> Plan:
    """Return a plan with a warning of each parameter that the kernel would not take."""
    if not plan.parameters or plan.refused:
        return plan
    try:
        types = {row.name: row.type for row in read_form_now(machine, plan.target)}
    except KmodtuiError:
        return plan
    found = problems(plan.target, plan.parameters, types)
    return replace(plan, warnings=(*found, *plan.warnings))


def _insert(machine: Machine, intent: Intent) -> Plan:
    path = resolved(machine.host, intent.names[0])
    info = read_module_file(machine.host, path)
    try:
        lookup = machine.lookup()
    except KmodtuiError:
        lookup = None
    table = read_modules(machine.host)
    return plan_insert(path, info.name, info.depends, intent.parameters, table, lookup)


def _set(machine: Machine, name: str, word: str) -> Plan:
    key, _, value = word.partition("=")
    if name not in read_modules(machine.host).by_name:
        raise PlanError(f"{name} is not loaded any more.", "Somebody else has unloaded it.")
    now = {key_of(shown.name): shown for shown in read_parameters(machine.host, name)}
    shown = now.get(key_of(key))
    if shown is None:
        raise PlanError(
            f"The kernel shows no parameter {key} of {name}.", f"Reload {name} to set it."
        )
    if not shown.writable:
        raise PlanError(
            f"{key} of {name} is only taken when {name} is loaded.", f"Reload {name} to set it."
        )
    return plan_set(name, shown.name, value, shown.value or "")


def once_free(machine: Machine, plan: Plan) -> Plan | None:
    """Return the unload of modules as soon as nothing refers to them; None if that is no help.

    It helps where something else than modules holds them: a mount, an open file.
    """
    if plan.verb is not Verb.UNLOAD or not plan.refused or plan.blocked_by:
        return None
    table = read_modules(machine.host).by_name
    modules = [table.get(name) for name in plan.targets]
    if not all(m and m.state is ModuleState.LIVE and not m.permanent for m in modules):
        return None
    if not any(module and module.other_references for module in modules):
        return None
    steps = tuple(Step(Action.RMMOD, name, "once nothing refers to it") for name in plan.targets)
    commands = tuple(Command(Verb.UNLOAD, (name,)) for name in plan.targets)
    return replace(plan, refused="", remedy="", steps=steps, commands=commands)


# --- who would notice -------------------------------------------------------------------------


def usage_of(machine: Machine, modules: Sequence[str]) -> Usage:
    """Return who uses modules beside other modules. Reads many files: not for the event loop."""
    return usage_here(machine.host, machine.index_now(), modules)
