"""The state of a module under one kernel: whether it is there, and whether it can be loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.block.way import Barrier, Way, WayKind
from kmodtui.model.modprobe_rules import CommandEffect, Rule, RuleKind, rule_effect
from kmodtui.model.modules import canonical
from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE


class State(StrEnum):
    """What a module is under one kernel."""

    ABSENT = "absent"
    BUILT_IN = "built in"
    AVAILABLE = "available"
    LOADED = "loaded"
    DENYLISTED = "denylisted"  # `blacklist`: no alias loads it, its name still does
    BLOCKED = "blocked"  # modprobe loads it neither by its name nor by an alias


_LOADABLE = (State.AVAILABLE, State.DENYLISTED, State.BLOCKED)
"""The states of a module that has a file, by the rules that there are."""

_ANY = (State.ABSENT, State.BUILT_IN, *_LOADABLE)
"""The states of a module about which only this is certain: it is not loaded."""


@dataclass(frozen=True, slots=True)
class StateFacts:
    """What decides the state of a module under one kernel.

    Attributes:
        name: the module.
        path: its file; empty if it has none.
        indexed: whether modules.dep lists that file.
        index: the file or directory that shows which modules there are.
        builtin: where it is listed as built in; empty if it is not.
        builtins_known: whether there is a list of what is built in.
        skipped: whether the kernel command line skips all init functions of the built-in module.
        loaded: whether it is loaded; None if that is unknown. False for a kernel that does not run.
        ways: by which it can be loaded under the rules.
        blacklist: the rule that keeps it from being loaded by alias.
        refused: whether the kernel itself refuses it (`module_blacklist=`).
        other_names: of modules that have this name as an alias.
        doubt: why it is uncertain that the rules have the effect they seem to have, a phrase.
        problem: why the modules of this kernel cannot be read, as a sentence.
    """

    name: str
    path: str = ""
    indexed: bool = True
    index: str = ""
    builtin: str = ""
    builtins_known: bool = True
    skipped: bool = False
    loaded: bool | None = False
    ways: tuple[Way, ...] = ()
    blacklist: Rule | None = None
    refused: bool = False
    other_names: tuple[str, ...] = ()
    doubt: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ModuleState:
    """The state of a module, as far as it can be found out.

    Attributes:
        possible: the state; several if it is one of them, and unknown which one.
        reason: why, a phrase.
        source: the rule or file that decides: `/etc/modprobe.d/a.conf:3`; empty if none does.
    """

    possible: tuple[State, ...]
    reason: str
    source: str = ""

    @property
    def known(self) -> State | None:
        """The state; None if it is unknown."""
        return self.possible[0] if len(self.possible) == 1 else None


def module_state(facts: StateFacts) -> ModuleState:
    """Return the state of a module."""
    if facts.loaded:
        later = _not_loaded(facts)
        if later.known is State.BLOCKED:
            reason = f"loaded before it was blocked: {later.reason}"
            return ModuleState((State.LOADED,), reason, later.source)
        return ModuleState((State.LOADED,), "it is loaded", "/proc/modules")
    found = _not_loaded(facts)
    if facts.loaded is None and found.known is not State.BUILT_IN:
        reason = f"{found.reason}; it is unknown whether it is loaded"
        return ModuleState((*found.possible, State.LOADED), reason, found.source)
    return found


def _not_loaded(facts: StateFacts) -> ModuleState:
    """Return the state of a module that is not loaded."""
    if facts.problem:
        return ModuleState(_ANY, facts.problem.rstrip("."))
    if facts.builtin:
        if facts.skipped:
            reason = "built in, but initcall_blacklist= skips its init function"
            return ModuleState((State.BLOCKED,), reason, KERNEL_COMMAND_LINE)
        return ModuleState((State.BUILT_IN,), "no rule applies to it", facts.builtin)
    if not facts.path:
        if facts.builtins_known:
            reason = "this kernel has no such module"
            if facts.other_names:
                reason += f"; the name is an alias of {', '.join(facts.other_names)}"
            return ModuleState((State.ABSENT,), reason, facts.index)
        reason = "it has no file, and without modules.builtin it may be built in"
        return ModuleState((State.ABSENT, State.BUILT_IN), reason, facts.index)
    if facts.refused:
        reason = "module_blacklist=: the kernel refuses it until reboot"
        return ModuleState((State.BLOCKED,), reason, KERNEL_COMMAND_LINE)
    if facts.doubt:
        return ModuleState(_LOADABLE, facts.doubt)
    return _by_rules(facts)


def _by_rules(facts: StateFacts) -> ModuleState:
    """Return the state of a module that has a file, under rules that are known."""
    ways = [way for way in facts.ways if way.by_modprobe]
    loads = [way for way in ways if way.barrier in (Barrier.OPEN, Barrier.LOGGED)]
    named = next(way for way in ways if way.kind is WayKind.NAME)
    if not facts.indexed and not named.source:
        reason = "modules.dep does not list its file: modprobe loads it after the next depmod"
        return ModuleState((State.AVAILABLE,), reason, facts.path)
    if loads:
        reason = _way_words(loads[0])
        if facts.blacklist:
            words = f"blacklist stops its aliases only; {reason}"
            return ModuleState((State.DENYLISTED,), words, facts.blacklist.source)
        return ModuleState((State.AVAILABLE,), reason, loads[0].source or facts.path)
    if uncertain := [way for way in ways if way.barrier is Barrier.UNKNOWN]:
        reason = f"{_way_words(uncertain[0])}, of which the effect is unknown"
        unblocked = State.DENYLISTED if facts.blacklist else State.AVAILABLE
        return ModuleState((unblocked, State.BLOCKED), reason, uncertain[0].source)
    return ModuleState((State.BLOCKED,), named.reason, named.source)


def _way_words(way: Way) -> str:
    """Return a way with what happens to it: `by alias fs-udf: no install rule`."""
    subject = "" if way.kind is WayKind.NAME else f" {way.subjects[0]}" if way.subjects else ""
    if way.kind is WayKind.DEPENDENCY:
        subject = f" of{subject}"
    return f"{way.kind}{subject}: {way.reason}"


def mentioned_elsewhere(name: str, rules: Iterable[Rule]) -> Rule | None:
    """Return an install rule of another module whose command could load this one; None if none.

    Such as `install other /sbin/modprobe --ignore-install NAME`.
    """
    for rule in rules:
        if rule.kind is not RuleKind.INSTALL or rule.name == name:
            continue
        if rule_effect(rule) is CommandEffect.UNKNOWN and name in _words(rule.value):
            return rule
    return None


def _words(command: str) -> Sequence[str]:
    return [canonical(word) for word in re.split(r"[\s;&|()<>\"'`]+", command)]
