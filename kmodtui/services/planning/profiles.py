"""The plan that blocks the modules of a profile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import PlanError
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.intents import plan_intents
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.profile.profile import Profile
from kmodtui.services.machine import Machine
from kmodtui.services.planning.plans import planned, read_plan_facts


async def plan_profile(machine: Machine, profile: Profile) -> tuple[Plan, Profile]:
    """Return the plan of a profile, and the profile without what cannot be blocked.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    return await asyncio.to_thread(_plan_now, machine, profile)


def _plan_now(machine: Machine, profile: Profile) -> tuple[Plan, Profile]:
    host, index = machine.host, machine.index_or_empty()
    facts, _ = read_plan_facts(host, index, _intents(profile.names))
    plan = planned(_intents(profile.names), facts, host)
    refusals: dict[str, str] = {}
    if plan.refused:
        refusals = _refusals(profile, facts)
        for name, why in refusals.items():
            profile = profile.without((name,), why)
        if not profile.candidates:
            raise PlanError(plan.refused, plan.remedy)
        facts, _ = read_plan_facts(host, index, _intents(profile.names))
        plan = planned(_intents(profile.names), facts, host)
    reasons = profile.reasons
    steps = tuple(replace(step, reason=reasons.get(step.module, "")) for step in plan.steps)
    left_out = tuple(f"Left out: {why}." for why in refusals.values())
    return replace(plan, steps=steps, warnings=(*left_out, *plan.warnings)), profile


def _intents(names: Sequence[str]) -> tuple[Intent, ...]:
    return (Intent(Verb.BLOCK, tuple(names)),)


def _refusals(profile: Profile, facts: PlanFacts) -> dict[str, str]:
    """Return the modules that cannot be blocked, with the reason."""
    found = {}
    for name in profile.names:
        plan = plan_intents(_intents((name,)), facts)
        if plan.refused:
            found[name] = plan.refused.rstrip(".")
    return found
