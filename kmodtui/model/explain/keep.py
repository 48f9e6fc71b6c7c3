"""Why keeping modules and options for the next boot ended as it did, with the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kmodtui.model.about.facts import Listing
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
from kmodtui.model.own_file import OwnFile
from kmodtui.model.parameters import key_of
from kmodtui.model.plan.own_change import own_change
from kmodtui.model.plan.plan import Option, PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result


@dataclass(frozen=True, slots=True)
class KeepProof:
    """What the system shows of one module after a change, read again.

    Attributes:
        module: its name.
        at_boot: whether kmodtui's list names it.
        listings: all places that have it loaded at boot.
        settings: the option in effect for each parameter.
        printed: the line of `modprobe --show-depends` that inserts it; empty if it was not run.
    """

    module: str
    at_boot: bool
    listings: tuple[Listing, ...] = ()
    settings: Mapping[str, Option] = field(default_factory=dict)
    printed: str = ""


def explain_keep(
    requests: Sequence[PlanCommand],
    result: Result,
    proofs: Sequence[KeepProof],
    facts: Facts = NO_FACTS,
) -> Explanation:
    """Return the outcome of a change of what is kept.

    Args:
        requests: those that were made, in order.
        result: of the last one; the others succeeded.
        proofs: what the system shows afterwards of each module.
        facts: of the system.
    """
    last = requests[-1]
    if not result.ok:
        case = Case(last.verb, tuple(map(canonical, last.names)), result, facts)
        file, _ = own_change(last.verb)
        found = not_written(case, file)
        return cleaned(replace(found, cause=f"{found.cause}{_done_before(requests)}"))
    shown = tuple(line for proof in proofs for line in _lines(proof))
    names = ", ".join(proof.module for proof in proofs)
    ineffective = _ineffective(requests, {proof.module: proof for proof in proofs})
    if ineffective:
        return cleaned(
            Explanation(
                f"{names} is not kept as planned",
                f"kmodtui's file was written, but {ineffective[0]}.",
                shown=shown,
                remedy="Another rule was added meanwhile: change it, or undo this.",
                kind=Kind.WARNING,
            )
        )
    if any(request.verb in (Verb.KEEP, Verb.KEEP_OPTIONS) for request in requests):
        return cleaned(
            Explanation(
                f"Kept {names}", _kept(requests, proofs), shown=shown, kind=Kind.DONE,
                remedy=_remedy(requests, facts),
            )
        )  # fmt: skip
    return cleaned(_forgotten(names, requests, proofs, shown))


def _done_before(requests: Sequence[PlanCommand]) -> str:
    """Return what was changed before a request failed, as a sentence."""
    done = [own_change(request.verb)[0] for request in requests[:-1]]
    was = "was" if len(done) == 1 else "were"
    return f" Before that, {' and '.join(done)} {was} changed." if done else ""


def _kept(requests: Sequence[PlanCommand], proofs: Sequence[KeepProof]) -> str:
    sentences = []
    if any(request.verb is Verb.KEEP for request in requests):
        sentences.append("It is loaded at every boot.")
    options = [request for request in requests if request.verb is Verb.KEEP_OPTIONS]
    if options:
        words = "; ".join(" ".join(request.parameters) for request in options)
        sentences.append(f"It gets {words} whenever modprobe loads it.")
    verified = "The files were read again"
    if options and all(proof.printed for proof in proofs):
        verified += ", and modprobe --show-depends passes the options"
    return " ".join((*sentences, f"{verified}."))


def _remedy(requests: Sequence[PlanCommand], facts: Facts) -> str:
    loaded = [
        name
        for request in requests
        for name in request.names
        if request.verb is Verb.KEEP_OPTIONS and name in facts.loaded
    ]
    return f"Reload {', '.join(loaded)} to use the options now." if loaded else ""


def _ineffective(
    requests: Sequence[PlanCommand], proofs: Mapping[str, KeepProof]
) -> tuple[str, ...]:
    """Return what does not have the intended effect, a clause each."""
    found = []
    for request in requests:
        for name in map(canonical, request.names):
            proof = proofs[name]
            if request.verb is Verb.KEEP and not any(_ours(each) for each in proof.listings):
                found.append(f"nothing has {name} loaded at boot")
            if request.verb is Verb.KEEP_OPTIONS:
                found += _overridden(request.parameters, proof)
    return tuple(found)


def _overridden(options: Sequence[str], proof: KeepProof) -> list[str]:
    found = []
    for option in options:
        now = proof.settings.get(key_of(option.partition("=")[0]))
        if now is None or now.text != option:
            other = f"{now.text} is set by {now.source}" if now else "no rule sets it"
            found.append(f"{option} has no effect: {other}")
        elif proof.printed and option not in proof.printed.split():
            found.append(f"modprobe --show-depends does not pass {option}")
    return found


def _ours(listing: Listing) -> bool:
    return listing.source.startswith(f"{OwnFile.BOOT}:")


def _forgotten(
    names: str, requests: Sequence[PlanCommand], proofs: Sequence[KeepProof], shown: Sequence[str]
) -> Explanation:
    boot = any(request.verb is Verb.FORGET for request in requests)
    left = [each.source for proof in proofs for each in proof.listings] if boot else []
    if left:
        return Explanation(
            f"{names} is still loaded at boot",
            f"{OwnFile.BOOT} no longer names it, but {', '.join(left)} does.",
            shown=tuple(shown),
            remedy="kmodtui only changes its own files: edit that one as root.",
            kind=Kind.WARNING,
        )
    cause = "It is no longer loaded at every boot." if boot else ""
    if any(request.verb is Verb.FORGET_OPTIONS for request in requests):
        cause += " kmodtui no longer sets options of it."
    return Explanation(
        f"Forgot {names}", f"{cause.strip()} The files were read again.", shown=tuple(shown),
        kind=Kind.DONE,
    )  # fmt: skip


def _lines(proof: KeepProof) -> list[str]:
    lines = [f"{listing.source}: {listing.line}" for listing in proof.listings]
    lines += [
        f"{option.source}: {proof.module} {option.text}" for option in proof.settings.values()
    ]
    if proof.printed:
        lines.append(f"modprobe --show-depends {proof.module}: {proof.printed}")
    return lines
