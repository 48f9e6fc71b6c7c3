"""What modprobe goes through to load one module, in its order.

After `kmod_module_get_probe_list` in kmod's `libkmod/libkmod-module.c`: a module's
dependencies, each with its softdeps around it, then the module with its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kmodtui.errors import PlanError
from kmodtui.model.modprobe_rules import Found, Rule
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.plan import Option

MAX_DEPTH = 150
"""Softdeps within softdeps: more can be nothing but a mistake."""


@dataclass(slots=True)
class Probe:
    """A module in the list. One that several others need stands there several times.

    Attributes:
        found: the module; as another alias it is another one, as kmod has it.
        reason: why it is there, in a few words.
        source: where the softdep stands that brings it; empty for a dependency.
        required: the target or what it needs: where it fails, modprobe ends.
        plain: softdeps stand around it, so no install rule is followed.
        builtin: whether it is compiled into the kernel; None where the index is to be asked.
        lacking: of what it needs, what has no file. kmod then loads none of it.
    """

    found: Found
    reason: str = ""
    source: str = ""
    required: bool = False
    plain: bool = False
    builtin: bool | None = None
    lacking: tuple[str, ...] = ()
    visited: bool = False

    @property
    def name(self) -> str:
        """The module's name."""
        return self.found.name

    def is_builtin(self, lookup: ModuleLookup) -> bool:
        """Return whether kmod takes it for a part of the kernel's image."""
        return lookup.is_builtin(self.name) if self.builtin is None else self.builtin

    def install(self, lookup: ModuleLookup) -> Rule | None:
        """Return the rule whose command runs in place of loading it."""
        return None if self.plain else lookup.install(self.name)

    def options(self, lookup: ModuleLookup) -> tuple[Option, ...]:
        """Return what the rules give to it."""
        return lookup.options(self.name, self.found.alias)

    def words(self, lookup: ModuleLookup, given: Sequence[str] = ()) -> str:
        """Return all that it is given as kmod hands it on, in one line.

        What comes from rules ends with a blank, whether anything follows or not.
        """
        options = (f"{option.text} " for option in self.options(lookup))
        return "".join((*options, " ".join(map(quoted, given))))


def probe_list(target: Found, lookup: ModuleLookup, reason: str = "asked for") -> list[Probe]:
    """Return what modprobe goes through to load `target`, loaded or not.

    Raises:
        PlanError: softdeps lie within softdeps without an end.
    """
    walk = _Walk(lookup)
    probe = walk.probe(target)
    walk.visit(probe, reason, "", required=True, depth=0)
    return walk.order


def show_depends(text: str, given: tuple[str, ...], lookup: ModuleLookup) -> list[str]:
    """Return the lines that `modprobe --show-depends TEXT GIVEN…` prints; none if unknown."""
    lines = []
    for target in lookup.find(text):
        if target.alias and lookup.blacklisted(target.name):
            continue
        for probe in probe_list(target, lookup):
            words = probe.words(lookup, given if probe.found is target else ())
            if rule := probe.install(lookup):
                lines.append(f"install {rule.value} {words}")
            elif path := lookup.path_of(probe.name):
                lines.append(f"insmod {path} {words}")
            elif probe.is_builtin(lookup):
                lines.append(f"builtin {probe.name}")
    return lines


def quoted(parameter: str) -> str:
    """Return `name=a b` as modprobe hands it on: `name="a b"`."""
    name, equals, value = parameter.partition("=")
    if " " in value and value[0] not in "\"'":
        return f'{name}{equals}"{value}"'
    return parameter


class _Walk:
    """One walk, with the modules that it has met."""

    def __init__(self, lookup: ModuleLookup) -> None:
        self.order: list[Probe] = []
        self._lookup = lookup
        self._met: dict[tuple[str, str], Probe] = {}

    def probe(self, found: Found) -> Probe:
        """Return the one entry of a module."""
        probe = self._met.get((found.name, found.alias))
        if probe is None:
            probe = self._met[found.name, found.alias] = Probe(found)
        if found.builtin:
            probe.builtin = True
        return probe

    def visit(
        self, probe: Probe, reason: str, source: str, *, required: bool = False, depth: int
    ) -> None:
        if probe.visited:
            return
        if depth > MAX_DEPTH:
            raise PlanError(
                f"Softdeps lie within softdeps, more than {MAX_DEPTH} deep, at {probe.name}.",
                "Look at the softdep lines in modprobe.d.",
            )
        probe.visited = True
        needed = self._needed(probe)
        if required:
            probe.required = True
            for each in needed:
                each.required = True
        for each in needed:
            self._with_softdeps(each, f"needed by {probe.name}", "", depth)
        self._with_softdeps(probe, reason, source, depth)

    def _needed(self, probe: Probe) -> list[Probe]:
        names = self._lookup.dependencies(probe.name)
        probe.lacking = tuple(name for name in names if not self._lookup.has_file(name))
        if probe.lacking:
            return []
        needed = [self.probe(Found(name)) for name in names]
        for each in needed:
            each.builtin = False  # it has a file, whatever its name
        return needed

    def _with_softdeps(self, probe: Probe, reason: str, source: str, depth: int) -> None:
        softdep = self._lookup.softdep(probe.name)
        before, after = self._probes(softdep.pre), self._probes(softdep.post)
        for each in before:
            self.visit(each, f"softdep of {probe.name}, before it", softdep.source, depth=depth + 1)
        if not probe.reason:
            probe.reason, probe.source = reason, source
        probe.plain = bool(before or after)
        self.order.append(probe)
        for each in after:
            self.visit(each, f"softdep of {probe.name}, after it", softdep.source, depth=depth + 1)

    def _probes(self, texts: tuple[str, ...]) -> list[Probe]:
        return [self.probe(found) for text in texts for found in self._lookup.find(text)]
