"""Carries plans out, and reports the outcome only after the kernel has been read again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never

from kmodtui.errors import HelperDiedError, KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.explain.block import explain_block
from kmodtui.model.explain.change import explain_blacklist, explain_parameter
from kmodtui.model.explain.explain import Explanation, Facts, Kind, explain, explain_error
from kmodtui.model.explain.keep import explain_keep
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import ModuleState, canonical, kernel_spelling
from kmodtui.model.ownership import ownership
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.own_change import KEEPING, OWN_CHANGES, names_left
from kmodtui.model.plan.plan import Plan, PlanCommand
from kmodtui.model.plan.undo import UndoEntry
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.text import counted
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.privileged.session import LogSink
from kmodtui.services.blocking import prove
from kmodtui.services.files import user_name
from kmodtui.services.keeping import prove_kept
from kmodtui.services.machine import Machine
from kmodtui.services.own_files import read_own_files
from kmodtui.services.planning.facts import read_facts
from kmodtui.services.planning.reports import reported
from kmodtui.services.planning.undo import Before, loaded_by_failure, read_before, record_change

log = logging.getLogger("kmodtui")

_Answered = list[tuple[PlanCommand, Result]]
"""Requests with their results, in order."""


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
) -> Explanation:
    log.info("%s: %s", plan.verb, plan.summary)
    try:
        channel = await machine.channel(foreground)
        # Not earlier: others may change the kernel while a password is typed.
        before = await asyncio.to_thread(read_before, machine, plan)
    except HelperDiedError as error:
        log.warning("the helper died", exc_info=error)
        return await asyncio.to_thread(_after_death, machine, plan, error)
    except KmodtuiError as error:
        log.info("%s: %s", error.title, error)
        return explain_error(plan.verb, plan.targets, error)
    execution = _Execution(machine, plan, before, undoes, on_log)
    try:
        for request in requests(plan, digest):
            if on_request is not None:
                on_request(request)
            execution.begin(request, _ask(channel, request, execution.pass_log_on, wait))
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
        return await asyncio.to_thread(_after_death, machine, plan, execution.died)
    outcome = await asyncio.to_thread(_explained, machine, plan, execution.answered)
    last, result = execution.answered[-1]
    if plan.verb in (Verb.LOAD, Verb.INSERT) and not result.ok and last.verb not in KEEPING:
        stays = await asyncio.to_thread(loaded_by_failure, machine, plan, before)
        outcome = _with_loaded(outcome, stays, "" if undoes else "; U unloads")
    parts = [part for _, result in execution.answered for part in result.file]
    return replace(outcome, file=ownership(parts, user_name))


_background: set[asyncio.Task[None]] = set()
"""Tasks that nobody awaits: the event loop itself does not keep a reference to a task."""


class _Execution:
    """The requests of a plan, and their results so far."""

    def __init__(
        self,
        machine: Machine,
        plan: Plan,
        before: Before,
        undoes: UndoEntry | None,
        on_log: LogSink,
    ) -> None:
        self.answered: _Answered = []
        self.died: HelperDiedError | None = None
        self._machine = machine
        self._plan = plan
        self._before = before
        self._undoes = undoes
        self._on_log: LogSink | None = on_log
        self._running: tuple[PlanCommand, asyncio.Task[Result]] | None = None

    def pass_log_on(self, record: LogRecord) -> None:
        """Pass a record of the kernel log on, unless the execution was left."""
        if self._on_log is not None:
            self._on_log(record)

    def begin(self, request: PlanCommand, asking: Coroutine[Any, Any, Result]) -> None:
        """Start a request."""
        self._running = (request, asyncio.create_task(asking))

    async def finish(self) -> bool:
        """Wait for the running request; return whether it did what was requested."""
        if self._running is None:
            return True
        request, asked = self._running
        # Cancelling the wait does not stop the kernel: the result is recorded nevertheless.
        result = await asyncio.shield(asked)
        if self.answered and result.code is ResultCode.ALREADY_LOADED:
            # An earlier request has loaded it, as intended.
            result = replace(result, ok=True, code=ResultCode.DONE)
        checked = await asyncio.to_thread(_checked, self._machine, request, result)
        if checked.ok and request.verb is Verb.INSERT:
            await asyncio.to_thread(
                self._machine.origins.note_inserted,
                request.modules[0],
                request.names[0],
                request.sha256,
            )
        self.answered.append((request, checked))
        self._running = None
        log.info("%s, exit %s, errno %s", checked.code, checked.exit, checked.errno)
        return checked.ok

    def continue_in_background(self, *, cancel: bool) -> None:
        """Let the running request end by itself; `cancel` it if it waits for a module."""
        self._on_log = None
        if self._running is not None:
            request = self._running[1]
            self._machine.abandoned.add(request)
            request.add_done_callback(self._machine.abandoned.discard)
            if cancel:
                request.cancel()
        task = asyncio.create_task(self._finish_in_background())
        _background.add(task)
        task.add_done_callback(_background.discard)

    async def _finish_in_background(self) -> None:
        # However it ends, what the kernel shows then is recorded.
        with suppress(KmodtuiError, asyncio.CancelledError):
            await self.finish()
        with suppress(KmodtuiError):
            await self.record()

    async def record(self) -> None:
        """Record what has changed, or that a change was undone."""
        if self._undoes is None:
            ended = self._running is None
            await asyncio.to_thread(
                record_change, self._machine, self._plan, self._before, self.answered, ended=ended
            )
        elif len(self.answered) == len(requests(self._plan)) and all(
            result.ok for _, result in self.answered
        ):
            self._machine.done.remove(self._undoes)


_JOINED = (OWN_CHANGES | {Verb.UNLOAD}) - {Verb.KEEP_OPTIONS}
"""Verbs whose requests can name several modules."""

MAX_NAMES = 256
"""Maximum number of modules in one request; the helper refuses more."""


def requests(plan: Plan, digest: str = "") -> tuple[PlanCommand, ...]:
    """Return the requests to the helper, in order; `digest` replaces that of an insert.

    What one request can do is one request: the helper unloads in order and stops at the first
    module that stays, and before a reload it checks whether the module can be loaded again.
    """
    if plan.verb is Verb.RELOAD and [c.verb for c in plan.commands] == [Verb.UNLOAD, Verb.LOAD]:
        away, back = plan.commands
        if away.indexed and away.names == back.names and len(away.names) == 1:
            return (PlanCommand(Verb.RELOAD, away.names, back.parameters),)
    joined: list[PlanCommand] = []
    for command in plan.commands:
        together = command.verb in _JOINED and command.indexed
        if digest and plan.verb is command.verb is Verb.INSERT:
            command = replace(command, sha256=digest)
        room = MAX_NAMES - len(command.names)
        if (
            joined
            and together
            and joined[-1].verb is command.verb
            and joined[-1].indexed
            and len(joined[-1].names) <= room
        ):
            joined[-1] = replace(joined[-1], names=(*joined[-1].names, *command.names))
        else:
            joined.append(command)
    return tuple(joined)


async def _ask(
    channel: HelperClient,
    request: PlanCommand,
    on_log: LogSink,
    wait: float,
) -> Result:
    names, parameters = request.names, request.parameters
    match request.verb:
        case Verb.LOAD:
            return await channel.load(names[0], parameters, on_log)
        case Verb.UNLOAD if not request.indexed:
            return await channel.delete(names[0], on_log, wait=wait)
        case Verb.UNLOAD:
            return await channel.unload(names, on_log, wait=wait)
        case Verb.RELOAD:
            return await channel.reload(names[0], parameters, on_log)
        case Verb.INSERT:
            (name,), path = request.modules, names[0]
            return await channel.insert(name, path, request.sha256, parameters, on_log)
        case Verb.SET:
            key, _, value = parameters[0].partition("=")
            return await channel.write_parameter(names[0], key, value)
        case Verb.BLACKLIST:
            return await channel.blacklist(names)
        case Verb.UNBLACKLIST:
            return await channel.unblacklist(names)
        case Verb.BLOCK:
            return await channel.block(names)
        case Verb.LOG_LOADS:
            return await channel.log_loads(names)
        case Verb.UNBLOCK:
            return await channel.unblock(names)
        case Verb.KEEP:
            return await channel.keep(names)
        case Verb.FORGET:
            return await channel.forget(names)
        case Verb.KEEP_OPTIONS:
            return await channel.keep_options(names[0], parameters)
        case Verb.FORGET_OPTIONS:
            return await channel.forget_options(names)
        case _:
            assert_never(request.verb)


# --- what the kernel shows ----------------------------------------------------------------


def _checked(machine: Machine, request: PlanCommand, result: Result) -> Result:
    """Return the result, as a failure if the system does not show what was requested."""
    if not result.ok:
        return result
    match request.verb:
        case Verb.SET:
            return _reread(machine, request, result)
        case Verb.BLACKLIST | Verb.UNBLACKLIST | Verb.BLOCK | Verb.LOG_LOADS | Verb.UNBLOCK:
            happened = _has_own_state(machine, request)
        case Verb.KEEP | Verb.FORGET | Verb.KEEP_OPTIONS | Verb.FORGET_OPTIONS:
            happened = _has_own_state(machine, request)
        case Verb.UNLOAD:
            table = read_modules(machine.host).by_name
            exact = (canonical(name) if request.indexed else name for name in request.names)
            happened = not any(name in table for name in exact)
        case Verb.LOAD | Verb.INSERT | Verb.RELOAD:
            table = read_modules(machine.host).by_name
            module = table.get(canonical(result.subject or request.modules[0]))
            happened = module is not None and module.state is ModuleState.LIVE
        case _:
            assert_never(request.verb)
    return result if happened else replace(result, ok=False, code=ResultCode.NOT_DONE)


def _has_own_state(machine: Machine, request: PlanCommand) -> bool:
    """Return whether kmodtui's own file now says what was requested."""
    own = read_own_files(machine.host, machine.config())
    return not names_left(Intent(request.verb, request.names, request.parameters), own)


