"""Reports each plan that is carried out, and its outcome, to all that follow the machine."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.record import LogRecord
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.timeline.event import CommandRun
from kmodtui.services.timeline.command_store import store_command

if TYPE_CHECKING:
    from kmodtui.services.machine import Machine

MAX_RECORDS = 200
"""Messages of the kernel log that are kept of one command."""


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """A command ended, or continues in the background.

    Attributes:
        when: seconds since the epoch.
        run: the command with its outcome.
        modules: the modules that were requested.
    """

    when: float
    run: CommandRun
    modules: tuple[str, ...]


@dataclass
class Report:
    """What is known of a command so far.

    Attributes:
        outcome: None until it has ended.
        records: messages of the kernel log.
    """

    outcome: Explanation | None = None
    records: list[LogRecord] = field(default_factory=list)

    def add(self, record: LogRecord) -> None:
        """Add a message of the kernel log, unless there are too many."""
        if len(self.records) < MAX_RECORDS:
            self.records.append(record)


@asynccontextmanager
async def reported(machine: Machine, plan: Plan, undoes: str) -> AsyncIterator[Report]:
    """Report that a plan begins and, at the end of the context, its outcome.

    Args:
        machine: the machine.
        plan: the plan.
        undoes: what it undoes, such as `load of dummy`; empty if it is not an undo.
    """
    report = Report()
    began = time.monotonic()
    machine.command_began.publish(plan.summary)
    try:
        yield report
    finally:
        run = _run(plan, report, undoes, time.monotonic() - began)
        when = time.time()
        machine.command_ended.publish(CommandEnded(when, run, plan.targets))
        await asyncio.to_thread(store_command, machine.host, when, run, plan.targets)


def _run(plan: Plan, report: Report, undoes: str, took: float) -> CommandRun:
    outcome = report.outcome or Explanation(
        "Continues in the background", "The outcome is unknown.", unknown=True
    )
    return CommandRun(
        plan.summary,
        "unknown" if outcome.unknown else outcome.kind.value,
        outcome.title,
        outcome.cause,
        outcome.remedy,
        _file(plan),
        tuple(report.records),
        took,
        os.getpid(),
        tuple(command.shell for command in plan.commands),
        undoes,
    )


def _file(plan: Plan) -> str:
    """Return the file of the module that a plan loads; empty if it loads none."""
    loads = (step for step in plan.steps if step.action is Action.INSMOD)
    return next((step.path for step in loads if step.module in plan.targets), "")
