"""Carrying an experiment out: load, look, unload, look again, in that order and no other.

Only what the confirmed plan inserts is unloaded again. What `modprobe -r` takes
along though it was there before is loaded again.
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
from kmodtui.model.experiment import Deed, Look, Report, Stage
from kmodtui.model.explain import explain_error
from kmodtui.model.explanation import Explanation
from kmodtui.model.intent import Intent
from kmodtui.model.log_record import LogRecord
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.plan import Action, Plan
from kmodtui.model.plan_unload import left_behind
from kmodtui.model.text import clean
from kmodtui.model.undo import Done
from kmodtui.model.verb import Verb
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.actions import perform
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_now
from kmodtui.services.planning import plan_for
from kmodtui.services.reading import read_both

UNUSED_LIMIT = 5.0
"""Seconds that a module may be in use after its load: udev opens new devices for a moment."""

SETTLE_LIMIT = 3.0
"""Seconds after which devices that still come are no longer waited for."""

NOTICE_LIMIT = 5.0
"""Seconds that whoever watches has to notice the load."""

BEGINNING = "An experiment needs a module that can be loaded and is not."

_STEP = 0.1

_TICK = 0.1  # seconds in which records of the kernel log gather

Tell = Callable[[Report], None]
Around = Callable[[str], AbstractContextManager[object]]
Noticed = Callable[[], Awaitable[object]]


def _alone(_command: str) -> AbstractContextManager[object]:
    return nullcontext()


async def planned(machine: Machine, name: str, parameters: tuple[str, ...] = ()) -> Report:
    """Return an experiment that has not begun, to be shown and confirmed.

    Raises:
        PlanError: the module is loaded already, or compiled in.
        KmodtuiError: it cannot be planned for another reason.
    """
    plan = await plan_for(machine, [Intent(Verb.LOAD, (name,), parameters)])
    if why := plan.refused or plan.nothing_to_do:
        raise PlanError(why, BEGINNING)
    if plan.does_nothing:
        raise PlanError(f"Loading {plan.target} would do nothing: there is nothing to look at.")
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
    clock: Callable[[], float] = time.time,
) -> Report:
    """Carry an experiment out and return the whole report.

    Whatever fails on the way, what was loaded is unloaded again, and the report
    says what differs at the end.

    Args:
        machine: where.
        report: as `planned` has given it.
        foreground: gives the terminal to whoever asks for a password.
        tell: called with the report at every step.
        around: makes one change of what happens during a command line, for a monitor.
        noticed: returns when whoever watches has seen the load, so that it is not over before.
        clock: seconds since the epoch.

    Raises:
        KmodtuiError: root is not to be had, or the kernel cannot be read. Before the load,
            nothing was done then.
    """
    return await _Run(machine, report, foreground, tell, around, noticed, clock).through()


def _unplanned(verb: Verb, name: str, error: KmodtuiError) -> Deed:
    """Return what was not even tried, because it could not be planned."""
    return Deed(Plan(verb, (name,), ()), explain_error(verb, (name,), error))


class _Run:
    """One experiment on its way."""

    def __init__(
        self,
        machine: Machine,
        report: Report,
        foreground: Foreground,
        tell: Tell,
        around: Around,
        noticed: Noticed | None,
        clock: Callable[[], float],
    ) -> None:
        self._machine = machine
        self._report = report
        self._foreground = foreground
        self._tell = tell
        self._around = around
        self._noticed = noticed
        self._clock = clock
        self._log: list[str] = []
        self._telling: asyncio.TimerHandle | None = None
        self._noted: list[Done] = []
        self._kept: dict[str, tuple[str, ...]] = {}
        self._channel: HelperClient | None = None

    async def through(self) -> Report:
        before = await self._check()
        if await self._load():
            await self._look()
        if await self._may_be_ours():
            await self._unload(before)
        await self._check_again(before)
        # Where all is as before there is nothing to be taken back.
        if not self._report.left:
            for done in reversed(self._noted):
                self._machine.done.taken_back(done)
        return self._report

    def _now(self, stage: Stage) -> None:
        self._report = replace(self._report, stage=stage)
        self._tell(self._report)

    # Stages

    async def _check(self) -> Look:
        self._now(Stage.CHECK)
        # A password takes a person's time; what comes meanwhile was there before.
        self._channel = await self._machine.channel(self._foreground)
        before = await self._settled()
        self._report = replace(self._report, before=before)
        name = self._report.name
        if name in before.table.by_name:
            raise PlanError(
                f"{name} has been loaded meanwhile, by somebody else.",
                BEGINNING,
            )
        if rows := len(before.symbols.of(name)):
            raise PlanError(
                f"{name} is not loaded, and yet /proc/kallsyms holds {rows:,} symbols of it.",
                "Another module of that name is on its way in or out; try again.",
            )
        return before

    async def _load(self) -> bool:
        self._now(Stage.LOAD)
        self._log = []
        told = await self._perform(self._report.plan)
        deed = Deed(self._report.plan, told)
        self._report = replace(self._report, loaded=deed, log=tuple(self._log))
        return not deed.failed

    async def _may_be_ours(self) -> bool:
        """Whether what came can be of this load, even of one that failed half-way.

        Where the helper would not load a module that is live, somebody else has loaded it,
        with all that belongs to it. Of a helper that died nobody knows what it has done.
        """
        if self._report.loaded is None or not self._report.loaded.failed:
            return True
        table = await asyncio.to_thread(read_modules, self._machine.host)
        module = table.by_name.get(self._report.name)
        died = self._channel is None or not self._channel.alive
        return died or module is None or module.state is not ModuleState.LIVE

    async def _look(self) -> None:
        self._now(Stage.LOOK)
        try:
            self._report = replace(self._report, after=await self._settled())
        except KmodtuiError as error:
            # What cannot be looked at is unloaded again all the same.
            self._report = replace(self._report, problem=str(error))
        if self._noticed is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTICE_LIMIT):
                    await self._noticed()

    async def _unload(self, before: Look) -> None:
        self._now(Stage.UNLOAD)
        self._log = []
        tried: set[str] = set()
        while (name := await self._next_to_unload(before, tried)) is not None:
            tried.add(name)
            with contextlib.suppress(PlanError):  # somebody else has unloaded it meanwhile
                self._note(await self._unloaded(name, before))
        # The kernel lists the newest first: what is needed comes before its user, so that
        # each is given its own parameters.
        for name in (module.name for module in reversed(tuple(before.table))):
            if name not in await self._machine.loaded_names() and self._took(name):
                self._note(await self._loaded_again(name))

    async def _check_again(self, before: Look) -> None:
        self._now(Stage.CHECK_AGAIN)
        end = await self._settled()
        reasons = await self._reasons(before, end)
        self._report = replace(self._report, end=end, reasons=reasons)
        self._now(Stage.OVER)

    # How

    async def _perform(self, plan: Plan) -> Explanation:
        earlier = self._machine.done.last
        with self._around(" ".join(plan.command)):
            try:
                told = await perform(self._machine, plan, self._foreground, self._take_log)
            finally:
                self._keep_log()
        if (done := self._machine.done.last) is not None and done is not earlier:
            self._noted.append(done)
        return told

    def _take_log(self, record: LogRecord) -> None:
        # A module can log thousands of records in one go: they are told of together.
        self._log.append(clean(record.text))
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_TICK, self._tell_log)

    def _tell_log(self) -> None:
        self._keep_log()
        self._tell(self._report)

    def _keep_log(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._report.stage <= Stage.LOAD:
            self._report = replace(self._report, log=tuple(self._log))
        else:
            self._report = replace(self._report, unload_log=tuple(self._log))

    def _note(self, deed: Deed) -> None:
        self._report = replace(self._report, deeds=(*self._report.deeds, deed))
        self._tell(self._report)

    async def _next_to_unload(self, before: Look, tried: set[str]) -> str | None:
        """Return the target, then whatever else the plan brought and nothing uses; None at last."""
        table = await asyncio.to_thread(read_modules, self._machine.host)
        known = before.table.by_name
        ours = [m for m in table if m.name in self._report.planned and m.name not in known]
        ours = [m for m in ours if m.name not in tried]
        for module in ours:
            if module.name == self._report.name:
                return module.name
        return next((m.name for m in ours if not m.users and not m.permanent), None)

    async def _unloaded(self, name: str, before: Look) -> Deed:
        await self._unused(name)
        try:
            plan = await plan_for(self._machine, [Intent(Verb.UNLOAD, (name,))])
        except PlanError:
            raise
        except KmodtuiError as error:
            return _unplanned(Verb.UNLOAD, name, error)
        if plan.refused:
            return Deed(plan, Explanation(f"{name} stays", plan.refused, remedy=plan.remedy))
        for taken in (s.module for s in plan.steps if s.action is Action.RMMOD):
            if taken in before.table.by_name:
                # Once it is gone, nobody can say any more how it was.
                self._kept[taken] = await asyncio.to_thread(kept_now, self._machine, taken)
        return Deed(plan, await self._perform(plan))

    async def _loaded_again(self, name: str) -> Deed:
        try:
            again = Intent(Verb.LOAD, (name,), self._kept.get(name, ()))
            plan = await plan_for(self._machine, [again])
        except KmodtuiError as error:
            return _unplanned(Verb.LOAD, name, error)
        return Deed(plan, await self._perform(plan))

    async def _unused(self, name: str) -> None:
        """Wait until nothing but modules refers to a module, or it is clear that this lasts."""
        limit = time.monotonic() + UNUSED_LIMIT
        while time.monotonic() < limit:
            table = await asyncio.to_thread(read_modules, self._machine.host)
            module: LoadedModule | None = table.by_name.get(name)
            if module is None or module.users or module.permanent or not module.other_references:
                return
            await asyncio.sleep(_STEP)

    def _took(self, name: str) -> bool:
        """Whether one of the unloads has taken a module along."""
        steps = (s for deed in self._report.deeds if not deed.failed for s in deed.plan.steps)
        return any(step.module == name and step.action is Action.RMMOD for step in steps)

    async def _settled(self) -> Look:
        """Return what there is once devices have stopped to come and go."""
        limit = time.monotonic() + SETTLE_LIMIT
        host = self._machine.host
        things = await asyncio.to_thread(read_inventory, host)
        while True:
            reading = await asyncio.to_thread(read_both, host)
            earlier, things = things, await asyncio.to_thread(read_inventory, host)
            if earlier == things or time.monotonic() > limit:
                return Look(replace(reading, when=self._clock()), things)
            await asyncio.sleep(_STEP)

    async def _reasons(self, before: Look, end: Look) -> dict[str, str]:
        """Return why what came is there still: the kernel's word first, then modprobe's rules."""
        known = before.table.by_name
        went = [s.module for deed in self._report.deeds for s in deed.plan.steps]
        reasons: dict[str, str] = {}
        if await self._machine.index() is not None:
            try:
                gone = [name for name in went if name not in end.table.by_name]
                lookup = await asyncio.to_thread(self._machine.lookup)
                reasons |= left_behind(gone, frozenset(end.table.by_name), lookup, end.table)
            except KmodtuiError:
                pass  # a reason more or less; what stays is told all the same
        for deed in self._report.deeds:
            if deed.failed:
                reasons[deed.plan.target] = deed.told.cause.rstrip(".")
        return {name: why for name, why in reasons.items() if name not in known}
