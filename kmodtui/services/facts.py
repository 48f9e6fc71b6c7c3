"""What an explanation may need to know of the system, read after the request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_process, read_system
from kmodtui.model.explain import Facts
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.modules import LoadedModule
from kmodtui.model.plan import Plan
from kmodtui.model.result import Result
from kmodtui.model.usage import NO_USAGE, Usage
from kmodtui.model.verb import Verb
from kmodtui.services.machine import Machine
from kmodtui.services.plans import usage_of

_SYMBOL = re.compile(r"Unknown symbol (\S+) \(err -?\d+\)")


def read_facts(machine: Machine, plan: Plan, name: str, results: Sequence[Result]) -> Facts:
    """Return the facts about a module at which a plan ended. Reads files."""
    system = read_system(machine.host)
    index = machine.index_now()
    loaded = read_modules(machine.host).by_name
    try:
        info = machine.module_info(name)
    except KmodtuiError:
        info = None
    usage = NO_USAGE
    if results and not results[-1].ok and plan.verb in (Verb.UNLOAD, Verb.RELOAD):
        usage = _usage(machine, loaded.get(name))
    return Facts(
        release=machine.release,
        loaded=loaded,
        available=index.names if index else (),
        index_found=index is not None,
        parameters={p.name: p.type for p in info.parameters} if info else {},
        wanted_devices=info.aliases if info else (),
        providers=_providers(machine, results),
        install_rules=_install_rules(machine, name),
        modules_disabled=system.modules_disabled == 1,
        lockdown=system.lockdown or "",
        command_line=system.cmdline or "",
        in_user_namespace=read_process().initial_user_namespace is False,
        usage=usage,
        blacklisted_by=_blacklists(machine),
    )


def _usage(machine: Machine, module: LoadedModule | None) -> Usage:
    if module is None or not module.other_references:
        return NO_USAGE
    return usage_of(machine.host, machine.index_now(), [module.name])


def _providers(machine: Machine, results: Iterable[Result]) -> Mapping[str, str]:
    """Return which module gives each symbol that the kernel has missed."""
    index = machine.index_now()
    if index is None:
        return {}
    missed = {
        symbol
        for result in results
        for record in result.log
        for symbol in _SYMBOL.findall(record.text)
    }
    found = {symbol: index.resolve(f"symbol:{symbol}") for symbol in missed}
    return {symbol: names[0] for symbol, names in found.items() if names}


def _install_rules(machine: Machine, name: str) -> Mapping[str, str]:
    rule = machine.config().install(name)
    return {name: str(rule)} if rule else {}


def _blacklists(machine: Machine) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule in machine.config().of(RuleKind.BLACKLIST):
        found.setdefault(rule.name, []).append(rule.source)
    return found
