"""The plan of a reload: an unload and a load of what is left then."""

from __future__ import annotations

from collections.abc import Sequence

from kmodtui.errors import PlanError
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan import Action, Plan, Step
from kmodtui.model.plan_load import SizeOf, plan_load
from kmodtui.model.plan_unload import plan_unload, users_first
from kmodtui.model.verb import Verb


def plan_reload(
    asked: Sequence[str],
    parameters: Sequence[str],
    table: ModuleTable,
    lookup: ModuleLookup,
    size_of: SizeOf | None = None,
) -> Plan:
    """Return what unloading modules and loading them again would do now.

    What has to go first comes back last. What goes along comes back with what took it:
    a load goes through all that an unload goes through.

    Args:
        asked: names of loaded modules.
        parameters: `name=value` for the load, for a single module only.
        table: what is loaded.
        lookup: what there is.
        size_of: tells how much memory modules will take.

    Raises:
        UnknownModuleError: nothing is called that.
        PlanError: a module is not loaded, there are parameters for more than one, or
            softdeps have no end.
    """
    if parameters and len(asked) > 1:
        raise PlanError(
            "Parameters are for one module, and several are named.",
            "Reload the one that takes them by itself.",
        )
    away = plan_unload(asked, table, lookup)
    targets = away.targets
    if away.refused:
        return Plan(
            Verb.RELOAD,
            targets,
            (),
            stays=away.stays,
            warnings=away.warnings,
            refused=away.refused,
            remedy=_together(away) or away.remedy,
            blocked_by=away.blocked_by,
            parameters=tuple(parameters),
        )
    went = [step.module for step in away.steps if step.action in (Action.RMMOD, Action.REMOVE)]
    left = ModuleTable(tuple(module for module in table if module.name not in went))
    order = tuple(reversed(users_first(targets, table, only=targets)))
    back = plan_load(order, parameters, left, lookup, size_of)
    return Plan(
        Verb.RELOAD,
        targets,
        (*away.steps, *(step for step in back.steps if not _is_news_to_nobody(step, left))),
        () if back.refused else (*away.commands, *back.commands),
        warnings=(*away.warnings, *back.warnings),
        refused=back.refused,
        remedy=back.remedy,
        parameters=tuple(parameters),
    )


def _together(away: Plan) -> str:
    """Return how the modules that are in the way can go and come back with the others."""
    if not away.blocked_by:
        return ""
    _, _, obstacles = away.remedy.partition(". ")
    return f"Reload {', '.join((*away.blocked_by, *away.targets))} together. {obstacles}".strip()


def _is_news_to_nobody(step: Step, left: ModuleTable) -> bool:
    """Return whether a step of the load only says that something has stayed."""
    return step.action is Action.SKIP and step.module in left.by_name
