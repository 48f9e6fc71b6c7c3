"""The plan of a reload: an unload, then a load of what that leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import PlanError
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.change import plan_insert
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import Action, Plan, PlanCommand, Step, merged
from kmodtui.model.plan.unload import obstacles, plan_unload, users_first
from kmodtui.model.plan.verb import Verb
from kmodtui.model.storage import Advice, Storage


def _where_else(advice: Advice) -> str:
    """Return how to reload a module whose file is unknown."""
    if advice.storage is Storage.HOST:
        return "Reload it on the host of this container."
    if advice.storage is Storage.GVISOR:
        return "This is gVisor, whose kernel has no modules."
    if advice.private:
        return "Run kmodtui as root, which can read the module directory."
    return (
        "To reload it, give the path of its file: kmodtui reload FILE.ko. The dashboard finds "
        "the file in the directory where it was started."
    )


def plan_reload(asked: Sequence[str], parameters: Sequence[str], facts: PlanFacts) -> Plan:
    """Return what unloading modules and loading them again would do now.

    The module that is unloaded first is loaded last. A module that is unloaded along with
    another is loaded again with it: a load follows the same dependencies and softdeps.

    Args:
        asked: names of loaded modules.
        parameters: `name=value` for the load, for a single module only.
        facts: one reading of the system.

    Raises:
        UnknownModuleError: no module has such a name.
        PlanError: a module is not loaded, there are parameters for more than one, or
            softdeps form a loop.
    """
    if parameters and len(asked) > 1:
        raise PlanError(
            "Parameters apply to one module, but several are named.",
            "Reload the module with parameters by itself.",
        )
    unload = plan_unload(asked, facts)
    targets = unload.targets
    if unknown := [name for name in targets if name in facts.unknown_origins]:
        return Plan(
            Verb.RELOAD,
            targets,
            (),
            refused=facts.unknown_origins[unknown[0]],
            remedy=_where_else(facts.lookup.advice),
            parameters=tuple(parameters),
        )
    if unload.refused:
        return replace(
            unload,
            verb=Verb.RELOAD,
            steps=(),
            remedy=_reload_together(unload, facts) or unload.remedy,
            parameters=tuple(parameters),
        )
    unloaded = [
        step.module for step in unload.steps if step.action in (Action.RMMOD, Action.REMOVE)
    ]
    left = ModuleTable(tuple(module for module in facts.table if module.name not in unloaded))
    order = tuple(reversed(users_first(targets, facts.table, only=targets)))
    load = _load_again(order, parameters, replace(facts, table=left), facts.table)
    return Plan(
        Verb.RELOAD,
        targets,
        (*unload.steps, *(step for step in load.steps if not _is_obvious(step, left))),
        () if load.refused else (*unload.commands, *load.commands),
        warnings=(*unload.warnings, *load.warnings),
        refused=load.refused,
        remedy=load.remedy,
        parameters=tuple(parameters),
    )


def reload_lines(name: str, parameters: Sequence[str], file: str) -> tuple[str, str]:
    """Return the two command lines of a reload, of a module from a file if `file` is not empty."""
    words = tuple(parameters)
    load = (
        PlanCommand(Verb.INSERT, (file,), words) if file else PlanCommand(Verb.LOAD, (name,), words)
    )
    return PlanCommand(Verb.UNLOAD, (name,), indexed=not file).line, load.line


def _load_again(
    order: Sequence[str], parameters: Sequence[str], facts: PlanFacts, before: ModuleTable
) -> Plan:
    """Return the load of unloaded modules: from the file of each that has one of its own."""
    if not facts.origins.keys() & set(order):
        return plan_load(order, parameters, facts)
    parts = []
    for name in order:
        if (file := facts.origins.get(name)) is not None:
            part = plan_insert(file, parameters, facts)
            if file.difference:
                part = replace(part, warnings=(file.difference, *part.warnings))
            parts.append(part)
        else:
            parts.append(plan_load((name,), parameters, facts))
        loaded = (*facts.table.modules, before.by_name[name])
        facts = replace(facts, table=ModuleTable(loaded))
    return merged(parts)


def _reload_together(unload: Plan, facts: PlanFacts) -> str:
    """Return how the modules that prevent the unload can be reloaded with the others."""
    if not unload.blocked_by:
        return ""
    together = f"Reload {', '.join((*unload.blocked_by, *unload.targets))} together."
    return " ".join((together, *obstacles(unload.blocked_by, facts)))


def _is_obvious(step: Step, left: ModuleTable) -> bool:
    """Return whether a step of the load only says that a module has stayed loaded."""
    return step.action is Action.SKIP and step.module in left.by_name
