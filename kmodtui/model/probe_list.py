"""The probe list: the modules that modprobe loads for one module, in order.

Follows `kmod_module_get_probe_list` in kmod's `libkmod/libkmod-module.c`: the
dependencies, each between its pre and post softdeps, then the module between its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kmodtui.errors import PlanError
from kmodtui.model.modprobe_rules import Found, Rule
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.plan.plan import REQUESTED, Option

MAX_DEPTH = 150
"""Maximum depth of softdeps of softdeps: deeper nesting can only be a mistake."""


@dataclass(slots=True)
class Probe:
    """A module in the probe list. A dependency of several modules is listed several times.

    Attributes:
        found: the module; found by another alias it counts as another one, as in kmod.
        reason: why it is in the list, in a few words.
        source: source of the softdep rule that adds it; empty for a dependency.
        required: whether it is the target or a dependency of it: modprobe stops if it fails.
        plain: whether it has softdeps, in which case kmod ignores its install rule.
        builtin: whether it is built into the kernel; None to look it up in the index.
        lacking: its dependencies that have no file; if there are any, kmod loads none.
        visited: whether it has been added to the list, or is being added.
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
        """Return whether kmod considers it built into the kernel."""
        return lookup.is_builtin(self.name) if self.builtin is None else self.builtin

    def install(self, lookup: ModuleLookup) -> Rule | None:
        """Return the rule whose command runs instead of loading it."""
        return None if self.plain else lookup.install(self.name)

    def options(self, lookup: ModuleLookup) -> tuple[Option, ...]:
        """Return the options that the rules set for it."""
        return lookup.options(self.name, self.found.alias)

    def words(self, lookup: ModuleLookup, given: Sequence[str] = ()) -> str:
        """Return the parameters that kmod passes to it, from rules and then `given`, in one line.

        As in kmod, each option from a rule is followed by a blank, even at the end.
        """
        options = (f"{option.text} " for option in self.options(lookup))
        return "".join((*options, " ".join(map(quoted, given))))


def probe_list(target: Found, lookup: ModuleLookup, reason: str = REQUESTED) -> list[Probe]:
    """Return the modules that modprobe tries to load for `target`, including loaded ones.

    Raises:
        PlanError: softdeps are nested too deeply.
    """
    walk = _Walk(lookup)
    probe = walk.probe(target)
    walk.visit(probe, reason, "", required=True, depth=0)
    return walk.order


def show_depends(text: str, given: tuple[str, ...], lookup: ModuleLookup) -> list[str]:
    """Return the lines that `modprobe --show-depends TEXT GIVEN…` prints.

    There are none if `text` is neither a module nor an alias.
    """
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
    """Return `name=a b` as modprobe passes it to the kernel: `name="a b"`."""
    name, equals, value = parameter.partition("=")
    if " " in value and value[0] not in "\"'":
        return f'{name}{equals}"{value}"'
    return parameter


class _Walk:
    """Builds a probe list, and remembers the modules that have been visited."""

    def __init__(self, lookup: ModuleLookup) -> None:
        self.order: list[Probe] = []
        self._lookup = lookup
        self._met: dict[tuple[str, str], Probe] = {}

    def probe(self, found: Found) -> Probe:
        """Return the entry of a module, always the same one."""
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
                f"Softdeps are nested more than {MAX_DEPTH} deep at {probe.name}.",
                "Check the softdep lines in modprobe.d.",
            )
        probe.visited = True
        dependencies = self._dependencies(probe)
        if required:
            probe.required = True
            for each in dependencies:
                each.required = True
        for each in dependencies:
            self._with_softdeps(each, f"needed by {probe.name}", "", depth)
        self._with_softdeps(probe, reason, source, depth)

    def _dependencies(self, probe: Probe) -> list[Probe]:
        names = self._lookup.dependencies(probe.name)
        probe.lacking = tuple(name for name in names if not self._lookup.has_file(name))
        if probe.lacking:
            return []
        dependencies = [self.probe(Found(name)) for name in names]
        for each in dependencies:
            each.builtin = False  # modules.dep lists it, so kmod loads its file
        return dependencies

    def _with_softdeps(self, probe: Probe, reason: str, source: str, depth: int) -> None:
        softdep = self._lookup.softdep(probe.name)
        before, after = self._probes(softdep.pre), self._probes(softdep.post)
        for each in before:
            self.visit(each, f"pre softdep of {probe.name}", softdep.source, depth=depth + 1)
        if not probe.reason:
            probe.reason, probe.source = reason, source
        probe.plain = bool(before or after)
        self.order.append(probe)
        for each in after:
            self.visit(each, f"post softdep of {probe.name}", softdep.source, depth=depth + 1)

    def _probes(self, texts: tuple[str, ...]) -> list[Probe]:
        return [self.probe(found) for text in texts for found in self._lookup.find(text)]
