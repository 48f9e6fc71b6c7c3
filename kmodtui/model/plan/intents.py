"""The plan of one or several intents, as one plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from kmodtui.errors import PlanError
from kmodtui.model.modules import ModuleState, canonical
from kmodtui.model.parameters import key_of, problems
from kmodtui.model.plan.block import plan_block, plan_unblock
from kmodtui.model.plan.change import plan_blacklist, plan_insert, plan_set, plan_unblacklist
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.keep import (
    plan_forget,
    plan_forget_options,
    plan_keep,
    plan_keep_options,
)
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.own_change import names_left
from kmodtui.model.plan.plan import Action, Option, Plan, PlanCommand, Step, merged
from kmodtui.model.plan.reload import plan_reload
from kmodtui.model.plan.unload import plan_unload
from kmodtui.model.plan.verb import Verb


def plan_intents(intents: Sequence[Intent], facts: PlanFacts) -> Plan:
    """Return what intents would do, as one plan of the first one's verb.

    All are of one verb, but a block may be followed by an unload, a load by what keeps it, and
    loads and inserts may be mixed.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    parts: list[Plan] = []
    for intent in intents:
        parts += _parts(intent, facts)
        if intent.verb is Verb.BLOCK:
            # A block removes softdeps, which concerns an unload in the same plan.
            after = next((each.lookup for each in facts.blocking.values()), facts.modules)
            facts = replace(facts, modules=after)
    plan = merged(parts)
    if {part.verb for part in parts} == {Verb.INSERT, Verb.LOAD}:
        plan = replace(plan, verb=Verb.LOAD)  # an undo of an unload
    if plan.verb is Verb.BLOCK and plan.refused and parts[-1].verb is Verb.UNLOAD:
        return replace(plan, remedy=f"{plan.remedy} Or block it without unloading it.".lstrip())
    return plan


def _parts(intent: Intent, facts: PlanFacts) -> list[Plan]:
    match intent.verb:
        case Verb.LOAD:
            return [_checked(plan_load(intent.names, intent.parameters, facts), facts)]
        case Verb.UNLOAD:
            return [plan_unload(intent.names, facts)]
        case Verb.RELOAD:
            plan = plan_reload(intent.names, intent.parameters, facts)
            return [_keeping(plan, facts) if len(intent.names) > 1 else _checked(plan, facts)]
        case Verb.INSERT:
            file = facts.files[intent.names[0]]
            return [plan_insert(file, intent.parameters, facts, intent.sha256)]
        case Verb.SET:
            return [_set(intent.names[0], word, facts) for word in intent.parameters]
        case Verb.BLACKLIST:
            return [plan_blacklist(name, facts) for name in map(canonical, intent.names)]
        case Verb.UNBLACKLIST:
            return [plan_unblacklist(name, facts) for name in map(canonical, intent.names)]
        case Verb.BLOCK | Verb.LOG_LOADS:
            return [plan_block(name, intent.verb, facts) for name in map(canonical, intent.names)]
        case Verb.UNBLOCK:
            return [plan_unblock(name, facts) for name in map(canonical, intent.names)]
        case Verb.KEEP:
            return [plan_keep(name, facts) for name in map(canonical, intent.names)]
        case Verb.FORGET:
            return [plan_forget(name, facts) for name in map(canonical, intent.names)]
        case Verb.KEEP_OPTIONS:
            return [plan_keep_options(canonical(intent.names[0]), intent.parameters, facts)]
        case Verb.FORGET_OPTIONS:
            return [plan_forget_options(name, facts) for name in map(canonical, intent.names)]
        case _:
            assert_never(intent.verb)


