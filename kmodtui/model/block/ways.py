"""Which ways into the kernel the rules of modprobe.d leave open for a module.

Evaluates the rules as kmod does (`kmod_module_probe_insert_module` in libkmod-module.c).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kmodtui.model.block.lines import only_logs
from kmodtui.model.block.way import Barrier, Way, WayKind
from kmodtui.model.modprobe_rules import CommandEffect, Rule, rule_effect
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.probe_list import probe_list


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What is known of a module that is to be blocked.

    Attributes:
        lookup: the index of modules under the rules as they will be, or are.
        aliases: by which it can be loaded; for a pattern, a text that matches it.
        dependents: the modules that depend on it.
        softdep_of: the modules that have it as a softdep.
        loaded: whether it is loaded.
        images: paths of initramfs images, which have a copy of the rules.
    """

    lookup: ModuleLookup
    aliases: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    softdep_of: tuple[str, ...] = ()
    loaded: bool = False
    images: tuple[str, ...] = ()


class Evaluation(NamedTuple):
    """What `modprobe TEXT` would do about one module."""

    barrier: Barrier
    reason: str
    source: str = ""


def evaluate(text: str, name: str, lookup: ModuleLookup) -> Evaluation | None:
    """Return what `modprobe TEXT` would do about module `name`; None if it is not concerned."""
    for target in lookup.find(text):
        rule = lookup.blacklisted(target.name)
        if target.alias and rule:
            if target.name == name:
                return Evaluation(Barrier.STOPPED, "blacklist: no alias loads it", rule.source)
            continue
        probes = probe_list(target, lookup)
        for place, probe in enumerate(probes):
            command = probe.install(lookup)
            if probe.name == name:
                if command is None:
                    return Evaluation(Barrier.OPEN, _why_open(name, lookup))
                return _by_command(command)
            if command and probe.required and rule_effect(command) is CommandEffect.FAILS:
                if any(later.name == name for later in probes[place:]):
                    reason = f"{probe.name}, which is loaded before it, is blocked"
                    return Evaluation(Barrier.STOPPED, reason, command.source)
                break
    return None


def _by_command(rule: Rule) -> Evaluation:
    command, source = rule.value, rule.source
    if only_logs(command):
        return Evaluation(Barrier.LOGGED, "its install rule logs, then loads it", source)
    match rule_effect(rule):
        case CommandEffect.FAILS if rule.unrunnable:
            return Evaluation(Barrier.STOPPED, f"its install rule fails: {rule.unrunnable}", source)
        case CommandEffect.FAILS:
            return Evaluation(Barrier.STOPPED, "its install rule fails", source)
        case CommandEffect.NOTHING:
            return Evaluation(Barrier.STOPPED, "its install rule does nothing", source)
        case CommandEffect.UNKNOWN:
            return Evaluation(Barrier.UNKNOWN, f"an install rule runs {command.strip()}", source)


def _why_open(name: str, lookup: ModuleLookup) -> str:
    rule = lookup.install(name)
    if rule is None:
        return "no install rule"
    softdep = lookup.softdep(name)
    where = f" ({softdep.source})" if softdep.source else ""
    return f"kmod up to 34 ignores its install rule ({rule.source}), because it has softdeps{where}"


def ways_in(name: str, facts: BlockFacts) -> tuple[Way, ...]:
    """Return every way by which a module can be loaded under the rules, and what stops it."""
    lookup = facts.lookup
    named = evaluate(name, name, lookup) or not_by_name(name, lookup)
    ways = [Way(name, WayKind.NAME, named.barrier, named.reason, (name,), named.source)]
    ways += _grouped(name, WayKind.ALIAS, facts.aliases, lookup)
    ways += _grouped(name, WayKind.DEPENDENCY, facts.dependents, lookup)
    ways += _grouped(name, WayKind.SOFTDEP, facts.softdep_of, lookup)
    ways.append(Way(name, WayKind.IGNORE_INSTALL, Barrier.OPEN, "root only"))
    ways.append(Way(name, WayKind.INSMOD, Barrier.OPEN, "root only; insmod reads no rules"))
    if facts.images:
        ways.append(
            Way(
                name,
                WayKind.INITRAMFS,
                Barrier.UNKNOWN,
                "an image that has the module keeps its old copy of the rules until it is rebuilt",
                facts.images,
            )
        )
    if facts.loaded:
        ways.append(Way(name, WayKind.LOADED, Barrier.OPEN, "it stays loaded until it is unloaded"))
    return tuple(ways)


def not_by_name(name: str, lookup: ModuleLookup) -> Evaluation:
    """Return why a name does not load the module that has it."""
    for target in lookup.find(name):
        if target.source and target.name != name:
            reason = f"an alias rule makes {name} a name of {target.name}"
            return Evaluation(Barrier.STOPPED, reason, target.source)
    return Evaluation(Barrier.STOPPED, "it is not found by name")


def _grouped(name: str, kind: WayKind, texts: Sequence[str], lookup: ModuleLookup) -> Iterable[Way]:
    """Return a way for each different result."""
    found: dict[Evaluation, list[str]] = {}
    for text in texts:
        if result := evaluate(text, name, lookup):
            if kind is WayKind.DEPENDENCY and result.barrier is Barrier.STOPPED:
                result = result._replace(reason="they fail to load as well")
            elif kind is WayKind.SOFTDEP and result.barrier is Barrier.STOPPED:
                result = result._replace(reason="they load without it")
            found.setdefault(result, []).append(text)
    for result, subjects in found.items():
        yield Way(name, kind, result.barrier, result.reason, tuple(subjects), result.source)


def still_open(ways: Iterable[Way]) -> tuple[Way, ...]:
    """Return the ways through modprobe that the rules do not stop."""
    return tuple(
        way for way in ways if way.by_modprobe and way.barrier in (Barrier.OPEN, Barrier.UNKNOWN)
    )