def _reread(machine: Machine, request: PlanCommand, result: Result) -> Result:
    """Return the result with the value that /sys shows now, whatever the helper says."""
    key = request.parameters[0].partition("=")[0]
    shown = {p.name: p.value for p in read_parameters(machine.host, request.names[0])}
    value = shown.get(key)
    return replace(result, after={**result.after, key: value}) if value is not None else result


def _after_death(machine: Machine, plan: Plan, error: HelperDiedError) -> Explanation:
    """Return the error with what the kernel shows now: the request may have taken effect."""
    explanation = explain_error(plan.verb, plan.targets, error)
    table = read_modules(machine.host).by_name
    now = "".join(
        f" {name} is {'loaded' if name in table else 'not loaded'} now." for name in plan.targets
    )
    if plan.verb is Verb.SET:
        shown = {p.name: p.value for p in read_parameters(machine.host, plan.target)}
        keys = [word.partition("=")[0] for word in plan.parameters]
        now = "".join(f" {key} is {shown[key]} now." for key in keys if shown.get(key) is not None)
    elif plan.verb in OWN_CHANGES:
        now = ""
    return replace(explanation, cause=f"{explanation.cause}{now}", unknown=True)


# --- explanations -----------------------------------------------------------------------------


def _explained(machine: Machine, plan: Plan, answered: _Answered) -> Explanation:
    request, result = answered[-1]
    name = kernel_spelling(result.subject or plan.target)
    facts = read_facts(machine, plan, name, [result for _, result in answered])
    if plan.verb is Verb.SET:
        return _merged(
            [explain_parameter(c.names[0], c.parameters[0], r, facts) for c, r in answered]
        )
    if plan.verb in (Verb.BLACKLIST, Verb.UNBLACKLIST):
        back = plan.verb is Verb.UNBLACKLIST
        return explain_blacklist(request.names, result, facts, back=back)
    if plan.verb in (Verb.BLOCK, Verb.LOG_LOADS, Verb.UNBLOCK):
        return _explained_block(machine, plan, answered, facts)
    if plan.verb in KEEPING:
        return _explained_keep(machine, answered, facts)
    if kept := [each for each in answered if each[0].verb in KEEPING]:
        return _with_kept(machine, plan, answered[: -len(kept)], kept, facts)
    verb = plan.verb
    if result.ok:
        whole = replace(
            result,
            log=tuple(record for _, each in answered for record in each.log),
            output="".join(each.output for _, each in answered),
            took=sum(each.took for _, each in answered),
        )
        return explain(verb, plan.targets, whole, facts)
    names = request.modules
    if plan.verb is Verb.INSERT and request.verb is Verb.LOAD:
        verb = Verb.LOAD  # of a module that the file depends on
    outcome = explain(verb, names, result, facts)
    done = [name for command, each in answered if each.ok for name in command.modules]
    if done and plan.verb is Verb.UNLOAD:
        before = f"Before that, {_with_was(done)} unloaded."
        outcome = replace(outcome, cause=f"{outcome.cause} {before}")
    return outcome


