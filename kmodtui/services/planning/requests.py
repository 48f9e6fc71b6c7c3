"""The requests to the helper that carry a plan out."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kmodtui.model.plan.own_change import OWN_CHANGES
from kmodtui.model.plan.plan import Plan, PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.session import LogSink

Answered = list[tuple[PlanCommand, Result]]
"""Requests with their results, in order."""

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


async def ask(
    channel: HelperClient,
    request: PlanCommand,
    on_log: LogSink,
    wait: float,
) -> Result:
    """Send a request and return its result; `wait` is for an unload, in seconds."""
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
