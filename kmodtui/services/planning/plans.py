"""Plans on any observed system: reads the facts once, and has the model plan with them.

`services.planning` adds what only the dashboard's machine knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kmodtui.errors import KmodtuiError, PlanError, UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import index_or_empty
from kmodtui.kernel.index.state import index_problems
from kmodtui.kernel.modprobe.config import ModprobeConfig, read_modprobe_config
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.module_file.size import read_module_size
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.kernel.system import read_system
from kmodtui.model.block.lines import BlockState
from kmodtui.model.block.ways import BlockFacts
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.modules import ModuleTable, canonical
from kmodtui.model.own_file import OwnFile, OwnStates
from kmodtui.model.plan.danger import with_danger
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.intents import plan_intents
from kmodtui.model.plan.plan import Action, Plan, Step, with_memory
from kmodtui.model.plan.verb import Verb
from kmodtui.model.usage import NO_USAGE
from kmodtui.services.blocking import block_facts, with_blocks
from kmodtui.services.keeping import keep_facts
from kmodtui.services.origins import origins_of
from kmodtui.services.own_files import read_own_files
from kmodtui.services.planning.configuration import configuration_problems
from kmodtui.services.planning.files import (
    container_note,
    file_notes,
    refused_without_index,
    refused_without_modprobe_d,
)
from kmodtui.services.planning.origins import with_origins
from kmodtui.services.planning.running import running_notes
from kmodtui.services.usage import usage_of

VERBS = (Verb.LOAD, Verb.UNLOAD, Verb.RELOAD)
"""Verbs that load or unload modules by name."""


def read_plan(
    host: Host, release: str, verb: Verb, asked: Sequence[str], parameters: Sequence[str] = ()
) -> Plan:
    """Return what a load, an unload or a reload would do on a system now.

    Args:
        host: the system.
        release: whose modules are meant.
        verb: one of VERBS.
        asked: names of modules, or aliases.
        parameters: `name=value`, for a single module.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    index = index_or_empty(host, release)
    intents = [Intent(verb, tuple(asked), tuple(parameters))]
    facts, _ = read_plan_facts(host, index, intents)
    if read_system(host).release in (None, release):
        facts = with_origins(facts, intents, host, origins_of(host, index))
    types = {}
    for name in parametrized(intents, facts):
        try:
            file = facts.origins.get(name)
            info = read_module_file(host, file.path) if file else index.read_info(name)
        except KmodtuiError:
            continue
        types[name] = {parameter.name: parameter.type for parameter in info.parameters}
    return planned(intents, replace(facts, parameter_types=types), host)


# --- reading ----------------------------------------------------------------------------------


def read_plan_facts(
    host: Host,
    index: ModuleIndex,
    intents: Sequence[Intent],
) -> tuple[PlanFacts, ModprobeConfig]:
    """Return one reading of what plans of these intents need, and modprobe's configuration.

    No module of another release than the running one is loaded, so its loads are planned
    from the beginning.

    Raises:
        KmodtuiError: it cannot be read, or nothing of this release can be unloaded.
    """
    verbs = {intent.verb for intent in intents}
    config = read_modprobe_config(host, *index.folders)
    table = _loaded(host, index, verbs)
    usage = NO_USAGE
    if verbs.intersection((Verb.UNLOAD, Verb.RELOAD, Verb.BLOCK)):
        usage = usage_of(host, index, tuple(table.by_name))
    own = read_own_files(host, config)
    facts = PlanFacts(
        table,
        ConfiguredIndex(index, config),
        config.of(RuleKind.BLACKLIST),
        own,
        _blocking(index, config, own, intents, table),
        keep_facts(host, index, config, own, intents),
        usage,
        shown={
            name: read_parameters(host, name)
            for intent in intents
            if intent.verb is Verb.SET
            for name in intent.names
        },
    )
    return facts, config


def _to_block(intents: Sequence[Intent]) -> dict[str, BlockState]:
    """Return the states that intents give to modules in kmodtui's block file."""
    states = {Verb.BLOCK: BlockState.BLOCKED, Verb.LOG_LOADS: BlockState.LOGGED}
    return {
        canonical(name): states[intent.verb]
        for intent in intents
        if intent.verb in states
        for name in intent.names
    }


