"""Why blocking modules ended as it did, with the proof that they are blocked."""

from __future__ import annotations

from collections.abc import Sequence

from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.model.block.proof import Proof
from kmodtui.model.block.way import Barrier, WayKind
from kmodtui.model.explain.explanation import (
    NO_FACTS,
    Case,
    Explanation,
    Facts,
    Kind,
    cleaned,
)
from kmodtui.model.explain.own_file import not_written
from kmodtui.model.modules import canonical
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.model.text import counted, listed

_SHOWN = 6


def explain_block(
    verb: Verb,
    names: Sequence[str],
    result: Result,
    proofs: Sequence[Proof] = (),
    facts: Facts = NO_FACTS,
) -> Explanation:
    """Return the outcome of a change of kmodtui's block file.

    Args:
        verb: BLOCK, LOG_LOADS or UNBLOCK.
        names: the modules.
        result: of the helper.
        proofs: what was found afterwards, for each module; none for UNBLOCK.
        facts: of the system.
    """
    case = Case(verb, tuple(map(canonical, names)), result, facts)
    if not result.ok:
        return cleaned(not_written(case, BLOCK_FILE))
    if verb is Verb.UNBLOCK:
        return cleaned(_unblocked(case))
    if verb is Verb.LOG_LOADS:
        return cleaned(_logged(case, proofs))
    return cleaned(_blocked(case, proofs))


def _blocked(case: Case, proofs: Sequence[Proof]) -> Explanation:
    open_ = [proof for proof in proofs if not proof.blocked]
    modules = listed(case.names)
    if not proofs or open_:
        reasons = [_why_open(proof) for proof in open_[:_SHOWN]] or [
            "The index of modules cannot be read."
        ]
        subject = listed([proof.module for proof in open_]) or modules
        return Explanation(
            f"{subject} is not blocked",
            f"{BLOCK_FILE} was written, but: {' '.join(reasons)}",
            shown=_rules(proofs),
            remedy="Remove the rule that comes first, or undo this block.",
        )
    cause = _verified(proofs)
    it = "it" if len(case.names) == 1 else "them"
    failing = sorted(
        {
            name
            for proof in proofs
            for way in proof.ways
            if way.kind is WayKind.DEPENDENCY and way.barrier is Barrier.STOPPED
            for name in way.subjects
        }.difference(case.names)
    )
    if failing:
        more = f" and {len(failing) - _SHOWN} more" if len(failing) > _SHOWN else ""
        shown = f"{', '.join(failing[:_SHOWN])}{more}"
        cause += f" These depend on {it} and fail to load, too: {shown}."
    loaded = [name for name in case.names if name in case.facts.loaded]
    if loaded:
        cause += f" {listed(loaded)} {'is' if len(loaded) == 1 else 'are'} still loaded."
    return Explanation(
        f"Blocked {modules}",
        cause,
        shown=_rules(proofs),
        remedy=f"root can still load {it} with insmod or modprobe --ignore-install. If an "
        f"initramfs contains {it}, rebuild the initramfs.",
        kind=Kind.DONE,
    )


def _verified(proofs: Sequence[Proof]) -> str:
    """Return how it was verified that the modules are blocked."""
    if not all(proof.tried for proof in proofs):
        return "Verified by evaluating the rules of modprobe.d as kmod does."
    aliases = sum(len(proof.tried) - 1 for proof in proofs)
    one = len(proofs) == 1
    name, it = ("its name", "it") if one else ("their names", "them")
    texts = f"{'its' if one else 'their'} {counted(aliases, 'alias', 'aliases')}"
    either = f"neither {name} nor {texts} loads {it}" if aliases else f"{name} does not load {it}"
    return f"Verified with modprobe --show-depends: {either}."


def _why_open(proof: Proof) -> str:
    if proof.loads:
        return f"modprobe --show-depends says that {', '.join(proof.loads[:_SHOWN])} would load it."
    ways = proof.open_ways
    if not ways:
        return f"{proof.module}: its name is not stopped."
    way = ways[0]
    source = f" ({way.source})" if way.source else ""
    return f"{', '.join(way.subjects[:_SHOWN])} would load it: {way.reason}{source}."


def _logged(case: Case, proofs: Sequence[Proof]) -> Explanation:
    modules = listed(case.names)
    others = [proof for proof in proofs if proof.by_name is not Barrier.LOGGED]
    if others:
        return Explanation(
            f"Loads of {listed([proof.module for proof in others])} are not logged",
            f"{BLOCK_FILE} was written, but another rule comes first.",
            shown=_rules(others),
            remedy="Remove that rule, or undo this change.",
        )
    return Explanation(
        f"Loads of {modules} are logged",
        "modprobe writes a line to syslog, then loads the module as before.",
        shown=_rules(proofs),
        remedy="Read them with: journalctl -t kmodtui, or in the auth log of syslog.",
        kind=Kind.DONE,
    )


def _unblocked(case: Case) -> Explanation:
    modules = listed(case.names)
    left = [
        f"{name}: {case.facts.install_rules[name]}"
        for name in case.names
        if name in case.facts.install_rules
    ]
    if left:
        return Explanation(
            f"{modules} still has an install rule elsewhere",
            f"{BLOCK_FILE} no longer names it, but another file does.",
            shown=tuple(left),
            remedy="kmodtui only changes its own files: edit that one as root.",
            kind=Kind.WARNING,
        )
    return Explanation(f"Unblocked {modules}", "It can be loaded again.", kind=Kind.DONE)


def _rules(proofs: Sequence[Proof]) -> tuple[str, ...]:
    lines: list[str] = []
    for proof in proofs[:_SHOWN]:
        lines += proof.rules
        if proof.tried and (proof.printed or len(proofs) <= _SHOWN):
            lines.append(
                f"modprobe --show-depends {proof.module}: {proof.printed or 'prints nothing'}"
            )
    if len(proofs) > _SHOWN:
        lines.append(f"… and the rules of {counted(len(proofs) - _SHOWN, 'other module')}")
    return tuple(lines)
