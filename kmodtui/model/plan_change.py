"""Plans of what is neither a load nor an unload by name: a file, a parameter, the blacklist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kmodtui.model.modprobe_rules import Rule
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan import BLACKLIST_FILE, Action, Command, Option, Plan, Step
from kmodtui.model.plan_load import SizeOf, plan_load
from kmodtui.model.probe_list import quoted
from kmodtui.model.verb import Verb


def plan_insert(
    path: str,
    name: str,
    depends: Iterable[str],
    parameters: Sequence[str],
    table: ModuleTable,
    lookup: ModuleLookup | None = None,
    size_of: SizeOf | None = None,
) -> Plan:
    """Return what `insmod FILE parameters…` takes: what the module needs by name, then the file.

    Args:
        path: of the file.
        name: of the module, as its file says.
        depends: what it needs, as its file says.
        parameters: `name=value`.
        table: what is loaded.
        lookup: what there is to be loaded by name; None where there is no index.
        size_of: tells how much memory modules will take.

    Raises:
        PlanError: softdeps of what it needs have no end.
    """
    steps: dict[str, Step] = {}
    commands: list[Command] = []
    warnings: list[str] = []
    refused, remedy = "", ""
    for needed in depends:
        if needed in table.by_name:
            steps.setdefault(needed, Step(Action.SKIP, needed, f"needed by {name}; loaded"))
        elif lookup is None or not lookup.find(needed):
            refused = refused or f"{name} needs {needed}, which is not loaded and not found."
            remedy = remedy or "Insert the file of that one first."
        else:
            plan = plan_load((needed,), (), table, lookup, size_of)
            for step in plan.steps:
                asked_for = step.reason == "asked for"  # by this plan of its own, and by nobody
                reason = f"needed by {name}" if asked_for else step.reason
                steps.setdefault(step.module, replace(step, reason=reason))
            commands += plan.commands
            warnings += plan.warnings
            if plan.refused and not plan.does_nothing:
                refused, remedy = refused or plan.refused, remedy or plan.remedy
    if name in table.by_name:
        refused, remedy = f"{name} is loaded already.", "Unload it first."
    options = tuple(Option(quoted(text)) for text in parameters)
    steps[name] = Step(Action.INSMOD, name, "asked for, as a file", path, options)
    commands.append(Command(Verb.INSERT, (path,), tuple(parameters)))
    warnings.append("insmod follows no rule of modprobe.d for this file: no options, no blacklist.")
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
    """Return the writing of a loaded module's parameter.

    Args:
        name: of the module.
        parameter: its name in /sys/module.
        value: that it is to have.
        was: what it is now, for whoever takes it back.
    """
    text = f"{parameter}={value}"
    step = Step(
        Action.SET,
        name,
        f"was {was}" if was else "its value now cannot be read",
        f"/sys/module/{name}/parameters/{parameter}",
        (Option(text),),
        was=was,
    )
    if value == was:
        refused = f"{parameter} of {name} is {value} already."
        return Plan(Verb.SET, (name,), (step,), refused=refused, parameters=(text,))
    commands = (Command(Verb.SET, (name,), (text,)),)
    return Plan(Verb.SET, (name,), (step,), commands, parameters=(text,))


def plan_blacklist(name: str, already: Rule | None, table: ModuleTable) -> Plan:
    """Return the blacklisting of a module, in the one file that kmodtui writes to.

    Args:
        name: of the module.
        already: the rule that blacklists it now, None if none does.
        table: what is loaded.
    """
    step = Step(Action.BLACKLIST, name, "no alias loads it from then on", BLACKLIST_FILE)
    if already is not None:
        refused = f"{name} is blacklisted already ({already.source})."
        return Plan(Verb.BLACKLIST, (name,), (step,), refused=refused)
    warnings = [
        "It stops loading by an alias, as udev does for hardware. By its name, or where "
        "another module needs it, it is loaded all the same; an initramfs has its own copy."
    ]
    if name in table.by_name:
        warnings.insert(0, f"{name} is loaded now and stays loaded.")
    commands = (Command(Verb.BLACKLIST, (name,)),)
    return Plan(Verb.BLACKLIST, (name,), (step,), commands, warnings=tuple(warnings))


def plan_unblacklist(name: str, rules: Sequence[Rule]) -> Plan:
    """Return the taking back of a blacklisting.

    Args:
        name: of the module.
        rules: all that blacklist it.
    """
    step = Step(Action.UNBLACKLIST, name, "aliases load it again", BLACKLIST_FILE)
    others = [rule for rule in rules if rule.file != BLACKLIST_FILE]
    if len(others) == len(rules):
        refused, remedy = f"{name} is not blacklisted by kmodtui.", ""
        if others:
            remedy = f"It is by {', '.join(rule.source for rule in others)}: edit that."
        return Plan(Verb.UNBLACKLIST, (name,), (step,), refused=refused, remedy=remedy)
    warnings = tuple(f"{rule.source} blacklists {name} as well." for rule in others)
    commands = (Command(Verb.UNBLACKLIST, (name,)),)
    return Plan(Verb.UNBLACKLIST, (name,), (step,), commands, warnings=warnings)
