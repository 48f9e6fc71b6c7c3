"""Carries plans out, and reports the outcome only after the kernel has been read again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from kmodtui.errors import HelperDiedError, KmodtuiError
from kmodtui.model.explain.explain import Explanation, explain_error
from kmodtui.model.log.record import LogRecord
from kmodtui.model.ownership import ownership
from kmodtui.model.plan.own_change import KEEPING
from kmodtui.model.plan.plan import Plan, PlanCommand
from kmodtui.model.plan.undo import UndoEntry
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.privileged.elevation import Foreground
from kmodtui.privileged.session import LogSink
from kmodtui.services.files import user_name
from kmodtui.services.machine import Machine
from kmodtui.services.planning.execution import Execution
from kmodtui.services.planning.outcomes import after_death, explained, with_loaded
from kmodtui.services.planning.reports import reported
from kmodtui.services.planning.requests import ask, requests
from kmodtui.services.planning.undo import Before, loaded_by_failure, read_before

log = logging.getLogger("kmodtui")


async def perform(
    machine: Machine,
    plan: Plan,
    foreground: Foreground,
    on_log: LogSink,
    *,
    digest: str = "",
    undoes: UndoEntry | None = None,
    wait: float = 0.0,
    on_request: Callable[[PlanCommand], None] | None = None,
    on_result: Callable[[Result], None] | None = None,
    before: Before | None = None,
) -> Explanation:
    """Carry a plan out and return the outcome, as the kernel shows it afterwards.

    A refusal by the kernel, by sudo or by a helper that died is returned as an explanation
    as well. What has changed is recorded in `machine.done`, for undo.

    Args:
        machine: the machine to change.
        plan: what to do.
        foreground: gives the terminal to the program that asks for a password.
        on_log: receives the records of the kernel log as they arrive.
        digest: SHA-256 of the file that was confirmed, if not that of the plan, for an insert.
        undoes: the change that the plan undoes, if any; it is removed from the undo list.
        wait: seconds to wait for a module to become unused before it is unloaded.
        on_request: receives each command before it is carried out.
        on_result: receives each result, once the system was read again.
        before: the state now, if it was read before; None to read it.
    """
    if not plan.commands:
        return Explanation(
            "Nothing was done", plan.refused or plan.nothing_to_do or "There is nothing to do."
        )
    async with reported(machine, plan, undoes.words if undoes else "") as report:

        def pass_log_on(record: LogRecord) -> None:
            report.add(record)
            on_log(record)

        report.outcome = await _perform(
            machine,
            plan,
            foreground,
            pass_log_on,
            digest=digest,
            undoes=undoes,
            wait=wait,
            on_request=on_request,
            on_result=on_result,
            before=before,
        )
        return report.outcome


async def _perform(
    machine: Machine,
    plan: Plan,
    foreground: Foreground,
    on_log: LogSink,
    *,
    digest: str,
    undoes: UndoEntry | None,
    wait: float,
    on_request: Callable[[PlanCommand], None] | None,
    on_result: Callable[[Result], None] | None,
    before: Before | None,
) -> Explanation:
    log.info("%s: %s", plan.verb, plan.summary)
    try:
        channel = await machine.channel(foreground)
        # Not earlier: others may change the kernel while a password is typed.
        if before is None:
            before = await asyncio.to_thread(read_before, machine, plan)
    except HelperDiedError as error:
        log.warning("the helper died", exc_info=error)
        return await asyncio.to_thread(after_death, machine, plan, error)
    except KmodtuiError as error:
        log.info("%s: %s", error.title, error)
        return explain_error(plan.verb, plan.targets, error)
    execution = Execution(machine, plan, before, undoes, on_log, on_result)
    try:
        for request in requests(plan, digest):
            if on_request is not None:
                on_request(request)
            execution.begin(request, ask(channel, request, execution.pass_log_on, wait))
            if not await execution.finish():
                break
    except HelperDiedError as error:
        log.warning("the helper died", exc_info=error)
        execution.died = error
    except KmodtuiError as error:
        log.info("%s: %s", error.title, error)
        if not execution.answered:
            return explain_error(plan.verb, plan.targets, error)
        execution.died = HelperDiedError(error.message, error.hint)
    except asyncio.CancelledError:
        execution.continue_in_background(cancel=wait > 0)
        raise
    await asyncio.shield(execution.record())
    if execution.died is not None:
        return await asyncio.to_thread(after_death, machine, plan, execution.died)
    outcome = await asyncio.to_thread(explained, machine, plan, execution.answered)
    last, result = execution.answered[-1]
    if plan.verb in (Verb.LOAD, Verb.INSERT) and not result.ok and last.verb not in KEEPING:
        stays = await asyncio.to_thread(loaded_by_failure, machine, plan, before)
        outcome = with_loaded(outcome, stays, "" if undoes else "; U unloads")
    parts = [part for _, result in execution.answered for part in result.file]
    return replace(outcome, file=ownership(parts, user_name))
