"""Plans on the dashboard's machine, which knows the parameters that modules were given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.intents import once_unused, still_to_do
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.services.keeping import intents_to_keep, read_kept
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_and_lost, read_form_now
from kmodtui.services.planning.origins import origin_facts, read_inserted, with_origins
from kmodtui.services.planning.plans import parametrized, planned, read_plan_facts


async def plan_for(machine: Machine, intents: Sequence[Intent]) -> Plan:
    """Return what intents of one verb would do now, as one plan.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    return await asyncio.to_thread(plan_now, machine, intents)


def plan_now(machine: Machine, intents: Sequence[Intent]) -> Plan:
    """Return the same, reading in this thread."""
    return planned(intents, _facts_for(machine, intents), machine.host)


async def plan_once_unused(machine: Machine, plan: Plan) -> Plan | None:
    """Return the unload of a refused plan as soon as the modules are unused.

    None where waiting does not help.
    """
    if plan.verb is not Verb.UNLOAD or not plan.refused:
        return None
    return await asyncio.to_thread(_once_unused, machine, plan)


def _once_unused(machine: Machine, plan: Plan) -> Plan | None:
    origins = origin_facts(machine.host, machine.origins, plan.targets)
    return once_unused(plan, PlanFacts(read_modules(machine.host), origins=origins))


async def plan_kept(machine: Machine, intents: Sequence[Intent], plan: Plan) -> Plan | None:
    """Return the plan that also keeps what a load loads; None where there is nothing to keep.

    Args:
        machine: the machine.
        intents: of the load.
        plan: of the load.
    """
    if plan.verb is not Verb.LOAD or len(plan.targets) != 1 or not plan.commands:
        return None

    def planned_now() -> Plan | None:
        now = read_kept(machine, plan.target)
        more = intents_to_keep(plan.target, plan.parameters, now, at_boot=not now.listed)
        found = plan_now(machine, (*intents, *more)) if more else plan
        return found if len(found.commands) > len(plan.commands) else None

    try:
        return await asyncio.to_thread(planned_now)
    except KmodtuiError:
        return None


async def left_to_undo(machine: Machine, intents: Sequence[Intent]) -> tuple[Intent, ...]:
    """Return what of an undo has not been done yet."""
    facts = await asyncio.to_thread(_facts_for, machine, intents)
    return still_to_do(intents, facts)


def _facts_for(machine: Machine, intents: Sequence[Intent]) -> PlanFacts:
    verbs = {intent.verb for intent in intents}
    facts, config = read_plan_facts(machine.host, machine.index_or_empty(), intents)
    kept, lost, types = {}, {}, {}
    if machine.looks_at_running:
        facts = with_origins(facts, intents, machine.host, machine.origins)
    for name in parametrized(intents, facts):
        if Verb.RELOAD in verbs:
            kept[name], lost[name] = kept_and_lost(machine, name, config)
        try:
            rows = read_form_now(machine, name, config)
        except KmodtuiError:
            continue
        types[name] = {row.name: row.type for row in rows}
    return replace(
        facts,
        files={
            intent.names[0]: read_inserted(machine.host, intent.names[0])
            for intent in intents
            if intent.verb is Verb.INSERT
        },
        parameter_types=types,
        kept=kept,
        not_kept=lost,
    )