def _explained_block(
    machine: Machine, plan: Plan, answered: _Answered, facts: Facts
) -> Explanation:
    """Return the outcome of a block, which is proven by the rules and by a dry run of modprobe."""
    rules = [(command, result) for command, result in answered if command.verb is not Verb.UNLOAD]
    names = [name for command, _ in rules for name in command.names]
    proofs = prove(machine, names) if plan.verb is not Verb.UNBLOCK else ()
    outcome = explain_block(plan.verb, names, rules[-1][1], proofs, facts)
    if not rules[-1][1].ok and (done := sum(len(c.names) for c, result in rules if result.ok)):
        before = f"Before that, {counted(done, 'module')} were {plan.verb.past}."
        outcome = replace(outcome, cause=f"{outcome.cause} {before}")
    command, result = answered[-1]
    if command.verb is not Verb.UNLOAD:
        return outcome
    unloaded = explain(Verb.UNLOAD, command.names, result, facts)
    return replace(
        outcome,
        title=f"{outcome.title}. {unloaded.title}",
        cause=f"{outcome.cause} {unloaded.cause}",
        evidence=unloaded.evidence,
        kind=outcome.kind if result.ok else Kind.WARNING,
    )


def _explained_keep(machine: Machine, answered: _Answered, facts: Facts) -> Explanation:
    """Return the outcome of a change of what is kept, which is read again."""
    requests = [command for command, _ in answered]
    proofs = prove_kept(machine, [name for command in requests for name in command.names])
    return explain_keep(requests, answered[-1][1], proofs, facts)


