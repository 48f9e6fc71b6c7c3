"""Whether the system really shows what a request did: it is read again."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.modules import ModuleState, canonical
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.own_change import names_left
from kmodtui.model.plan.plan import PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.services.machine import Machine
from kmodtui.services.own_files import read_own_files


def checked(machine: Machine, request: PlanCommand, result: Result) -> Result:
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
