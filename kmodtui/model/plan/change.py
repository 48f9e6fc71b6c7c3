"""Plans of other changes than loads and unloads by name: a file, a parameter, the blacklist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kmodtui.model.plan.facts import InsertedFile, PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import (
    BLACKLIST_FILE,
    REQUESTED,
    Action,
    Option,
    Plan,
    PlanCommand,
    Step,
)
from kmodtui.model.plan.verb import Verb
from kmodtui.model.probe_list import quoted


def plan_insert(
    file: InsertedFile, parameters: Sequence[str], facts: PlanFacts, sha256: str = ""
) -> Plan:
    """Return what `insmod FILE parameters…` takes: loads of the dependencies, then the file.

    Args:
        file: the module file.
        parameters: `name=value`.
        facts: one reading of the system.
        sha256: what the file contained when the module was inserted before; empty if it was not.

    Raises:
        PlanError: softdeps of a dependency form a loop.
    """
    name = file.name
    steps: dict[str, Step] = {}
    commands: list[PlanCommand] = []
    warnings: list[str] = []
    refused, remedy = "", ""
    for needed in file.depends:
        if needed in facts.table.by_name:
            steps.setdefault(needed, Step(Action.SKIP, needed, f"needed by {name}; loaded"))
        elif facts.modules is None or not facts.modules.find(needed):
            refused = refused or f"{name} depends on {needed}, which is neither loaded nor found."
            remedy = remedy or f"Insert the file of {needed} first."
        else:
            plan = plan_load((needed,), (), facts)
            for step in plan.steps:
                # Requested by this plan of its own, not by the person.
                reason = f"needed by {name}" if step.reason == REQUESTED else step.reason
                steps.setdefault(step.module, replace(step, reason=reason))
            commands += plan.commands
            warnings += plan.warnings
            refused, remedy = refused or plan.refused, remedy or plan.remedy
    if name in facts.table.by_name:
        refused, remedy = f"{name} is already loaded.", "Unload it first."
    options = tuple(Option(quoted(text)) for text in parameters)
    steps[name] = Step(Action.INSMOD, name, f"{REQUESTED}, as a file", file.path, options)
    commands.append(
        PlanCommand(Verb.INSERT, (file.path,), tuple(parameters), module=name, sha256=file.sha256)
    )
    if sha256 not in ("", file.sha256):
        warnings.append(f"{file.path} has changed since {name} was unloaded: this is a new build.")
    warnings.append("insmod ignores modprobe.d: no options and no blacklist apply to this file.")
    return Plan(
        Verb.INSERT,
        (name,),
        tuple(steps.values()),
        () if refused else tuple(commands),
        warnings=tuple(dict.fromkeys(warnings)),
        refused=refused,
        remedy=remedy,
        parameters=tuple(parameters),
    )


def plan_set(name: str, parameter: str, value: str, was: str) -> Plan:
    """Return the change of a loaded module's parameter.

    Args:
        name: of the module.
        parameter: its name in /sys/module.
        value: the new value.
        was: the current value, which undo restores.
    """
    text = f"{parameter}={value}"
    step = Step(
        Action.SET,
        name,
        f"was {was}" if was else "its current value cannot be read",
        f"/sys/module/{name}/parameters/{parameter}",
        (Option(text),),
        was=was,
    )
    if value == was:
        unneeded = f"{parameter} of {name} is already {value}."
        return Plan(Verb.SET, (name,), (), nothing_to_do=unneeded, parameters=(text,))
    commands = (PlanCommand(Verb.SET, (name,), (text,)),)
    return Plan(Verb.SET, (name,), (step,), commands, parameters=(text,))


def plan_blacklist(name: str, facts: PlanFacts) -> Plan:
    """Return the blacklisting of a module, in the one file that kmodtui writes to."""
    if rules := facts.blacklist_rules(name):
        unneeded = f"{name} is already blacklisted ({rules[0].source})."
        return Plan(Verb.BLACKLIST, (name,), (), nothing_to_do=unneeded)
    step = Step(Action.BLACKLIST, name, "aliases no longer load it", BLACKLIST_FILE)
    warnings = [
        "This only prevents loading by an alias, as udev does for hardware. The module is "
        "still loaded by name and as a dependency, and from an initramfs, which has its own "
        "copy of the rules."
    ]
    if name in facts.table.by_name:
        warnings.insert(0, f"{name} is loaded and stays loaded.")
    commands = (PlanCommand(Verb.BLACKLIST, (name,)),)
    return Plan(Verb.BLACKLIST, (name,), (step,), commands, warnings=tuple(warnings))


def plan_unblacklist(name: str, facts: PlanFacts) -> Plan:
    """Return the removal of a module from that file."""
    rules = facts.blacklist_rules(name)
    others = [rule for rule in rules if rule.file != BLACKLIST_FILE]
    if len(others) == len(rules):
        refused, remedy = f"{name} is not blacklisted by kmodtui.", ""
        if others:
            sources = ", ".join(rule.source for rule in others)
            remedy = f"It is blacklisted by {sources}: edit that file as root."
        return Plan(Verb.UNBLACKLIST, (name,), (), refused=refused, remedy=remedy)
    step = Step(Action.UNBLACKLIST, name, "aliases load it again", BLACKLIST_FILE)
    warnings = tuple(f"{rule.source} also blacklists {name}." for rule in others)
    commands = (PlanCommand(Verb.UNBLACKLIST, (name,)),)
    return Plan(Verb.UNBLACKLIST, (name,), (step,), commands, warnings=warnings)