def _with_kept(
    machine: Machine, plan: Plan, loaded: _Answered, kept: _Answered, facts: Facts
) -> Explanation:
    """Return the outcome of a load that was kept for the next boot as well."""
    load = _explained(machine, plan, loaded)
    keep = _explained_keep(machine, kept, facts)
    return replace(
        load,
        title=f"{load.title}. {keep.title}",
        cause=f"{load.cause} {keep.cause}",
        remedy=f"{load.remedy} {keep.remedy if keep.kind is not Kind.DONE else ''}".strip(),
        shown=(*load.shown, *keep.shown),
        kind=keep.kind if keep.kind is Kind.DONE else Kind.WARNING,
    )


def _with_was(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"


def _with_loaded(outcome: Explanation, names: Sequence[str], undo: str) -> Explanation:
    """Return a failed load with the modules that it has loaded nevertheless.

    Args:
        outcome: the failure.
        names: the modules.
        undo: how to unload them, before `it` or `them`; empty where that is not possible.
    """
    if not names:
        return outcome
    one = len(names) == 1
    back = f"{undo} {'it' if one else 'them'}" if undo else ""
    loaded = f"{_with_was(names)} loaded before that and {'stays' if one else 'stay'} loaded{back}."
    return replace(outcome, cause=f"{outcome.cause} {loaded}")


def _merged(outcomes: Sequence[Explanation]) -> Explanation:
    """Return several explanations as one, with the title of the first that is not a success."""
    if len(outcomes) == 1:
        return outcomes[0]
    wrong = next((one for one in outcomes if one.kind is not Kind.DONE), None)
    shown = tuple(line for one in outcomes for line in one.shown)
    if wrong is None:
        title = f"Set {counted(len(outcomes), 'parameter')}"
        return replace(outcomes[0], title=title, cause="Confirmed in /sys.", shown=shown)
    done = sum(one.kind is Kind.DONE for one in outcomes)
    was = "was" if done == 1 else "were"
    more = f" {counted(done, 'other parameter')} {was} set." if done else ""
    return replace(wrong, cause=f"{wrong.cause}{more}", shown=shown)
