"""Which modules a profile blocks, and why it keeps the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from kmodtui.errors import PlanError
from kmodtui.model.category import category, is_external
from kmodtui.model.exposure.exposure import Exposure
from kmodtui.model.exposure.request import Reach
from kmodtui.model.profile.essential import essential
from kmodtui.model.profile.rare import RARE


class ProfileKind(StrEnum):
    """The profiles."""

    UNUSED = "unused"
    RARE = "rare"

    @property
    def words(self) -> str:
        """What it consists of."""
        match self:
            case ProfileKind.UNUSED:
                return "not used on this machine"
            case ProfileKind.RARE:
                return "rare protocols and file systems"
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A module that a profile would block.

    Attributes:
        name: the module.
        reason: why, in a few words.
        reach: who can make the kernel load it now.
    """

    name: str
    reason: str
    reach: Reach = Reach.ROOT


Along = Callable[[str], Iterable[str]]
"""Returns the modules that are loaded with a module, or that it may request later."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile on one system.

    Attributes:
        kind: which one.
        candidates: the modules that it blocks, those with the widest reach first.
        kept: why each of the other modules is not blocked.
        along: see `Along`.
    """

    kind: ProfileKind
    candidates: tuple[Candidate, ...]
    kept: Mapping[str, str]
    along: Along

    @property
    def names(self) -> tuple[str, ...]:
        """The modules that it blocks."""
        return tuple(each.name for each in self.candidates)

    @property
    def reasons(self) -> dict[str, str]:
        """Why each module is blocked."""
        return {each.name: each.reason for each in self.candidates}

    def without(self, names: Iterable[str], why: str = "left out by you") -> Profile:
        """Return the profile without some modules, and without what they need."""
        more = _closed(dict.fromkeys(names, why), self.along)
        left = tuple(each for each in self.candidates if each.name not in more)
        return replace(self, candidates=left, kept={**more, **self.kept})


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """What is known of a system, from which profiles are made.

    Attributes:
        places: the file of each installed module, relative to the release's directory.
        along: see `Along`.
        loaded: the loaded modules.
        in_use: modules that something else than being loaded shows to be used, with what it is:
            a device, a line of a boot list, a file system in /etc/fstab.
        seen: modules that kmodtui has seen loaded earlier.
        stopped: modules that a rule already keeps from being loaded, with the rule.
        encrypted: whether the system has encrypted disks.
        exposures: who can have each module loaded.
    """

    places: Mapping[str, str]
    along: Along
    loaded: Collection[str] = ()
    in_use: Mapping[str, str] = field(default_factory=dict)
    seen: Collection[str] = ()
    stopped: Mapping[str, str] = field(default_factory=dict)
    encrypted: bool = False
    exposures: Mapping[str, Exposure] = field(default_factory=dict)


def profile(kind: ProfileKind, facts: ProfileFacts) -> Profile:
    """Return what a profile would block on a system.

    Raises:
        PlanError: what is loaded is unknown, so that nothing can be said to be unused.
    """
    if not facts.loaded and kind is ProfileKind.UNUSED:
        raise PlanError("No module is loaded: which ones this machine uses is unknown.")
    kept = _kept(facts)
    candidates = []
    for name, place in facts.places.items():
        if name in kept or (kind is ProfileKind.RARE and name not in RARE):
            continue
        found = facts.exposures.get(name)
        reason = RARE[name] if kind is ProfileKind.RARE else _why_unused(place, found)
        candidates.append(Candidate(name, reason, found.reach if found else Reach.ROOT))
    candidates.sort(key=lambda each: (each.reach.rank, each.name))
    return Profile(kind, tuple(candidates), kept, facts.along)


def _kept(facts: ProfileFacts) -> dict[str, str]:
    """Return why modules are not blocked, closed over what they need."""
    roots = dict.fromkeys(facts.loaded, "it is loaded")
    for name, place in facts.places.items():
        if name in facts.in_use:
            roots.setdefault(name, facts.in_use[name])
        if name in facts.seen:
            roots.setdefault(name, "kmodtui has seen it loaded")
        if is_external(place):
            roots.setdefault(name, "it was installed separately from the kernel")
        if why := essential(name, place, encrypted=facts.encrypted):
            roots.setdefault(name, why)
    kept = _closed(roots, facts.along)
    for name, rule in facts.stopped.items():
        kept.setdefault(name, f"it is already blocked: {rule}")
    return kept


def _closed(roots: Mapping[str, str], along: Along) -> dict[str, str]:
    """Return modules and what they need, each with the reason."""
    found = dict(roots)
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        for other in along(name):
            if other not in found:
                found[other] = f"{name} needs it"
                waiting.append(other)
    return found


def _why_unused(place: str, exposure: Exposure | None) -> str:
    what = category(place)
    who = ""
    if exposure is not None and exposure.reasons:
        first = exposure.reasons[0]
        via = f" with {first.via}" if first.via else ""
        who = f"{first.reach} can have it loaded{via} ({first.action})"
    return "; ".join(filter(None, ("not used here", what, who)))
