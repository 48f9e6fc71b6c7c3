"""Why setting a parameter, or writing the blacklist, ended as it did."""

from __future__ import annotations

import errno as e
from collections.abc import Sequence

from kmodtui.model.explain.code import by_code
from kmodtui.model.explain.error_number import unknown
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
from kmodtui.model.parameters import same_value
from kmodtui.model.plan.plan import BLACKLIST_FILE
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result


def explain_parameter(
    module: str, word: str, result: Result, facts: Facts = NO_FACTS
) -> Explanation:
    """Return why writing a parameter had this result.

    Args:
        module: the parameter's module.
        word: `name=value` as requested.
        result: of the helper.
        facts: of the system.
    """
    key, _, value = word.partition("=")
    path = f"/sys/module/{module}/parameters/{key}"
    now = result.after.get(key)
    shown = (f"{path}: {now}",) if now is not None else ()
    kind = facts.parameters.get(key, "")
    if result.ok:
        was = result.before.get(key)
        before = f" It was {was}." if was is not None else ""
        if now is not None and kind and not same_value(kind, now, value):
            found = Explanation(
                f"{key} of {module} is {now}",
                f"The kernel accepted {value} but shows {now}.{before}",
                shown=shown,
                kind=Kind.WARNING,
            )
        else:
            cause = "Confirmed in /sys." if now is not None else "The kernel accepted it."
            if now not in (None, value) and not kind:
                cause = f"The kernel accepted it and shows {now}."
            found = Explanation(
                f"Set {key} of {module} to {value}", cause + before, shown=shown, kind=Kind.DONE
            )
        return cleaned(found)
    case = Case(Verb.SET, (canonical(module),), result, facts)
    return cleaned(by_code(case) or _refused(case, key, value, kind, path) or unknown(case))


def _refused(case: Case, key: str, value: str, kind: str, path: str) -> Explanation | None:
    name = case.name
    match case.result.errno:
        case e.EINVAL | e.ERANGE | e.ENOSPC | e.EOVERFLOW:
            wanted = f", which is of type {kind}" if kind else ""
            return Explanation(
                f"Wrong value for {key}",
                f"{name} does not accept {value!r} for its parameter {key}{wanted}.",
                remedy="The parameter is unchanged. Give it another value.",
                evidence=case.evidence,
            )
        case e.EACCES | e.EPERM | e.EROFS:
            return Explanation(
                f"{key} cannot be changed now",
                f"{path} is read-only: {name} only reads {key} when it is loaded, or the "
                "kernel is locked down.",
                remedy=f"Reload {name} with the new value.",
            )
        case e.ENOENT | e.ENODEV:
            return Explanation(
                f"{name} has no parameter {key} in /sys",
                f"There is no {path}: {name} was unloaded in the meantime, or does not show this "
                "parameter.",
                remedy=f"Reload {name} with the new value, if it is loaded.",
            )
    return None


def explain_blacklist(
    names: Sequence[str], result: Result, facts: Facts = NO_FACTS, *, back: bool = False
) -> Explanation:
    """Return why writing the blacklist had this result.

    Args:
        names: the modules.
        result: of the helper.
        facts: of the system; `blacklisted_by` as it is now.
        back: whether they were to be removed from it.
    """
    verb = Verb.UNBLACKLIST if back else Verb.BLACKLIST
    case = Case(verb, tuple(map(canonical, names)), result, facts)
    modules = ", ".join(case.names)
    if not result.ok:
        return cleaned(not_written(case, BLACKLIST_FILE))
    if not back:
        loaded = [name for name in case.names if name in facts.loaded]
        stay = "stays" if len(loaded) == 1 else "stay"
        until = "it is" if len(loaded) == 1 else "they are"
        stays = f" {', '.join(loaded)} {stay} loaded until {until} unloaded." if loaded else ""
        return cleaned(
            Explanation(
                f"Blacklisted {modules}",
                f"It is no longer loaded automatically when its hardware is found.{stays}",
                shown=tuple(f"{BLACKLIST_FILE}: blacklist {name}" for name in case.names),
                remedy="It can still be loaded by its name, as a dependency of another module, "
                "and from the initramfs until that is rebuilt.",
                kind=Kind.DONE,
            )
        )
    left = [rule for name in case.names for rule in facts.blacklisted_by.get(name, ())]
    if left:
        return cleaned(
            Explanation(
                f"{modules} is still blacklisted elsewhere",
                f"{BLACKLIST_FILE} no longer names it, but other rules do.",
                shown=tuple(left),
                remedy="kmodtui only changes its own file: edit that one as root.",
                kind=Kind.WARNING,
            )
        )
    return cleaned(
        Explanation(
            f"Removed {modules} from the blacklist",
            "It may again be loaded automatically when its hardware is found.",
            kind=Kind.DONE,
        )
    )
