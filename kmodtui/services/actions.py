"""Doing what a plan says, and finding out what came of it: the kernel is read again first."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.model.plan import Plan
from kmodtui.privileged.client import LogSink
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.machine import Machine


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan.

    Attributes:
        ok: whether the kernel now shows what was asked for.
        title: that, in a sentence.
        sentences: cause and remedy, or what else there is to know.
        evidence: lines of the kernel log of that moment.
    """

    ok: bool
    title: str
    sentences: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @classmethod
    def not_done(cls, error: KmodtuiError) -> Outcome:
        """Return the outcome of a plan that could not even begin."""
        return cls(False, error.message, (error.hint,) if error.hint else ())


async def perform(machine: Machine, plan: Plan, foreground: Foreground, on_log: LogSink) -> Outcome:
    """Carry a plan out and return what the kernel shows afterwards.

    Raises:
        KmodtuiError: root was not to be had, or the helper died.
    """
    channel = await machine.channel(foreground)
    if plan.verb == "load":
        result = await channel.load(plan.target, plan.parameters, on_log)
    else:
        result = await channel.unload((plan.target,), on_log)
    loaded = await machine.loaded_names()
    there = plan.target in loaded
    ok = result.ok and there == (plan.verb == "load")
    evidence = tuple(record.text for record in result.log)
    if ok:
        state = "is loaded" if there else "is not loaded any more"
        return Outcome(True, f"{plan.target} {state}.", (), evidence)
    return Outcome(False, result.message or "It did not happen.", (), evidence)
