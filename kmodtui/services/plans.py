"""Plans of loads, unloads and reloads, of what a system has now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import KmodtuiError, PlanError, UnknownModuleError
from kmodtui.kernel.catalog import read_index
from kmodtui.kernel.configured_index import ConfiguredIndex, configured
from kmodtui.kernel.host import Host
from kmodtui.kernel.index_state import index_problems
from kmodtui.kernel.module_size import read_module_size
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan import Action, Plan
from kmodtui.model.plan_load import plan_load
from kmodtui.model.plan_reload import plan_reload
from kmodtui.model.plan_unload import plan_unload
from kmodtui.model.verb import Verb
from kmodtui.services.plan_usage import with_usage

VERBS = (Verb.LOAD, Verb.UNLOAD, Verb.RELOAD)


def read_plan(
    host: Host, release: str, verb: str, asked: Sequence[str], parameters: Sequence[str] = ()
) -> Plan:
    """Return what a load, an unload or a reload would do on a system now, and who would notice.

    Of another release than the running one nothing is loaded, so a load is planned from
    the beginning.

    Args:
        host: the system.
        release: whose modules are meant.
        verb: one of VERBS.
        asked: names of modules, or aliases.
        parameters: `name=value`, for a single module.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    running = read_system(host).release
    lookup = configured(read_index(host, release))
    if running in (None, release):
        table = _loaded(host, verb)
    elif verb == Verb.LOAD:
        table = ModuleTable()
    else:
        raise PlanError(
            f"Nothing of kernel {release} is loaded: {running} is the one that runs.",
            "Leave --kernel out.",
        )
    plan = plan_of(verb, asked, parameters, table, lookup)
    return with_usage(plan, host, lookup.index)


def plan_of(
    verb: str,
    asked: Sequence[str],
    parameters: Sequence[str],
    table: ModuleTable,
    lookup: ConfiguredIndex,
) -> Plan:
    """Return the same of a table and an index that have been read. Reads module files.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    index = lookup.index

    def size_of(name: str) -> int | None:
        path = index.path_of(name)
        try:
            return read_module_size(index.host, path) if path else None
        except KmodtuiError:
            return None

    try:
        if verb == Verb.LOAD:
            plan = plan_load(asked, parameters, table, lookup, size_of)
        elif verb == Verb.RELOAD:
            plan = plan_reload(asked, parameters, table, lookup, size_of)
        else:
            plan = plan_unload(asked, table, lookup)
    except UnknownModuleError as error:
        # What is not found may be there, and not be in the index yet.
        hints = (error.hint, *map(str, index_problems(index)))
        raise UnknownModuleError(error.message, " ".join(filter(None, hints))) from None
    inserted = [step.module for step in plan.steps if step.action is Action.INSMOD]
    touched = [step.module for step in plan.steps]
    # What a module's own softdep lacks is no fault of this machine.
    own = f"{index.folder}/"
    lines = [p for p in lookup.config.problems_of(touched) if not p.source.startswith(own)]
    problems = (*lines, *index_problems(index, inserted))
    return replace(plan, warnings=(*plan.warnings, *map(str, problems)))


def _loaded(host: Host, verb: str) -> ModuleTable:
    """Return what is loaded; nothing, for a load in a tree that tells of no kernel."""
    try:
        return read_modules(host)
    except KmodtuiError:
        if verb == Verb.LOAD and not host.live:
            return ModuleTable()
        raise
