"""Plans that block modules, log their loads, or end that, in kmodtui's block file."""

from __future__ import annotations

from kmodtui.model.block.lines import BLOCK_FILE, BlockState
from kmodtui.model.block.way import Barrier, Way, WayKind
from kmodtui.model.block.ways import BlockFacts, evaluate, still_open, ways_in
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.plan import Action, Plan, PlanCommand, Step
from kmodtui.model.plan.verb import Verb


def plan_block(name: str, verb: Verb, facts: PlanFacts) -> Plan:
    """Return the plan to block a module (BLOCK), or to log its loads (LOG_LOADS).

    Raises:
        PlanError: the index of modules cannot be read.
        UnknownModuleError: there is no such module.
    """
    lookup = facts.lookup
    wanted = BlockState.BLOCKED if verb is Verb.BLOCK else BlockState.LOGGED
    if name not in facts.table.by_name and lookup.path_of(name) is None:
        if not lookup.is_builtin(name):
            raise lookup.unknown(name)
        return Plan(
            verb,
            (name,),
            (),
            refused=f"{name} is built into the kernel: no rule of modprobe.d applies to it.",
            remedy="initcall_blacklist=FUNCTION on the kernel command line skips its init "
            "function at boot.",
        )
    ours = facts.blocks.get(name)
    now = evaluate(name, name, lookup)
    if ours is wanted:
        return Plan(verb, (name,), (), nothing_to_do=f"{name} is already {wanted} by kmodtui.")
    if ours is None and verb is Verb.BLOCK and now and now.barrier is Barrier.STOPPED:
        unneeded = f"{name} is already blocked: {now.reason} ({now.source})."
        return Plan(verb, (name,), (), nothing_to_do=unneeded)
    ways = ways_in(name, facts.blocking.get(name, BlockFacts(lookup)))
    if refused := _refused(name, verb, ways, facts):
        return Plan(verb, (name,), (), refused=refused[0], remedy=refused[1], ways=ways)
    action = Action.BLOCK if verb is Verb.BLOCK else Action.LOG_LOADS
    reason = "modprobe fails" if verb is Verb.BLOCK else "logged, then loaded"
    step = Step(action, name, reason, BLOCK_FILE)
    warnings = tuple(
        f"{', '.join(way.subjects)} still {'loads' if len(way.subjects) == 1 else 'load'} {name}: "
        f"{way.reason}{f' ({way.source})' if way.source else ''}."
        for way in still_open(ways)
    )
    commands = (PlanCommand(verb, (name,)),)
    return Plan(verb, (name,), (step,), commands, warnings=warnings, ways=ways)


def _refused(
    name: str, verb: Verb, ways: tuple[Way, ...], facts: PlanFacts
) -> tuple[str, str] | None:
    """Return why the rules would not have the effect, and what to do; None if they have it."""
    (by_name,) = (way for way in ways if way.kind is WayKind.NAME)
    softdep = facts.lookup.softdep(name)
    if verb is Verb.LOG_LOADS:
        if by_name.barrier is Barrier.LOGGED:
            return None
        if softdep.pre or softdep.post:
            return (
                f"Loads of {name} cannot be logged: it has softdeps, and kmod up to 34 ignores "
                "install rules of such modules.",
                "It can be blocked.",
            )
        return (
            f"Loads of {name} cannot be logged: {by_name.reason} ({by_name.source}).",
            "That rule comes first; remove it.",
        )
    if by_name.barrier is Barrier.STOPPED:
        return None
    where = by_name.source or softdep.source
    return (
        f"{name} cannot be blocked: {by_name.reason}{f' ({where})' if by_name.source else ''}.",
        "The first rule counts, in the order of file names: remove that rule"
        f"{f' ({where})' if where else ''}.",
    )


def plan_unblock(name: str, facts: PlanFacts) -> Plan:
    """Return the plan to remove a module from kmodtui's block file."""
    if name not in facts.blocks:
        refused, remedy = f"{name} is not blocked by kmodtui.", ""
        rule = facts.modules.install(name) if facts.modules is not None else None
        if rule is not None:
            remedy = f"It has an install rule ({rule.source}): edit that file as root."
        return Plan(Verb.UNBLOCK, (name,), (), refused=refused, remedy=remedy)
    step = Step(Action.UNBLOCK, name, f"was {facts.blocks[name]}", BLOCK_FILE)
    return Plan(Verb.UNBLOCK, (name,), (step,), (PlanCommand(Verb.UNBLOCK, (name,)),))
