"""Carries a plan out for a verb, and returns what the kernel did besides the outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.history import Change
from kmodtui.model.log.record import LogRecord
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.reading import Reading
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.machine import Machine
from kmodtui.services.planning.actions import perform
from kmodtui.services.reading import read_both

_MOVES = frozenset((Action.INSMOD, Action.INSTALL, Action.RMMOD, Action.REMOVE))


@dataclass(frozen=True)
class Performed:
    """A plan that was carried out.

    Attributes:
        outcome: the outcome.
        log: records of the kernel log of that time.
        change: the modules and symbols that were added and removed; None for a plan that
            neither loads nor unloads modules.
    """

    outcome: Explanation
    log: tuple[LogRecord, ...] = ()
    change: Change | None = field(default=None, compare=False)


async def perform_and_compare(
    machine: Machine, plan: Plan, foreground: Foreground, *, wait: float = 0.0
) -> Performed:
    """Carry a plan out and compare modules and symbols; for the arguments see `perform`."""
    moves = any(step.action in _MOVES for step in plan.steps)
    before = await asyncio.to_thread(_read, machine.host, None) if moves else Reading()
    log: list[LogRecord] = []
    outcome = await perform(machine, plan, foreground, log.append, wait=wait)
    if not moves:
        return Performed(outcome, tuple(log))
    after = await asyncio.to_thread(_read, machine.host, before)
    return Performed(outcome, tuple(log), after.since(before, _reloaded(plan)))


def _read(host: Host, earlier: Reading | None) -> Reading:
    """Return a reading; one that is not possible has the reason instead of the symbols."""
    try:
        return read_both(host, earlier.symbols if earlier else None)
    except KmodtuiError as error:
        return Reading(earlier.table, None, str(error)) if earlier else Reading(problem=str(error))


def _reloaded(plan: Plan) -> dict[str, int]:
    """Return the modules that a plan unloads and loads again, which a comparison cannot show."""
    removed = {step.module for step in plan.steps if step.action is Action.RMMOD}
    return {
        step.module: 1
        for step in plan.steps
        if step.action is Action.INSMOD and step.module in removed
    }
