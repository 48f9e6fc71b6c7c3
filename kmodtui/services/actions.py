"""Doing what a plan says, and finding out what came of it: the kernel is read again first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never

from kmodtui.errors import HelperDiedError, KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.explain import Explanation, Kind, explain, explain_error
from kmodtui.model.explain_change import explain_blacklist, explain_parameter
from kmodtui.model.log_record import LogRecord
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.modules import ModuleState, canonical
from kmodtui.model.ownership import ownership
from kmodtui.model.plan import BLACKLIST_FILE, Command, Plan
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.text import counted
from kmodtui.model.undo import Done
from kmodtui.model.verb import Verb
from kmodtui.privileged.client import HelperClient, LogSink
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.facts import read_facts
from kmodtui.services.files import user_name
from kmodtui.services.machine import Machine
from kmodtui.services.undoing import Before, brought_all_the_same, read_before, remember

log = logging.getLogger("kmodtui")

Answered = list[tuple[Command, Result]]


async def perform(
    machine: Machine,
    plan: Plan,
    foreground: Foreground,
    on_log: LogSink,
    *,
    digest: str = "",
    undoes: Done | None = None,
    wait: float = 0.0,
) -> Explanation:
    """Carry a plan out and return what came of it, as the kernel shows it afterwards.

    A refusal is an explanation like any other, whoever it comes from: the
    kernel, sudo, or a helper that died. What has really changed is noted down in
    `machine.done`, to be taken back.

    Args:
        machine: whose kernel is changed.
        plan: what is to be done.
        foreground: gives the terminal to whoever asks for a password.
        on_log: takes the kernel's log as it comes.
        digest: SHA-256 of the file that was confirmed, where one is to be inserted.
        undoes: the change that the plan takes back, if it does; it is forgotten then.
        wait: seconds that references to a module may take to go before it is unloaded.
    """
    if not plan.commands:
        return Explanation(
            "Nothing was done", plan.refused or plan.nothing_to_do or "There is nothing to do."
        )
    log.info("%s: %s", plan.verb, "; ".join(plan.command_lines))
    try:
        channel = await machine.channel(foreground)
        # Not sooner: while a password is typed, others may change the kernel as well.
        before = await asyncio.to_thread(read_before, machine, plan)
    except HelperDiedError as error:
        log.warning("the helper died", exc_info=error)
        return await asyncio.to_thread(_after_death, machine, plan, error)
    except KmodtuiError as error:
        log.info("%s: %s", error.title, error)
        return explain_error(plan.verb, plan.targets, error)
    course = _Course(machine, plan, before, undoes, on_log)
    try:
        for request in requests(plan):
            course.begin(request, _ask(channel, plan, request, course.take_log, digest, wait))
            if not await course.end():
                break
    except HelperDiedError as error:
        log.warning("the helper died", exc_info=error)
        course.died = error
    except KmodtuiError as error:
        log.info("%s: %s", error.title, error)
        if not course.answered:
            return explain_error(plan.verb, plan.targets, error)
        course.died = HelperDiedError(error.message, error.hint)
    except asyncio.CancelledError:
        course.leave(stops=wait > 0)
        raise
    await asyncio.shield(course.note())
    if course.died is not None:
        return await asyncio.to_thread(_after_death, machine, plan, course.died)
    told = await asyncio.to_thread(_told, machine, plan, course.answered)
    if plan.verb in (Verb.LOAD, Verb.INSERT) and not course.answered[-1][1].ok:
        stays = await asyncio.to_thread(brought_all_the_same, machine, plan, before)
        told = _with_what_stays(told, stays, "" if undoes else "; U takes that back")
    parts = [part for _, result in course.answered for part in result.file]
    return replace(told, file=ownership(parts, user_name))


_left: set[asyncio.Task[None]] = set()
"""What goes on though nobody waits for it: the event loop itself keeps no hold of a task."""


class _Course:
    """What has become of a plan's requests so far."""

    def __init__(
        self, machine: Machine, plan: Plan, before: Before, undoes: Done | None, on_log: LogSink
    ) -> None:
        self.answered: Answered = []
        self.died: HelperDiedError | None = None
        self._machine = machine
        self._plan = plan
        self._before = before
        self._undoes = undoes
        self._on_log: LogSink | None = on_log
        self._under_way: tuple[Command, asyncio.Task[Result]] | None = None

    def take_log(self, record: LogRecord) -> None:
        """Hand a line of the kernel's log on for as long as somebody waits."""
        if self._on_log is not None:
            self._on_log(record)

    def begin(self, request: Command, asking: Coroutine[Any, Any, Result]) -> None:
        """Let a request be under way."""
        self._under_way = (request, asyncio.create_task(asking))

    async def end(self) -> bool:
        """Wait for the request that is under way; return whether it did what it should."""
        if self._under_way is None:
            return True
        request, asked = self._under_way
        # Who stops waiting does not stop the kernel, whose answer is noted down then.
        result = await asyncio.shield(asked)
        if self.answered and result.code is ResultCode.ALREADY_LOADED:
            # It came along with one before, which is what was wanted of it.
            result = replace(result, ok=True, code=ResultCode.DONE)
        judged = await asyncio.to_thread(_judged, self._machine, request, result)
        self.answered.append((request, judged))
        self._under_way = None
        log.info("%s, exit %s, errno %s", judged.code, judged.exit, judged.errno)
        return judged.ok

    def leave(self, *, stops: bool) -> None:
        """Go on with nobody waiting; what still waits for references to go `stops`."""
        self._on_log = None
        if self._under_way is not None:
            request = self._under_way[1]
            self._machine.abandoned.add(request)
            request.add_done_callback(self._machine.abandoned.discard)
            if stops:
                request.cancel()
        task = asyncio.create_task(self._end_alone())
        _left.add(task)
        task.add_done_callback(_left.discard)

    async def _end_alone(self) -> None:
        # However it ends: what the kernel shows then is noted down.
        with suppress(KmodtuiError, asyncio.CancelledError):
            await self.end()
        with suppress(KmodtuiError):
            await self.note()

    async def note(self) -> None:
        """Note down what has changed, or that a change was taken back."""
        if self._undoes is None:
            ended = self._under_way is None
            await asyncio.to_thread(
                remember, self._machine, self._plan, self._before, self.answered, ended=ended
            )
        elif len(self.answered) == len(requests(self._plan)) and all(
            result.ok for _, result in self.answered
        ):
            self._machine.done.taken_back(self._undoes)


