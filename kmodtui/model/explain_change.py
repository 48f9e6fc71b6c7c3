"""What came of a parameter that was set, or a blacklist that was written."""

from __future__ import annotations

import errno as e
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.model.explain_code import by_code
from kmodtui.model.explain_errno import unknown
from kmodtui.model.explanation import NO_FACTS, Answer, Case, Explanation, Facts, Kind, Operation
from kmodtui.model.modules import canonical
from kmodtui.model.parameters import same_value
from kmodtui.model.plan import BLACKLIST_FILE
from kmodtui.model.text import clean


def explain_parameter(
    module: str, word: str, answer: Answer, facts: Facts = NO_FACTS
) -> Explanation:
    """Return why the answer to writing a parameter is what it is.

    Args:
        module: whose parameter it is.
        word: `name=value` as it was to be.
        answer: of the helper.
        facts: of the system.
    """
    key, _, value = word.partition("=")
    path = f"/sys/module/{module}/parameters/{key}"
    now = answer.after.get(key)
    shown = (f"{path}: {now}",) if now is not None else ()
    kind = facts.parameters.get(key, "")
    if answer.ok:
        was = answer.before.get(key)
        before = f" It was {was}." if was is not None else ""
        if now is not None and kind and not same_value(kind, now, value):
            found = Explanation(
                f"{key} of {module} is {now}",
                f"The kernel took {value} and made {now} of it.{before}",
                shown=shown,
                kind=Kind.WARNING,
            )
        else:
            cause = "The kernel shows it." if now is not None else "The kernel took it."
            if now not in (None, value) and not kind:
                cause = f"The kernel took it and shows {now}."
            found = Explanation(
                f"Set {key} of {module} to {value}", cause + before, shown=shown, kind=Kind.DONE
            )
        return _clean(found)
    case = Case("set", (canonical(module),), answer, facts)
    return _clean(by_code(case) or _refused(case, key, value, kind, path) or unknown(case))


def _refused(case: Case, key: str, value: str, kind: str, path: str) -> Explanation | None:
    name = case.name
    match case.answer.errno:
        case e.EINVAL | e.ERANGE | e.ENOSPC | e.EOVERFLOW:
            wanted = f", which is of type {kind}" if kind else ""
            return Explanation(
                f"Wrong value for {key}",
                f"{name} does not take {value!r} for its parameter {key}{wanted}.",
                remedy=f"Give {key} another value; it is what it was.",
                evidence=case.evidence,
            )
        case e.EACCES | e.EPERM | e.EROFS:
            return Explanation(
                f"{key} cannot be changed now",
                f"{path} may not be written: {name} takes {key} only when it is loaded, or the "
                "kernel is locked down.",
                remedy=f"Reload {name} with the new value.",
            )
        case e.ENOENT | e.ENODEV:
            return Explanation(
                f"{name} shows no parameter {key}",
                f"There is no {path}: {name} was unloaded meanwhile, or hides this parameter.",
                remedy=f"Reload {name} with the new value, if it is loaded.",
            )
    return None


def explain_blacklist(
    names: Sequence[str], answer: Answer, facts: Facts = NO_FACTS, *, back: bool = False
) -> Explanation:
    """Return why the answer to writing the blacklist is what it is.

    Args:
        names: the modules.
        answer: of the helper.
        facts: of the system; `blacklisted_by` as it is now.
        back: whether they were to be taken off it.
    """
    operation: Operation = "unblacklist" if back else "blacklist"
    case = Case(operation, tuple(map(canonical, names)), answer, facts)
    whom = ", ".join(case.names)
    if not answer.ok:
        found = by_code(case) or unknown(case)
        return _clean(replace(found, shown=found.shown or (BLACKLIST_FILE,)))
    if not back:
        loaded = [name for name in case.names if name in facts.loaded]
        stays = f" {', '.join(loaded)} stays loaded until it is unloaded." if loaded else ""
        return _clean(
            Explanation(
                f"Blacklisted {whom}",
                f"It is no longer loaded by itself when its hardware is found.{stays}",
                shown=tuple(f"{BLACKLIST_FILE}: blacklist {name}" for name in case.names),
                remedy="It can still be loaded by its name, by a module that needs it, and from "
                "the initramfs until that is made anew.",
                kind=Kind.DONE,
            )
        )
    left = [rule for name in case.names for rule in facts.blacklisted_by.get(name, ())]
    if left:
        return _clean(
            Explanation(
                f"{whom} is still blacklisted elsewhere",
                f"{BLACKLIST_FILE} does not name it any more, but other rules do.",
                shown=tuple(left),
                remedy="kmodtui changes no file but its own: edit that one as root.",
                kind=Kind.WARNING,
            )
        )
    return _clean(
        Explanation(
            f"Took {whom} off the blacklist",
            "It may be loaded by itself again when its hardware is found.",
            kind=Kind.DONE,
        )
    )


def _clean(found: Explanation) -> Explanation:
    return replace(
        found,
        title=clean(found.title),
        cause=clean(found.cause),
        remedy=clean(found.remedy),
        shown=tuple(map(clean, found.shown)),
    )
