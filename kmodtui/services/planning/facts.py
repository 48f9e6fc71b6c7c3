"""Reads the facts that an explanation may need, after the request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.certificates import find_certificate
from kmodtui.kernel.modprobe.config import ModprobeConfig
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_process, read_system
from kmodtui.model.explain.explain import Facts
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import LoadedModule
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.model.text import clean
from kmodtui.model.usage import NO_USAGE, Usage
from kmodtui.services.machine import Machine
from kmodtui.services.usage import usage_of

_COMPILER = re.compile(r"Linux version \S+ \([^()]*\) \(((?:[^(),]|\([^()]*\))+)")
_SYMBOL = re.compile(r"Unknown symbol (\S+) \(err -?\d+\)")


def read_facts(machine: Machine, plan: Plan, name: str, results: Sequence[Result]) -> Facts:
    """Return the facts about the module at which a plan stopped. Reads files."""
    system = read_system(machine.host)
    index = machine.index_now()
    problem = machine.index_problem
    config = machine.config()
    loaded = read_modules(machine.host).by_name
    info = _info(machine, plan, name)
    usage = NO_USAGE
    if results and not results[-1].ok and plan.verb in (Verb.UNLOAD, Verb.RELOAD):
        usage = _usage(machine, loaded.get(name))
    return Facts(
        release=machine.release,
        loaded=loaded,
        available=index.names if index else (),
        no_index=(problem.message, problem.hint) if problem else ("", ""),
        parameters={p.name: p.type for p in info.parameters} if info else {},
        wanted_devices=info.aliases if info else (),
        providers=_providers(machine, results),
        install_rules={name: str(rule)} if (rule := config.install(name)) else {},
        modules_disabled=system.modules_disabled == 1,
        lockdown=system.lockdown or "",
        command_line=system.cmdline or "",
        in_user_namespace=read_process().initial_user_namespace is False,
        usage=usage,
        blacklisted_by=_blacklists(config),
        given=_given(plan, name),
        compiler=_compiler(system.version or ""),
        signer=info.signature.signer_name if info and info.signature else "",
        key_file=find_certificate(machine.host, info.signature.key_id)
        if info and info.signature
        else "",
    )


def _info(machine: Machine, plan: Plan, name: str) -> ModuleInfo | None:
    """Return the information in the file that a plan inserts, or else in the module's own."""
    files = (command.names[0] for command in plan.inserts if name in command.modules)
    path = next(files, "")
    try:
        return read_module_file(machine.host, path) if path else machine.module_info(name)
    except KmodtuiError:
        return None


def _given(plan: Plan, name: str) -> tuple[str, ...]:
    """Return the parameters that a module was loaded with, each with its source."""
    return tuple(
        f"{clean(option.text)} ({clean(option.source)})"
        for step in plan.steps
        if step.module == name and step.action is Action.INSMOD
        for option in step.options
    )


def _compiler(version: str) -> str:
    """Return the compiler in /proc/version: `Linux version R (user@host) (COMPILER, LINKER) …`."""
    match = _COMPILER.match(version)
    return clean(match[1]) if match else ""


def _usage(machine: Machine, module: LoadedModule | None) -> Usage:
    if module is None or not module.other_references:
        return NO_USAGE
    return usage_of(machine.host, machine.index_now(), [module.name])


def _providers(machine: Machine, results: Iterable[Result]) -> Mapping[str, str]:
    """Return the module that exports each symbol that the kernel did not find."""
    index = machine.index_now()
    if index is None:
        return {}
    missing = {
        symbol
        for result in results
        for record in result.log
        for symbol in _SYMBOL.findall(record.text)
    }
    found = {symbol: index.resolve(f"symbol:{symbol}") for symbol in missing}
    return {symbol: names[0] for symbol, names in found.items() if names}


def _blacklists(config: ModprobeConfig) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule in config.of(RuleKind.BLACKLIST):
        found.setdefault(rule.name, []).append(rule.source)
    return found