def requests(plan: Plan) -> tuple[Command, ...]:
    """Return what the helper is asked for, one after the other.

    What it can do in one go it is asked for in one go: it unloads in order and stops at the
    first that stays, and before a reload it looks whether the module could be loaded again.
    """
    if plan.verb is Verb.RELOAD and [c.verb for c in plan.commands] == [Verb.UNLOAD, Verb.LOAD]:
        away, back = plan.commands
        if away.names == back.names and len(away.names) == 1:
            return (Command(Verb.RELOAD, away.names, back.parameters),)
    joined: list[Command] = []
    for command in plan.commands:
        together = command.verb in (Verb.UNLOAD, Verb.BLACKLIST, Verb.UNBLACKLIST)
        if joined and together and joined[-1].verb is command.verb:
            joined[-1] = replace(joined[-1], names=(*joined[-1].names, *command.names))
        else:
            joined.append(command)
    return tuple(joined)


async def _ask(
    channel: HelperClient,
    plan: Plan,
    request: Command,
    on_log: LogSink,
    digest: str,
    wait: float,
) -> Result:
    names, parameters = request.names, request.parameters
    match request.verb:
        case Verb.LOAD:
            return await channel.load(names[0], parameters, on_log)
        case Verb.UNLOAD:
            return await channel.unload(names, on_log, wait=wait)
        case Verb.RELOAD:
            return await channel.reload(names[0], parameters, on_log)
        case Verb.INSERT:
            return await channel.insert(plan.target, names[0], digest, parameters, on_log)
        case Verb.SET:
            key, _, value = parameters[0].partition("=")
            return await channel.write_parameter(names[0], key, value)
        case Verb.BLACKLIST:
            return await channel.blacklist(names)
        case Verb.UNBLACKLIST:
            return await channel.unblacklist(names)
        case _:
            assert_never(request.verb)


# --- what the kernel shows ----------------------------------------------------------------


