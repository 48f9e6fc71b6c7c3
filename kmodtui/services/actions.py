"""Doing what a plan says, and finding out what came of it: the kernel is read again first."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Literal

from kmodtui.errors import HelperDiedError, KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_process, read_system
from kmodtui.model.explain import Explanation, Facts, explain, explain_error
from kmodtui.model.modules import ModuleState
from kmodtui.model.plan import Plan
from kmodtui.privileged.client import LogSink
from kmodtui.privileged.elevation import Foreground
from kmodtui.privileged.protocol import Result, ResultCode
from kmodtui.services.machine import Machine

log = logging.getLogger("kmodtui")


async def perform(
    machine: Machine, plan: Plan, foreground: Foreground, on_log: LogSink
) -> Explanation:
    """Carry a plan out and return what came of it, as the kernel shows it afterwards.

    A refusal is an explanation like any other, whoever it comes from: the
    kernel, sudo, or a helper that died.
    """
    operation: Literal["load", "unload"] = "load" if plan.verb == "load" else "unload"
    log.info("%s: %s", operation, " ".join(plan.command))
    try:
        channel = await machine.channel(foreground)
        if operation == "load":
            result = await channel.load(plan.target, plan.parameters, on_log)
        else:
            result = await channel.unload((plan.target,), on_log)
    except HelperDiedError as error:
        log.warning("the helper died", exc_info=error)
        return await _after_death(machine, plan, operation, error)
    except KmodtuiError as error:
        log.info("%s: %s", error.title, error)
        return explain_error(operation, (plan.target,), error)
    facts = await asyncio.to_thread(_facts, machine, plan)
    result = _judged(plan, result, facts)
    log.info("%s: %s, exit %s, errno %s", operation, result.code, result.exit, result.errno)
    return explain(operation, (plan.target,), result, facts)


def _judged(plan: Plan, result: Result, facts: Facts) -> Result:
    """Return the result, not called a success where the kernel shows none."""
    module = facts.loaded.get(plan.target)
    live = module is not None and module.state is ModuleState.LIVE
    happened = live if plan.verb == "load" else module is None
    if result.ok and not happened:
        return replace(result, ok=False, code=ResultCode.NOT_DONE)
    return result


async def _after_death(
    machine: Machine, plan: Plan, operation: Literal["load", "unload"], error: HelperDiedError
) -> Explanation:
    """Say what the kernel shows now: the helper is gone, what it began may have happened."""
    there = plan.target in await machine.loaded_names()
    now = f"{plan.target} is {'loaded' if there else 'not loaded'} now."
    told = explain_error(operation, (plan.target,), error)
    return replace(told, cause=f"{told.cause} {now}")


def _facts(machine: Machine, plan: Plan) -> Facts:
    """Read what an explanation may need. Reads files: not for the event loop."""
    system = read_system(machine.host)
    index = machine.index_now()
    try:
        info = machine.module_info(plan.target)
    except KmodtuiError:
        info = None
    return Facts(
        release=machine.release,
        loaded=read_modules(machine.host).by_name,
        available=index.names if index else (),
        index_found=index is not None,
        parameters={p.name: p.type for p in info.parameters} if info else {},
        wanted_devices=info.aliases if info else (),
        modules_disabled=system.modules_disabled == 1,
        lockdown=system.lockdown or "",
        command_line=system.cmdline or "",
        in_user_namespace=read_process().initial_user_namespace is False,
    )
