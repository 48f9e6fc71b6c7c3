"""Why a change of the kernel's modules ended as it did: cause, evidence and remedy, in sentences.

The cause is found from the errno, the kernel's own log records and the state of the
modules, never from the English of another program. The kernel log comes first, because
one errno has a dozen causes; then the state; then the errno.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import ElevationError, KmodtuiError
from kmodtui.model.explain.code import by_code
from kmodtui.model.explain.error_number import by_errno, by_lock, unknown
from kmodtui.model.explain.explanation import (
    LOADS,
    NO_FACTS,
    Case,
    Explanation,
    Facts,
    Kind,
    speaker,
)
from kmodtui.model.explain.log import explain_log
from kmodtui.model.explain.state import by_state
from kmodtui.model.modules import kernel_spelling
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.model.text import clean

__all__ = [
    "NO_FACTS",
    "Explanation",
    "Facts",
    "Kind",
    "explain",
    "explain_error",
]


def explain(
    verb: Verb, names: Sequence[str], result: Result, facts: Facts = NO_FACTS
) -> Explanation:
    """Return why a change of the modules `names` had this result.

    For parameters and blacklists see `explain_change`.
    """
    half = verb
    if verb is Verb.RELOAD:
        # Whether the module is loaded shows which half of the reload failed.
        loaded = all(kernel_spelling(name) in facts.loaded for name in names)
        half = Verb.UNLOAD if loaded else Verb.LOAD
    case = Case(half, tuple(map(kernel_spelling, names)), result, facts)
    if result.ok:
        return _done(case, verb)
    found = (
        by_code(case)
        or (explain_log(case) if half in LOADS else None)
        or (by_state(case) if half is Verb.UNLOAD else None)
        or by_lock(case)
        or (by_errno(case) if half in LOADS else None)
        or unknown(case)
    )
    if not (found.evidence or found.output or found.shown):
        log = case.evidence
        found = replace(found, evidence=log, output=() if log else case.last_output)
    cause = found.cause
    if verb is Verb.RELOAD and half is Verb.LOAD and not result.after.get(case.names[0]):
        cause += f" The reload had unloaded {case.names[0]}; it is not loaded now."
    return replace(found, title=clean(found.title), cause=clean(cause), remedy=clean(found.remedy))


def explain_error(verb: Verb, names: Sequence[str], error: KmodtuiError) -> Explanation:
    """Return what an error of the helper, or of becoming root, means for a change."""
    modules = ", ".join(names)
    if isinstance(error, ElevationError):
        outcome = f"{modules} was not {verb.past}."  # no request has reached the kernel
    else:
        outcome = f"Requested: {verb.infinitive(modules)}."
    return Explanation(
        error.title,
        clean(f"{error.message} {outcome}"),
        (),
        clean(error.hint),
    )


# --- success ------------------------------------------------------------------------------

_IGNORED = re.compile(r"^[^:]+: unknown parameter '([^']*)' ignored")


def _done(case: Case, verb: Verb) -> Explanation:
    took = f"{case.result.took:.2f} s"
    title = f"{verb.past.capitalize()} {', '.join(case.names)}"
    inserted = case.asked.union(case.tried)
    # Others may load modules at the same moment: records about theirs are left out.
    ours = [text for text in case.texts if speaker(text) in inserted.union(("",))]
    ignored = [(speaker(text), found[1], text) for text in ours if (found := _IGNORED.match(text))]
    if not ignored:
        taints = tuple(clean(text) for text in ours if re.search(r"taint", text))
        return Explanation(
            clean(title), f"Confirmed in /proc/modules. It took {took}.", taints, "", Kind.DONE
        )
    named = ", ".join(parameter for _, parameter, _ in ignored)
    causes = [f"{module} has no parameter {parameter}" for module, parameter, _ in ignored]
    own = [parameter for module, parameter, _ in ignored if module in case.asked]
    hints = "".join(case.near(parameter, case.facts.parameters) for parameter in own)
    one = len(ignored) == 1
    return Explanation(
        clean(f"{title}, but {named} {'was' if one else 'were'} ignored"),
        clean(
            f"{', '.join(causes)}. The kernel ignored the unknown "
            f"{'parameter' if one else 'parameters'} and only logged a warning."
        ),
        tuple(clean(text) for _, _, text in ignored),
        clean(f"Check the module's parameters.{hints} Reload it to set them."),
        Kind.WARNING,
    )
