"""The outcome of a plan: one explanation of all its results, from what the system shows now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import HelperDiedError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.explain.block import explain_block
from kmodtui.model.explain.change import explain_blacklist, explain_parameter
from kmodtui.model.explain.explain import Explanation, Facts, Kind, explain, explain_error
from kmodtui.model.explain.keep import explain_keep
from kmodtui.model.modules import kernel_spelling
from kmodtui.model.plan.own_change import KEEPING, OWN_CHANGES
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import counted
from kmodtui.services.blocking import prove
from kmodtui.services.keeping import prove_kept
from kmodtui.services.machine import Machine
from kmodtui.services.planning.facts import read_facts
from kmodtui.services.planning.requests import Answered


def after_death(machine: Machine, plan: Plan, error: HelperDiedError) -> Explanation:
    """Return the error with what the kernel shows now: the request may have taken effect."""
    explanation = explain_error(plan.verb, plan.targets, error)
    table = read_modules(machine.host).by_name
    now = "".join(
        f" {name} is {'loaded' if name in table else 'not loaded'} now." for name in plan.targets
    )
    if plan.verb is Verb.SET:
        shown = {p.name: p.value for p in read_parameters(machine.host, plan.target)}
        keys = [word.partition("=")[0] for word in plan.parameters]
        now = "".join(f" {key} is {shown[key]} now." for key in keys if shown.get(key) is not None)
    elif plan.verb in OWN_CHANGES:
        now = ""
    return replace(explanation, cause=f"{explanation.cause}{now}", unknown=True)


def explained(machine: Machine, plan: Plan, answered: Answered) -> Explanation:
    """Return the outcome of results, of which there is at least one. Reads files."""
    request, result = answered[-1]
    name = kernel_spelling(result.subject or plan.target)
    facts = read_facts(machine, plan, name, [result for _, result in answered])
    if plan.verb is Verb.SET:
        return _merged(
            [explain_parameter(c.names[0], c.parameters[0], r, facts) for c, r in answered]
        )
    if plan.verb in (Verb.BLACKLIST, Verb.UNBLACKLIST):
        back = plan.verb is Verb.UNBLACKLIST
        return explain_blacklist(request.names, result, facts, back=back)
    if plan.verb in (Verb.BLOCK, Verb.LOG_LOADS, Verb.UNBLOCK):
        return _explained_block(machine, plan, answered, facts)
    if plan.verb in KEEPING:
        return _explained_keep(machine, answered, facts)
    if kept := [each for each in answered if each[0].verb in KEEPING]:
        return _with_kept(machine, plan, answered[: -len(kept)], kept, facts)
    verb = plan.verb
    if result.ok:
        whole = replace(
            result,
            log=tuple(record for _, each in answered for record in each.log),
            output="".join(each.output for _, each in answered),
            took=sum(each.took for _, each in answered),
        )
        return explain(verb, plan.targets, whole, facts)
    names = request.modules
    if plan.verb is Verb.INSERT and request.verb is Verb.LOAD:
        verb = Verb.LOAD  # of a module that the file depends on
    outcome = explain(verb, names, result, facts)
    done = [name for command, each in answered if each.ok for name in command.modules]
    if done and plan.verb is Verb.UNLOAD:
        before = f"Before that, {_with_was(done)} unloaded."
        outcome = replace(outcome, cause=f"{outcome.cause} {before}")
    return outcome


def _explained_block(machine: Machine, plan: Plan, answered: Answered, facts: Facts) -> Explanation:
    """Return the outcome of a block, which is proven by the rules and by a dry run of modprobe."""
    rules = [(command, result) for command, result in answered if command.verb is not Verb.UNLOAD]
    names = [name for command, _ in rules for name in command.names]
    proofs = prove(machine, names) if plan.verb is not Verb.UNBLOCK else ()
    outcome = explain_block(plan.verb, names, rules[-1][1], proofs, facts)
    if not rules[-1][1].ok and (done := sum(len(c.names) for c, result in rules if result.ok)):
        before = f"Before that, {counted(done, 'module')} were {plan.verb.past}."
        outcome = replace(outcome, cause=f"{outcome.cause} {before}")
    command, result = answered[-1]
    if command.verb is not Verb.UNLOAD:
        return outcome
    unloaded = explain(Verb.UNLOAD, command.names, result, facts)
    return replace(
        outcome,
        title=f"{outcome.title}. {unloaded.title}",
        cause=f"{outcome.cause} {unloaded.cause}",
        evidence=unloaded.evidence,
        kind=outcome.kind if result.ok else Kind.WARNING,
    )


def _explained_keep(machine: Machine, answered: Answered, facts: Facts) -> Explanation:
    """Return the outcome of a change of what is kept, which is read again."""
    requests = [command for command, _ in answered]
    proofs = prove_kept(machine, [name for command in requests for name in command.names])
    return explain_keep(requests, answered[-1][1], proofs, facts)


def _with_kept(
    machine: Machine, plan: Plan, loaded: Answered, kept: Answered, facts: Facts
) -> Explanation:
    """Return the outcome of a load that was kept for the next boot as well."""
    load = explained(machine, plan, loaded)
    keep = _explained_keep(machine, kept, facts)
    return replace(
        load,
        title=f"{load.title}. {keep.title}",
        cause=f"{load.cause} {keep.cause}",
        remedy=f"{load.remedy} {keep.remedy if keep.kind is not Kind.DONE else ''}".strip(),
        shown=(*load.shown, *keep.shown),
        kind=keep.kind if keep.kind is Kind.DONE else Kind.WARNING,
    )


def _with_was(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"


def with_loaded(outcome: Explanation, names: Sequence[str], undo: str) -> Explanation:
    """Return a failed load with the modules that it has loaded nevertheless.

    Args:
        outcome: the failure.
        names: the modules.
        undo: how to unload them, before `it` or `them`; empty where that is not possible.
    """
    if not names:
        return outcome
    one = len(names) == 1
    back = f"{undo} {'it' if one else 'them'}" if undo else ""
    loaded = f"{_with_was(names)} loaded before that and {'stays' if one else 'stay'} loaded{back}."
    return replace(outcome, cause=f"{outcome.cause} {loaded}")


def _merged(outcomes: Sequence[Explanation]) -> Explanation:
    """Return several explanations as one, with the title of the first that is not a success."""
    if len(outcomes) == 1:
        return outcomes[0]
    wrong = next((one for one in outcomes if one.kind is not Kind.DONE), None)
    shown = tuple(line for one in outcomes for line in one.shown)
    if wrong is None:
        title = f"Set {counted(len(outcomes), 'parameter')}"
        return replace(outcomes[0], title=title, cause="Confirmed in /sys.", shown=shown)
    done = sum(one.kind is Kind.DONE for one in outcomes)
    was = "was" if done == 1 else "were"
    more = f" {counted(done, 'other parameter')} {was} set." if done else ""
    return replace(wrong, cause=f"{wrong.cause}{more}", shown=shown)
