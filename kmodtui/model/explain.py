"""Why a change of the kernel's modules ended as it did: cause, evidence and remedy, in sentences.

The judgement rests on the errno, the kernel's own log lines and the state of
the modules, never on a tool's English. The kernel's log is looked at first,
because one errno has a dozen causes; then the state; then the errno.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import ElevationError, KmodtuiError
from kmodtui.model.explain_code import by_code
from kmodtui.model.explain_errno import by_errno, by_lock, unknown
from kmodtui.model.explain_log import explain_log
from kmodtui.model.explain_state import by_state
from kmodtui.model.explanation import (
    LOADS,
    NO_FACTS,
    PAST,
    Answer,
    Case,
    Explanation,
    Facts,
    Kind,
    LogLine,
    Operation,
    speaker,
)
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean

__all__ = [
    "NO_FACTS",
    "Answer",
    "Explanation",
    "Facts",
    "Kind",
    "LogLine",
    "Operation",
    "explain",
    "explain_error",
]


def explain(
    operation: Operation, names: Sequence[str], answer: Answer, facts: Facts = NO_FACTS
) -> Explanation:
    """Return why the helper's answer to a change of the modules `names` is what it is.

    For parameters and blacklists see `explain_change`.
    """
    half = operation
    if operation == "reload":
        # Whether the module is there tells which half of it has failed.
        there = all(canonical(name) in facts.loaded for name in names)
        half = "unload" if there else "load"
    case = Case(half, tuple(map(canonical, names)), answer, facts)
    if answer.ok:
        return _done(case, operation)
    found = (
        by_code(case)
        or (explain_log(case) if half in LOADS else None)
        or (by_state(case) if half == "unload" else None)
        or by_lock(case)
        or (by_errno(case) if half in LOADS else None)
        or unknown(case)
    )
    if not (found.evidence or found.output or found.shown):
        log = case.evidence
        found = replace(found, evidence=log, output=() if log else case.last_output)
    cause = found.cause
    if operation == "reload" and half == "load" and not answer.after.get(case.names[0]):
        cause += f" {case.names[0]} was unloaded for it, and is not loaded now."
    return replace(found, title=clean(found.title), cause=clean(cause), remedy=clean(found.remedy))


def explain_error(operation: Operation, names: Sequence[str], error: KmodtuiError) -> Explanation:
    """Return what an error of the helper or of getting root means for a change."""
    whom = ", ".join(names)
    if isinstance(error, ElevationError):
        outcome = f"{whom} was not {PAST[operation]}."  # nobody has touched the kernel
    else:
        outcome = f"{whom} was to be {PAST[operation]}."
    return Explanation(
        error.title,
        clean(f"{error.message} {outcome}"),
        (),
        clean(error.hint),
    )


# --- it worked ----------------------------------------------------------------------------

_IGNORED = re.compile(r"^[^:]+: unknown parameter '([^']*)' ignored")


def _done(case: Case, operation: Operation) -> Explanation:
    took = f"{case.answer.took:.2f} s"
    title = f"{PAST[operation].capitalize()} {', '.join(case.names)}"
    inserted = case.asked.union(case.tried)
    # Others load modules at the same moment: what the kernel said of theirs is left out.
    ours = [text for text in case.texts if speaker(text) in inserted.union(("",))]
    ignored = [(speaker(text), found[1], text) for text in ours if (found := _IGNORED.match(text))]
    if not ignored:
        taints = tuple(clean(text) for text in ours if re.search(r"taint", text))
        return Explanation(
            clean(title), f"The kernel shows it. It took {took}.", taints, "", Kind.DONE
        )
    named = ", ".join(parameter for _, parameter, _ in ignored)
    causes = [f"{module} has no parameter {parameter}" for module, parameter, _ in ignored]
    own = [parameter for module, parameter, _ in ignored if module in case.asked]
    hints = "".join(case.near(parameter, case.facts.parameters) for parameter in own)
    return Explanation(
        clean(f"{title}, but {named} did nothing"),
        clean(f"{', '.join(causes)}; the kernel passes over such a one, and only its log says so."),
        tuple(clean(text) for _, _, text in ignored),
        clean(f"Look at the module's parameters.{hints} Reload it to set them."),
        Kind.WARNING,
    )