def _keeping(plan: Plan, facts: PlanFacts) -> Plan:
    """Return a reload of several modules that keeps the parameters of each."""
    kept = {name: facts.kept.get(name, ()) for name in plan.targets}
    steps = tuple(
        replace(step, options=(*step.options, *map(Option, kept[step.module])))
        if step.action is Action.INSMOD and step.module in kept
        else step
        for step in plan.steps
    )
    commands = tuple(
        replace(command, parameters=kept.get(command.modules[0], ()))
        if command.verb in (Verb.LOAD, Verb.INSERT)
        else command
        for command in plan.commands
    )
    lost = tuple(sentence for name in plan.targets for sentence in facts.not_kept.get(name, ()))
    return replace(plan, steps=steps, commands=commands, warnings=(*lost, *plan.warnings))


def _checked(plan: Plan, facts: PlanFacts) -> Plan:
    """Return a plan with a warning for each parameter that the kernel would not accept."""
    if not plan.parameters or plan.refused:
        return plan
    found = [
        problem
        for name in plan.targets
        if name in facts.parameter_types
        for problem in problems(name, plan.parameters, facts.parameter_types[name])
    ]
    return replace(plan, warnings=(*dict.fromkeys(found), *plan.warnings))


def _set(name: str, word: str, facts: PlanFacts) -> Plan:
    key, _, value = word.partition("=")
    if name not in facts.table.by_name:
        raise PlanError(f"{name} is no longer loaded.", "It was unloaded in the meantime.")
    now = {key_of(shown.name): shown for shown in facts.shown.get(name, ())}
    shown = now.get(key_of(key))
    if shown is None:
        raise PlanError(
            f"{name} has no parameter {key} in /sys.", f"Reload {name} to set the parameter."
        )
    if not shown.writable:
        raise PlanError(
            f"{key} of {name} can only be set when {name} is loaded.",
            f"Reload {name} to set the parameter.",
        )
    return plan_set(name, shown.name, value, shown.value or "")


def once_unused(plan: Plan, facts: PlanFacts) -> Plan | None:
    """Return a plan that waits for the modules to become unused; None where waiting cannot help.

    It can help where modules are held by something other than modules, such as a mount.
    """
    if plan.verb is not Verb.UNLOAD or not plan.refused or plan.blocked_by:
        return None
    modules = [facts.table.by_name.get(name) for name in plan.targets]
    if not all(m and m.state is ModuleState.LIVE and not m.permanent for m in modules):
        return None
    if not any(module and module.other_references for module in modules):
        return None
    steps = tuple(Step(Action.RMMOD, name, "once it is unused") for name in plan.targets)
    commands = tuple(
        PlanCommand(Verb.UNLOAD, (name,), indexed=name not in facts.origins)
        for name in plan.targets
    )
    return replace(plan, refused="", remedy="", steps=steps, commands=commands)


def still_to_do(intents: Sequence[Intent], facts: PlanFacts) -> tuple[Intent, ...]:
    """Return what of an undo has not been done yet.

    An undo that was interrupted half-way, or that somebody else did, leaves less to do. A
    parameter disappears with its module: then there is nothing to set.
    """
    loaded = facts.table.by_name
    left = []
    for intent in intents:
        match intent.verb:
            case Verb.LOAD:
                names = tuple(name for name in intent.names if canonical(name) not in loaded)
            case Verb.UNLOAD:
                names = tuple(name for name in intent.names if canonical(name) in loaded)
            case Verb.SET:
                shown = facts.shown.get(intent.names[0], ())
                now = {f"{each.name}={each.value}" for each in shown}
                there = canonical(intent.names[0]) in loaded
                names = intent.names if there and not now.issuperset(intent.parameters) else ()
            case Verb.BLACKLIST | Verb.UNBLACKLIST | Verb.BLOCK | Verb.LOG_LOADS | Verb.UNBLOCK:
                names = names_left(intent, facts.own)
            case Verb.KEEP | Verb.FORGET | Verb.KEEP_OPTIONS | Verb.FORGET_OPTIONS:
                names = names_left(intent, facts.own)
            case Verb.INSERT:
                file = facts.files.get(intent.names[0])
                names = () if file is not None and file.name in loaded else intent.names
            case Verb.RELOAD:
                names = intent.names
            case _:
                assert_never(intent.verb)
        if names:
            left.append(replace(intent, names=names))
    return tuple(left)