def _judged(machine: Machine, request: Command, result: Result) -> Result:
    """Return the result, not called a success where the system shows none."""
    if not result.ok:
        return result
    match request.verb:
        case Verb.SET:
            return _reread(machine, request, result)
        case Verb.BLACKLIST | Verb.UNBLACKLIST:
            rules = machine.config().of(RuleKind.BLACKLIST)
            named = {rule.name for rule in rules if rule.file == BLACKLIST_FILE}
            wanted = request.verb is Verb.BLACKLIST
            happened = all((canonical(name) in named) is wanted for name in request.names)
        case Verb.UNLOAD:
            table = read_modules(machine.host).by_name
            happened = not any(canonical(name) in table for name in request.names)
        case Verb.LOAD | Verb.INSERT | Verb.RELOAD:
            table = read_modules(machine.host).by_name
            module = table.get(canonical(result.subject or request.names[0]))
            happened = module is not None and module.state is ModuleState.LIVE
        case _:
            assert_never(request.verb)
    return result if happened else replace(result, ok=False, code=ResultCode.NOT_DONE)


def _reread(machine: Machine, request: Command, result: Result) -> Result:
    """Return the result with the value that is shown now, whatever the helper says."""
    key = request.parameters[0].partition("=")[0]
    shown = {p.name: p.value for p in read_parameters(machine.host, request.names[0])}
    value = shown.get(key)
    return replace(result, after={**result.after, key: value}) if value is not None else result


def _after_death(machine: Machine, plan: Plan, error: HelperDiedError) -> Explanation:
    """Say what the kernel shows now: the helper is gone, what it began may have happened."""
    told = explain_error(plan.verb, plan.targets, error)
    table = read_modules(machine.host).by_name
    now = "".join(
        f" {name} is {'loaded' if name in table else 'not loaded'} now." for name in plan.targets
    )
    if plan.verb is Verb.SET:
        shown = {p.name: p.value for p in read_parameters(machine.host, plan.target)}
        keys = [word.partition("=")[0] for word in plan.parameters]
        now = "".join(f" {key} is {shown[key]} now." for key in keys if shown.get(key) is not None)
    elif plan.verb in (Verb.BLACKLIST, Verb.UNBLACKLIST):
        now = ""
    return replace(told, cause=f"{told.cause}{now}")


# --- in words -----------------------------------------------------------------------------


def _told(machine: Machine, plan: Plan, answered: Answered) -> Explanation:
    request, result = answered[-1]
    name = canonical(result.subject or plan.target)
    facts = read_facts(machine, plan, name, [result for _, result in answered])
    if plan.verb is Verb.SET:
        return _together(
            [explain_parameter(c.names[0], c.parameters[0], r, facts) for c, r in answered]
        )
    if plan.verb in (Verb.BLACKLIST, Verb.UNBLACKLIST):
        back = plan.verb is Verb.UNBLACKLIST
        return explain_blacklist(request.names, result, facts, back=back)
    verb = plan.verb
    if result.ok:
        whole = replace(
            result,
            log=tuple(record for _, each in answered for record in each.log),
            output="".join(each.output for _, each in answered),
            took=sum(each.took for _, each in answered),
        )
        return explain(verb, plan.targets, whole, facts)
    names = (plan.target,) if request.verb is Verb.INSERT else request.names
    if plan.verb is Verb.INSERT and request.verb is Verb.LOAD:
        verb = Verb.LOAD  # of a module that the file depends on
    told = explain(verb, names, result, facts)
    done = [name for command, each in answered if each.ok for name in command.names]
    if done and plan.verb is Verb.UNLOAD:
        told = replace(told, cause=f"{told.cause} Before that, {', '.join(done)} was unloaded.")
    return told


def _with_what_stays(told: Explanation, names: Sequence[str], back: str) -> Explanation:
    """Say what a load that failed has brought all the same."""
    if not names:
        return told
    stays = "stays" if len(names) == 1 else "stay"
    words = f"{', '.join(names)} came before that and {stays}{back}."
    return replace(told, cause=f"{told.cause} {words}")


def _together(told: Sequence[Explanation]) -> Explanation:
    """Return several explanations as one: the first that is no plain success gives the title."""
    if len(told) == 1:
        return told[0]
    wrong = next((one for one in told if one.kind is not Kind.DONE), None)
    shown = tuple(line for one in told for line in one.shown)
    if wrong is None:
        title = f"Set {counted(len(told), 'parameter')}"
        return replace(told[0], title=title, cause="The kernel shows them.", shown=shown)
    done = sum(one.kind is Kind.DONE for one in told)
    more = f" {counted(done, 'other parameter')} was set." if done else ""
    return replace(wrong, cause=f"{wrong.cause}{more}", shown=shown)
