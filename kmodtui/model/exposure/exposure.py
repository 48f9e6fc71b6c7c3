"""Who can make the kernel load each module, with dependencies, softdeps and rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from kmodtui.model.exposure.request import (
    SOCKETS_NEEDED,
    Reach,
    Switches,
    reach_of,
    reach_of_name,
)
from kmodtui.model.text import counted

_MOST = 20
"""Largest number of reasons that are kept for a module; the widest reaches first."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One way to have a module loaded.

    Attributes:
        reach: who can.
        action: what they do: `opens a socket of this family`.
        alias: what the kernel asks for; empty for a dependency.
        via: the module that brings it along; empty if it is loaded for itself.
    """

    reach: Reach
    action: str
    alias: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """The exposure of one module.

    Attributes:
        name: the module.
        reasons: the ways to have it loaded, the widest reach first; empty if only root can.
        loaded: whether it is loaded.
        closed: the rule that stops what would load it; empty if none does.
    """

    name: str
    reasons: tuple[Reason, ...]
    loaded: bool = False
    closed: str = ""

    @property
    def reach(self) -> Reach:
        """The widest reach."""
        return self.reasons[0].reach if self.reasons else Reach.ROOT


@dataclass(frozen=True, slots=True)
class ExposureFacts:
    """What is known of one module.

    Attributes:
        aliases: its aliases, without those that rules give to other modules.
        along: its dependencies and softdeps, which are loaded with it.
        blocked: the rule that makes every load by modprobe fail; empty if there is none.
        blacklisted: the rule that stops loads by alias; empty if there is none.
    """

    aliases: tuple[str, ...] = ()
    along: tuple[str, ...] = ()
    blocked: str = ""
    blacklisted: str = ""


def exposures(
    modules: Mapping[str, ExposureFacts],
    switches: Switches,
    loaded: Collection[str],
    required: Callable[[str], Iterable[str]],
) -> tuple[Exposure, ...]:
    """Return the exposure of each module.

    Args:
        modules: all modules that have a file.
        switches: of the system.
        loaded: the names of the loaded modules.
        required: returns the dependencies of a module: if one is blocked, it cannot be loaded.
    """
    own: dict[str, list[Reason]] = {}
    closed: dict[str, str] = {}
    never = _never_asked(modules, loaded)
    for name, facts in modules.items():
        own[name] = []
        rule = facts.blocked or next(
            (m.blocked for m in map(modules.get, required(name)) if m and m.blocked), ""
        )
        closed[name] = rule or facts.blacklisted
        if switches.modules_disabled or rule:
            continue
        own[name] = _reasons(name, facts, switches, never)
    found = {name: dict.fromkeys(reasons) for name, reasons in own.items()}
    for name, reasons in own.items():
        for reason in reasons[:1]:
            for other in modules[name].along:
                if other in found and not modules[other].blocked:
                    inherited = Reason(reason.reach, reason.action, reason.alias, name)
                    found[other].setdefault(inherited)
    return tuple(
        Exposure(
            name,
            tuple(sorted(reasons, key=lambda r: (r.reach.rank, r.via, r.alias))[:_MOST]),
            name in loaded,
            closed[name],
        )
        for name, reasons in found.items()
    )


def _never_asked(modules: Mapping[str, ExposureFacts], loaded: Collection[str]) -> frozenset[str]:
    """Return the aliases that the kernel does not ask for: nobody can have the sockets for them."""
    sockets = tuple(
        alias
        for facts in modules.values()
        if not (facts.blocked or facts.blacklisted)
        for alias in facts.aliases
        if alias.startswith("net-pf-")
    )
    return frozenset(
        alias
        for alias, (needed, module) in SOCKETS_NEEDED.items()
        if module in modules
        and module not in loaded
        and not any(f"{each}-".startswith(f"{needed}-") for each in sockets)
    )


def _reasons(
    name: str, facts: ExposureFacts, switches: Switches, never: Collection[str]
) -> list[Reason]:
    """Return the ways to have a module loaded for itself, one for each action."""
    found: dict[tuple[Reach, str], Reason] = {}
    for alias in facts.aliases if not facts.blacklisted else ():
        if alias in never:
            continue
        reach, action = reach_of(alias, switches)
        if reach is not Reach.ROOT:
            found.setdefault((reach, action), Reason(reach, action, alias))
    reach, action = reach_of_name(name, switches)
    if reach is not Reach.ROOT:
        found.setdefault((reach, action), Reason(reach, action, name))
    return sorted(found.values(), key=lambda reason: reason.reach.rank)


def totals(found: Iterable[Exposure]) -> tuple[str, ...]:
    """Return a sentence for each reach but root's: how many modules, loaded, to be blocked."""
    sentences = []
    every = tuple(found)
    words = {
        Reach.USER: "by any user",
        Reach.NAMESPACE: "by any user in a user namespace",
        Reach.DEVICE: "by whoever plugs in a device",
    }
    for reach, who in words.items():
        reached = [each for each in every if each.reach is reach]
        loaded = sum(each.loaded for each in reached)
        sentences.append(
            f"{counted(len(reached), 'module')} can be loaded {who}; {loaded:,} "
            f"{'is' if loaded == 1 else 'are'} loaded; {len(reached) - loaded:,} could be blocked."
        )
    return tuple(sentences)


def reason_words(each: Exposure) -> str:
    """Return what has to be done to have a module loaded, or what stops it."""
    if each.closed and not each.reasons:
        return f"stopped: {each.closed}"
    if not each.reasons:
        return ""
    first, *more = each.reasons
    via = f"with {first.via}, if somebody {first.action}" if first.via else first.action
    others = f" (and {len(more)} more)" if more else ""
    return f"{via}: {first.alias}{others}"