def _blocking(
    index: ModuleIndex,
    config: ModprobeConfig,
    own: OwnStates,
    intents: Sequence[Intent],
    table: ModuleTable,
) -> dict[str, BlockFacts]:
    names = _to_block(intents)
    if not names:
        return {}
    now = {name: BlockState(state) for name, state in own[OwnFile.BLOCK].items()}
    states = {**now, **names}
    return block_facts(index, with_blocks(config, states), tuple(names), table.by_name)


def _loaded(host: Host, index: ModuleIndex, verbs: set[Verb]) -> ModuleTable:
    """Return what is loaded; nothing, for a load in a tree without /proc/modules."""
    running = read_system(host).release
    if running not in (None, index.release) and verbs.intersection(VERBS):
        if verbs == {Verb.LOAD}:
            return ModuleTable()
        raise PlanError(
            f"No module of kernel {index.release} is loaded: {running} is running.",
            "Leave --kernel out.",
        )
    try:
        return read_modules(host)
    except KmodtuiError:
        if verbs == {Verb.LOAD} and not host.live:
            return ModuleTable()
        raise


def parametrized(intents: Sequence[Intent], facts: PlanFacts) -> tuple[str, ...]:
    """Return the modules whose parameters a plan is about."""
    names: dict[str, None] = {}
    for intent in intents:
        several = intent.verb is Verb.RELOAD and len(intent.names) > 1
        if intent.verb in VERBS and (intent.parameters or several):
            for text in intent.names:
                found = facts.lookup.find(text)
                names.update(dict.fromkeys(each.name for each in found))
                names.update({} if found else {canonical(text): None})
    return tuple(names)


# --- planning ---------------------------------------------------------------------------------


def planned(intents: Sequence[Intent], facts: PlanFacts, host: Host) -> Plan:
    """Return the plan of facts, with sizes of files and problems of modprobe's configuration.

    Raises:
        KmodtuiError: it cannot be planned; the message says why.
    """
    lookup = facts.modules
    index = lookup.index if isinstance(lookup, ConfiguredIndex) else None
    try:
        plan = plan_intents(intents, facts)
    except UnknownModuleError as error:
        # A module that is not found may exist, and not be in the index yet.
        hints = (error.hint, *map(str, index_problems(index) if index else ()))
        raise UnknownModuleError(error.message, " ".join(filter(None, hints))) from None
    plan = with_danger(with_memory(plan, _sizes(host)), facts)
    if isinstance(lookup, ConfiguredIndex):
        plan = refused_without_modprobe_d(plan, host, lookup.advice)
    if not isinstance(lookup, ConfiguredIndex):
        return plan
    if plan.verb not in VERBS:
        notes = container_note(plan, lookup.advice)
        return replace(plan, warnings=(*notes, *plan.warnings)) if notes else plan
    by_modprobe = _without_files(plan, facts)
    inserted = [step.module for step in by_modprobe.steps if step.action is Action.INSMOD]
    rules = configuration_problems(by_modprobe, lookup)
    problems = (*rules, *index_problems(lookup.index, inserted))
    notes = (
        *container_note(plan, lookup.advice),
        *running_notes(plan, lookup, facts),
        *file_notes(by_modprobe, lookup.index, facts.table),
    )
    plan = replace(plan, warnings=(*notes, *plan.warnings, *map(str, problems)))
    return plan if inserted == [] else refused_without_index(plan, lookup.index)


def _without_files(plan: Plan, facts: PlanFacts) -> Plan:
    """Return a plan without what is not modprobe's: modules that are inserted from a file."""
    names = {*facts.origins, *(file.name for file in facts.files.values())}
    return replace(
        plan,
        targets=tuple(name for name in plan.targets if name not in names),
        steps=tuple(step for step in plan.steps if step.module not in names),
    )


def _sizes(host: Host) -> Callable[[Step], int | None]:
    def size_of(step: Step) -> int | None:
        try:
            return read_module_size(host, step.path) if step.path else None
        except KmodtuiError:
            return None

    return size_of
