"""Runs an experiment: loads a module, observes, unloads it and observes again.

Only modules that the confirmed plan loads are unloaded again. If `modprobe -r` also unloads
modules that were loaded before, they are loaded again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from kmodtui.errors import KmodtuiError, PlanError
from kmodtui.kernel.inventory import read_inventory
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.experiment.report import ActionResult, Observation, Report, Stage
from kmodtui.model.explain.explain import explain_error
from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.plan.undo import UndoEntry
from kmodtui.model.plan.unload import left_behind
from kmodtui.model.plan.verb import Verb
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.model.text import clean, counted
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_now
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import plan_for
from kmodtui.services.reading import read_both

UNUSED_LIMIT = 5.0
"""Seconds to wait for a module to become unused: udev opens new devices for a moment."""

SETTLE_LIMIT = 3.0
"""Seconds to wait until no more devices appear or disappear."""

NOTICE_LIMIT = 5.0
"""Seconds to wait until the load was noticed; see `noticed` of `run`."""

BEGINNING = "An experiment needs a module that can be loaded and is not loaded yet."

_STEP = 0.1

_TICK = 0.1  # seconds for which kernel log records are collected before they are reported

Tell = Callable[[Report], None]
Around = Callable[[str], AbstractContextManager[object]]
Noticed = Callable[[], Awaitable[object]]


def _alone(_command: str) -> AbstractContextManager[object]:
    return nullcontext()


async def planned(machine: Machine, name: str, parameters: tuple[str, ...] = ()) -> Report:
    """Return an experiment that has not started, to be reviewed and confirmed.

    Args:
        machine: the machine.
        name: a module, or the path of a file to insert.
        parameters: `name=value`.

    Raises:
        PlanError: the module is already loaded, or built in.
        KmodtuiError: it cannot be planned for another reason.
    """
    verb = Verb.INSERT if "/" in name else Verb.LOAD
    plan = await plan_for(machine, [Intent(verb, (name,), parameters)])
    if why := plan.refused or plan.nothing_to_do:
        raise PlanError(why, BEGINNING)
    if plan.does_nothing:
        raise PlanError(
            f"Loading {plan.target} would change nothing, so there is nothing to observe."
        )
    facts = machine.facts
    return Report(plan, hostname=facts.hostname or "", release=facts.release or machine.release)


async def run(
    machine: Machine,
    report: Report,
    foreground: Foreground,
    tell: Tell,
    *,
    around: Around = _alone,
    noticed: Noticed | None = None,
    known: SymbolTable | None = None,
    clock: Callable[[], float] = time.time,
) -> Report:
    """Run an experiment and return the complete report.

    Even if a step fails, what was loaded is unloaded again, and the report shows what is
    different at the end.

    Args:
        machine: the machine to run it on.
        report: the report from `planned`.
        foreground: hands the terminal over for a password prompt.
        tell: called with the report at every step.
        around: a context for a command line, within which a monitor attributes changes to it.
        noticed: returns once the load has been noticed, so that it is not undone before.
        known: an earlier reading of the symbols, of which what is unchanged is reused.
        clock: returns seconds since the epoch.

    Raises:
        KmodtuiError: no root session could be opened, or the kernel cannot be read. If this
            happens before the load, nothing was changed.
    """
    return await _Run(machine, report, foreground, tell, around, noticed, known, clock).through()


def _unplanned(verb: Verb, name: str, error: KmodtuiError) -> ActionResult:
    """Return the result of a step that was not tried, because it could not be planned."""
    return ActionResult(Plan(verb, (name,), ()), explain_error(verb, (name,), error))


class _Run:
    """A running experiment."""

    def __init__(
        self,
        machine: Machine,
        report: Report,
        foreground: Foreground,
        tell: Tell,
        around: Around,
        noticed: Noticed | None,
        known: SymbolTable | None,
        clock: Callable[[], float],
    ) -> None:
        self._machine = machine
        self._report = report
        self._foreground = foreground
        self._tell = tell
        self._around = around
        self._noticed = noticed
        self._known = known
        self._clock = clock
        self._log: list[str] = []
        self._log_timer: asyncio.TimerHandle | None = None
        self._undoable: list[UndoEntry] = []
        self._kept: dict[str, tuple[str, ...]] = {}
        self._channel: HelperClient | None = None

    async def through(self) -> Report:
        before = await self._check()
        if await self._load():
            await self._look()
        if await self._may_be_ours():
            await self._unload(before)
        await self._check_again(before)
        # If everything is as before, there is nothing to undo.
        if not self._report.differences:
            for done in reversed(self._undoable):
                self._machine.done.remove(done)
        return self._report

    def _enter(self, stage: Stage) -> None:
        self._report = replace(self._report, stage=stage)
        self._tell(self._report)

    # Stages

    async def _check(self) -> Observation:
        self._enter(Stage.CHECK)
        # Typing a password takes time, so the state is read after it.
        self._channel = await self._machine.channel(self._foreground)
        before = await self._settled()
        self._report = replace(self._report, before=before)
        name = self._report.name
        if name in before.table.by_name:
            raise PlanError(
                f"{name} was loaded by another process in the meantime.",
                BEGINNING,
            )
        if rows := len(before.symbols.of(name)):
            raise PlanError(
                f"{name} is not loaded, but /proc/kallsyms lists {counted(rows, 'symbol')} of it.",
                "A module of this name is being loaded or unloaded; try again.",
            )
        return before

    async def _load(self) -> bool:
        self._enter(Stage.LOAD)
        self._log = []
        explanation = await self._perform(self._report.plan)
        deed = ActionResult(self._report.plan, explanation)
        self._report = replace(self._report, loaded=deed, log=tuple(self._log))
        return not deed.failed

    async def _may_be_ours(self) -> bool:
        """Return whether new modules may be from this load, which may have failed half-way.

        If the load failed and the module is live, another process has loaded it and its
        dependencies. If the helper died, its work is unknown.
        """
        if self._report.loaded is None or not self._report.loaded.failed:
            return True
        table = await asyncio.to_thread(read_modules, self._machine.host)
        module = table.by_name.get(self._report.name)
        died = self._channel is None or not self._channel.alive
        return died or module is None or module.state is not ModuleState.LIVE

    async def _look(self) -> None:
        self._enter(Stage.LOOK)
        try:
            self._report = replace(self._report, after=await self._settled())
        except KmodtuiError as error:
            # The module is still unloaded again.
            self._report = replace(self._report, problem=str(error))
        if self._noticed is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTICE_LIMIT):
                    await self._noticed()

    async def _unload(self, before: Observation) -> None:
        self._enter(Stage.UNLOAD)
        self._log = []
        tried: set[str] = set()
        while (name := await self._next_to_unload(before, tried)) is not None:
            tried.add(name)
            with contextlib.suppress(PlanError):  # another process has unloaded it
                self._add(await self._unloaded(name, before))
        # The kernel lists the newest first. Load the oldest first, so that a dependency is
        # loaded with its own parameters and not by its dependent.
        for name in (module.name for module in reversed(tuple(before.table))):
            if name not in await self._machine.loaded_names() and self._was_unloaded(name):
                self._add(await self._loaded_again(name))

    async def _check_again(self, before: Observation) -> None:
        self._enter(Stage.CHECK_AGAIN)
        end = await self._settled()
        reasons = await self._reasons(before, end)
        self._report = replace(self._report, end=end, reasons=reasons)
        self._enter(Stage.OVER)

    # Steps

    async def _perform(self, plan: Plan) -> Explanation:
        earlier = self._machine.done.last
        with self._around(" ".join(plan.command)):
            try:
                explanation = await perform(self._machine, plan, self._foreground, self._on_log)
            finally:
                self._store_log()
        if (done := self._machine.done.last) is not None and done is not earlier:
            self._undoable.append(done)
        return explanation

    def _on_log(self, record: LogRecord) -> None:
        # A module can log thousands of records at once, so they are reported together.
        self._log.append(clean(record.text))
        if self._log_timer is None:
            self._log_timer = asyncio.get_running_loop().call_later(_TICK, self._report_log)

    def _report_log(self) -> None:
        self._store_log()
        self._tell(self._report)

    def _store_log(self) -> None:
        if self._log_timer is not None:
            self._log_timer.cancel()
            self._log_timer = None
        if self._report.stage <= Stage.LOAD:
            self._report = replace(self._report, log=tuple(self._log))
        else:
            self._report = replace(self._report, unload_log=tuple(self._log))

    def _add(self, deed: ActionResult) -> None:
        self._report = replace(self._report, unloads=(*self._report.unloads, deed))
        self._tell(self._report)

    async def _next_to_unload(self, before: Observation, tried: set[str]) -> str | None:
        """Return the target, then other modules of the plan that are unused; None at the end."""
        table = await asyncio.to_thread(read_modules, self._machine.host)
        known = before.table.by_name
        ours = [m for m in table if m.name in self._report.planned and m.name not in known]
        ours = [m for m in ours if m.name not in tried]
        for module in ours:
            if module.name == self._report.name:
                return module.name
        return next((m.name for m in ours if not m.users and not m.permanent), None)

    async def _unloaded(self, name: str, before: Observation) -> ActionResult:
        await self._wait_until_unused(name)
        try:
            plan = await plan_for(self._machine, [Intent(Verb.UNLOAD, (name,))])
        except PlanError:
            raise
        except KmodtuiError as error:
            return _unplanned(Verb.UNLOAD, name, error)
        if plan.refused:
            title = f"{name} stays loaded"
            return ActionResult(plan, Explanation(title, plan.refused, remedy=plan.remedy))
        for unloaded in (s.module for s in plan.steps if s.action is Action.RMMOD):
            if unloaded in before.table.by_name:
                # Its parameters can only be read while it is loaded.
                parameters = await asyncio.to_thread(kept_now, self._machine, unloaded)
                self._kept[unloaded] = parameters
        return ActionResult(plan, await self._perform(plan))

    async def _loaded_again(self, name: str) -> ActionResult:
        try:
            again = Intent(Verb.LOAD, (name,), self._kept.get(name, ()))
            plan = await plan_for(self._machine, [again])
        except KmodtuiError as error:
            return _unplanned(Verb.LOAD, name, error)
        return ActionResult(plan, await self._perform(plan))

    async def _wait_until_unused(self, name: str) -> None:
        """Wait until a module has no other references than modules, at most UNUSED_LIMIT.

        Return at once if that would not make it possible to unload it.
        """
        limit = time.monotonic() + UNUSED_LIMIT
        while time.monotonic() < limit:
            table = await asyncio.to_thread(read_modules, self._machine.host)
            module: LoadedModule | None = table.by_name.get(name)
            if module is None or module.users or module.permanent or not module.other_references:
                return
            await asyncio.sleep(_STEP)

    def _was_unloaded(self, name: str) -> bool:
        """Return whether one of the unloads has unloaded this module as well."""
        steps = (s for deed in self._report.unloads if not deed.failed for s in deed.plan.steps)
        return any(step.module == name and step.action is Action.RMMOD for step in steps)

    async def _settled(self) -> Observation:
        """Return the state once no more devices appear or disappear, or after SETTLE_LIMIT."""
        limit = time.monotonic() + SETTLE_LIMIT
        host = self._machine.host
        things = await asyncio.to_thread(read_inventory, host)
        while True:
            reading = await asyncio.to_thread(read_both, host, self._known)
            self._known = reading.symbols
            earlier, things = things, await asyncio.to_thread(read_inventory, host)
            if earlier == things or time.monotonic() > limit:
                return Observation(replace(reading, when=self._clock()), things)
            await asyncio.sleep(_STEP)

    async def _reasons(self, before: Observation, end: Observation) -> dict[str, str]:
        """Return why new modules are still loaded; what the kernel reported takes precedence."""
        known = before.table.by_name
        planned = [s.module for deed in self._report.unloads for s in deed.plan.steps]
        reasons: dict[str, str] = {}
        if await self._machine.index() is not None:
            try:
                gone = [name for name in planned if name not in end.table.by_name]
                lookup = await asyncio.to_thread(self._machine.lookup)
                reasons |= left_behind(gone, frozenset(end.table.by_name), lookup, end.table)
            except KmodtuiError:
                pass  # the modules are reported anyway, without this reason
        for deed in self._report.unloads:
            if deed.failed:
                reasons[deed.plan.target] = deed.told.cause.rstrip(".")
        return {name: why for name, why in reasons.items() if name not in known}
