"""What was changed through kmodtui, and what takes it back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kmodtui.model.intent import Intent
from kmodtui.model.plan import Plan
from kmodtui.model.text import clean
from kmodtui.model.verb import Verb

_NO_UTF8 = re.compile(r"\\x[89a-f][0-9a-f]")
"""How a byte is told that is no UTF-8."""


@dataclass(frozen=True, slots=True)
class Done:
    """One change that was made.

    Attributes:
        words: what it was: `load of btrfs`.
        back: what takes it back, in order; all of one verb. Empty if nothing does.
        lost: sentences about what cannot be put back as it was; empty if all can.
    """

    words: str
    back: tuple[Intent, ...]
    lost: tuple[str, ...] = ()


def why_lost(was: str | None) -> str:
    r"""Return why a parameter's value cannot be put back, in a few words; empty if it can.

    Args:
        was: the value as the kernel showed it, with bytes that are no UTF-8 as `\xNN`;
            None if it did not.
    """
    if was is None:
        return "could not be read"
    if was == "":
        return "was empty, which cannot be given again"
    if was == "(null)":
        return "was not set at all, which the kernel shows as (null)"
    if clean(was) != was or _NO_UTF8.search(was):
        return "has characters that cannot be given again"
    return ""


def loaded(words: str, came: Sequence[str]) -> Done | None:
    """Return how to take a load back: everything that came goes, the newest first.

    Args:
        words: what was done.
        came: modules that were not there before and are now, the kernel's order.
    """
    return Done(words, (Intent(Verb.UNLOAD, tuple(came)),)) if came else None


def unloaded(
    words: str,
    targets: Collection[str],
    went: Sequence[str],
    given: Mapping[str, tuple[str, ...]],
    brought: Collection[str],
) -> Done | None:
    """Return how to take an unload back: everything that went comes, with its parameters.

    Args:
        words: what was done.
        targets: the modules that were asked for.
        went: modules that were there before and are not now, the kernel's order.
        given: what each has to be given to be as it was.
        brought: modules that the load of a target brings by itself.
    """
    # The kernel lists the newest first, and what is needed was there before its user.
    back = tuple(
        Intent(Verb.LOAD, (name,), given.get(name, ()))
        for name in reversed(went)
        if name in targets or name not in brought or given.get(name)
    )
    return Done(words, back) if back else None


def set_back(words: str, writes: Iterable[tuple[str, str, str | None]]) -> Done | None:
    """Return how to take back what was written.

    Args:
        words: what was done.
        writes: module, parameter, and the value before, in the order of the writing.
    """
    back, lost = [], []
    for module, parameter, was in writes:
        why = why_lost(was)
        if why:
            lost.append(f"{parameter} of {module} cannot be put back: its value before {why}.")
        else:
            back.append(Intent(Verb.SET, (module,), (f"{parameter}={was}",)))
    return Done(words, tuple(reversed(back)), tuple(lost)) if back or lost else None


def reloaded(words: str, given: Mapping[str, tuple[str, ...]]) -> Done | None:
    """Return how to take a reload back: another one, with what each module was given before."""
    back = tuple(Intent(Verb.RELOAD, (name,), words) for name, words in given.items())
    return Done(words, back) if back else None


def blacklisted(words: str, names: Iterable[str], *, back: bool = False) -> Done:
    """Return how to take back a blacklisting, or the taking back of one."""
    verb = Verb.BLACKLIST if back else Verb.UNBLACKLIST
    return Done(words, tuple(Intent(verb, (name,)) for name in names))


def words_of(plan: Plan) -> str:
    """Return what a plan does, as a noun for the undo list: `load of btrfs`."""
    if plan.verb is Verb.SET:
        keys = (word.partition("=")[0] for word in plan.parameters)
        return plan.verb.of(f"{', '.join(keys)} of {plan.subject}")
    return plan.verb.of(plan.subject)
