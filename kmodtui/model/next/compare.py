"""Compares modules, options and rules with another kernel release: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.doctor.facts import DkmsModule
from kmodtui.model.modprobe_rules import Rule, RuleKind
from kmodtui.model.next.finding import Difference, NextFinding
from kmodtui.model.parameters import ALWAYS_TAKEN, key_of, problem
from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE, Option


class Place(Enum):
    """Where another release has a module."""

    FILE = auto()
    BUILT_IN = auto()
    RENAMED = auto()
    ABSENT = auto()


@dataclass(frozen=True, slots=True)
class Counterpart:
    """What another release has for a module.

    Attributes:
        name: the module, by its name now.
        release: the other release.
        place: where it is there.
        there: its name there; empty if it is absent.
        file: the file that proves it.
        missing: whether the index lists a file that does not exist.
    """

    name: str
    release: str
    place: Place
    there: str = ""
    file: str = ""
    missing: bool = False


def module_finding(
    found: Counterpart, running: str, dkms: DkmsModule | None, *, external: bool, package: str
) -> NextFinding | None:
    """Return the difference for a module that is loaded or listed; None if there is none.

    Args:
        found: what the other release has.
        running: the running release.
        dkms: the package of DKMS that has the module; None without one.
        external: whether its file does not belong to the running kernel's own package.
        package: the package of the other release that should have it; empty if unknown.
    """
    name, release = found.name, found.release
    if found.place is Place.BUILT_IN:
        cause = f"{name} is built into {release}: it is always there."
        remedy = f"Nothing needs to be done, unless something unloads {name} or sets its options."
        return NextFinding(Difference.BUILT_IN, name, cause, found.file, remedy)
    if found.place is Place.RENAMED:
        cause = f"{release} has {found.there} instead of {name}."
        remedy = f"Replace the name {name} in lists, rules and scripts, such as modules-load.d."
        return NextFinding(Difference.RENAMED, name, cause, found.file, remedy)
    if found.missing:
        cause = f"The index of {release} lists {name}, but its file does not exist."
        remedy = f"Reinstall the package that contains it, or run depmod {release} as root."
        return NextFinding(Difference.REMOVED, name, cause, found.file, remedy)
    if found.place is Place.FILE:
        return None
    if dkms is not None:
        built = release in dkms.built
        state = "built, but not installed" if built else "not built"
        package = f"{dkms.package}/{dkms.version}"
        cause = f"DKMS has {package} for {running}; for {release} it is {state}."
        before = "Run" if built else f"Install the headers of {release}, then run"
        remedy = f"{before} dkms install {package} -k {release} as root."
        return NextFinding(Difference.DKMS, name, cause, dkms.folder, remedy)
    cause = f"{release} has no {name}, and no module of another name for its devices."
    if external:
        remedy = f"It was installed separately: build or install it for {release}, too."
    elif package:
        remedy = f"Install the package {package}."
    else:
        remedy = f"Look for a package of {release} that has it: what uses it does not work without."
    return NextFinding(Difference.REMOVED, name, cause, found.file, remedy)


def option_finding(
    found: Counterpart, option: Option, now: Mapping[str, str], then: Mapping[str, str] | None
) -> NextFinding | None:
    """Return the difference for an option that is set now; None if there is none.

    Args:
        found: what the other release has for its module.
        option: the option, with its source.
        now: types by parameter name in the running release; without it, the option does nothing.
        then: the same in the other release; None if unknown.
    """
    name, release = found.name, found.release
    key, equals, value = option.text.partition("=")
    value = value.strip('"')
    types = {key_of(each): kind for each, kind in now.items()}
    key = key_of(key)
    if key in ALWAYS_TAKEN or key not in types:
        return None

    def rule(cause: str, remedy: str, kind: Difference = Difference.RULE) -> NextFinding:
        return NextFinding(kind, name, cause, option.source, remedy)

    if found.place is Place.ABSENT:
        return rule(
            f"{option.text} of {name} no longer applies: {release} has no {name}.",
            "Remove it once no other kernel needs it.",
        )
    if found.place is Place.RENAMED:
        return rule(
            f"{option.text} of {name} no longer applies: {release} has {found.there} instead.",
            f"Set it for {found.there}, too, if that has such a parameter.",
        )
    if found.place is Place.BUILT_IN and option.source != KERNEL_COMMAND_LINE:
        return rule(
            f"{option.text} of {name} no longer applies: it is built into {release}.",
            f"On the kernel command line: {name}.{option.text}",
        )
    if then is None:
        return None
    later = {key_of(each): kind for each, kind in then.items()}
    if key not in later:
        question = did_you_mean(near(key, tuple(then), 1))
        return rule(
            f"{name} of {release} has no parameter {key}: the kernel ignores {option.text}.",
            f"Remove it there. {question}".rstrip(),
            Difference.PARAMETER,
        )
    if later[key] == types[key] or not later[key] or not types[key]:
        return None
    why = problem(later[key], value) if equals else ""
    return rule(
        f"{key} of {name} has the type {later[key]} in {release}, not {types[key]}."
        + (f" {name} would not load: {why}" if why else ""),
        "Change the value there." if why else f"Check that {value or key} means the same.",
        Difference.PARAMETER,
    )


def rule_finding(found: Counterpart, rule: Rule) -> NextFinding | None:
    """Return why a blacklist or block rule no longer has its effect; None if it has.

    A module that does not exist any more needs no rule.
    """
    name, release = found.name, found.release
    if found.place is Place.BUILT_IN:
        cause = f"{rule.kind} {name} has no effect: it is built into {release}."
        remedy = "initcall_blacklist=FUNCTION on the kernel command line skips its init function."
    elif found.place is Place.RENAMED:
        cause = f"{rule.kind} {name} has no effect: {release} has {found.there} instead."
        verb = "blacklist" if rule.kind is RuleKind.BLACKLIST else "block"
        remedy = f"{verb.capitalize()} {found.there}, too."
    else:
        return None
    return NextFinding(Difference.RULE, name, cause, rule.source, remedy)


def dkms_package(packages: Sequence[DkmsModule], name: str, running: str) -> DkmsModule | None:
    """Return the package of DKMS that has built a module for the running kernel, or for any."""
    having = [each for each in packages if any(name in names for names in each.built.values())]
    mine = [each for each in having if name in each.built.get(running, ())]
    return next(iter(mine or having), None)
