"""Why a build cannot be loaded, in words: cause and remedy."""

from __future__ import annotations

from dataclasses import replace

from kmodtui.errors import KmodtuiError
from kmodtui.model.check.check import Check, Finding, Mark
from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.trouble import Trouble, TroubleKind
from kmodtui.model.plan.plan import Plan
from kmodtui.model.text import clean
from kmodtui.services.watch.changes import MakeResult


def make_failed(result: MakeResult, folder: str) -> Explanation:
    """Return that make has failed, with the lines that say why."""
    how = f"exit status {result.status}" if result.status >= 0 else f"signal {-result.status}"
    return Explanation(
        "make failed",
        f"make in {clean(folder)} ended with {how} after {result.seconds:.1f} s.",
        remedy="Correct the source and save it: make then runs again.",
        output=result.errors,
    )


def not_a_module(error: KmodtuiError) -> Explanation:
    """Return that the file is not a complete module, although it is not written any more."""
    return Explanation("The build is broken", error.message, remedy="Build it again.")


def other_module(path: str, name: str, expected: str) -> Explanation:
    """Return that the file has another module in it now."""
    return Explanation(
        "The file has another module in it",
        f"{clean(path)} contains the module {clean(name)} now, and not {clean(expected)}.",
        remedy=f"Build {clean(expected)} again, or watch the file again.",
    )


def would_be_refused(check: Check, loaded: bool) -> Explanation | None:
    """Return why the kernel would refuse a file; None if it would not, as far as is known."""
    reasons = [
        finding
        for finding in check.findings
        # It is unloaded before.
        if finding.mark is Mark.REFUSES and not (finding.topic == "presence" and loaded)
    ]
    if not reasons:
        return None
    first = reasons[0]
    title = "The kernel would refuse it"
    if any(finding.topic in ("vermagic", "machine") for finding in reasons):
        title = "It was built for another kernel"
    return Explanation(
        title,
        " ".join(finding.text for finding in reasons[:3]),
        remedy=first.remedy or _rebuild(first),
        output=tuple(line for finding in reasons for line in finding.lines)[:10],
    )


def _rebuild(finding: Finding) -> str:
    if finding.topic in ("vermagic", "machine", "layout"):
        return "Rebuild it against the headers of the running kernel."
    return "Correct the source and build it again."


def refused(plan: Plan) -> Explanation:
    """Return why a plan cannot be carried out as things are."""
    return Explanation("It cannot be loaded now", plan.refused, remedy=plan.remedy)


def not_planned(error: KmodtuiError) -> Explanation:
    """Return why there is no plan."""
    return Explanation(error.title, error.message, remedy=error.hint)


def died(name: str, outcome: Explanation, loaded: bool) -> Explanation:
    """Return the outcome of a load during which the kernel reported an oops."""
    stays = f" {clean(name)} can neither be used nor unloaded now." if loaded else ""
    return replace(
        outcome,
        title="The load ended in an oops",
        cause=f"The kernel stopped the load of {clean(name)} in the middle of its code.{stays}",
        remedy="Reboot before the next load: the kernel cannot be relied on until then.",
    )


def stopped(trouble: Trouble) -> str:
    """Return that loading automatically was stopped, and why."""
    what = "an oops" if trouble.kind is TroubleKind.OOPS else "a warning"
    return f"Loading automatically was stopped: the kernel reported {what}."
