"""Changes made through kmodtui, and how to undo them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kmodtui.model.origin import Origin
from kmodtui.model.own_file import OwnFile
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.own_change import intents_back
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import clean

_NOT_UTF8 = re.compile(r"\\x[89a-f][0-9a-f]")
"""A byte that is not UTF-8, as kmodtui shows it."""


@dataclass(frozen=True, slots=True)
class UndoEntry:
    """One change that was made.

    Attributes:
        words: what it was: `load of btrfs`.
        back: the intents that undo it, in order; empty if nothing can.
        not_restored: a sentence for each value that cannot be restored.
    """

    words: str
    back: tuple[Intent, ...]
    not_restored: tuple[str, ...] = ()


def why_lost(was: str | None) -> str:
    r"""Return why a parameter's value cannot be restored, in a few words; empty if it can.

    Args:
        was: the value as the kernel showed it, with bytes that are not UTF-8 as `\xNN`; None
            if it could not be read.
    """
    if was is None:
        return "could not be read"
    if was == "":
        return "was empty, and an empty value cannot be set"
    if was == "(null)":
        return "was not set, which the kernel shows as (null)"
    if clean(was) != was or _NOT_UTF8.search(was):
        return "has characters that cannot be passed on"
    return ""


def loaded(words: str, added: Sequence[str]) -> UndoEntry | None:
    """Return how to undo a load: unload all added modules, the newest first.

    Args:
        words: what was done.
        added: modules that were not loaded before, in the kernel's order.
    """
    return UndoEntry(words, (Intent(Verb.UNLOAD, tuple(added)),)) if added else None


def unloaded(
    words: str,
    targets: Collection[str],
    removed: Sequence[str],
    given: Mapping[str, tuple[str, ...]],
    along: Collection[str],
    origins: Mapping[str, Origin] = MappingProxyType({}),
) -> UndoEntry | None:
    """Return how to undo an unload: load all removed modules with their parameters.

    Args:
        words: what was done.
        targets: the requested modules.
        removed: modules that were loaded before, in the kernel's order.
        given: the parameters that make a new load of each as it was.
        along: modules that the load of a target brings along.
        origins: the files of those that were inserted from a file, by module.
    """

    def intent(name: str) -> Intent:
        parameters = given.get(name, ())
        if (origin := origins.get(name)) is None:
            return Intent(Verb.LOAD, (name,), parameters)
        return Intent(Verb.INSERT, (origin.path,), parameters, sha256=origin.sha256)

    # The kernel lists the newest first, and a dependency is older than its user.
    back = tuple(
        intent(name)
        for name in reversed(removed)
        if name in targets or name not in along or given.get(name)
    )
    return UndoEntry(words, back) if back else None


def set_back(words: str, writes: Iterable[tuple[str, str, str | None]]) -> UndoEntry | None:
    """Return how to undo changes of parameters.

    Args:
        words: what was done.
        writes: module, parameter and the value before, in the order of the changes.
    """
    back, lost = [], []
    for module, parameter, was in writes:
        why = why_lost(was)
        if why:
            lost.append(f"{parameter} of {module} cannot be restored: its previous value {why}.")
        else:
            back.append(Intent(Verb.SET, (module,), (f"{parameter}={was}",)))
    return UndoEntry(words, tuple(reversed(back)), tuple(lost)) if back or lost else None


def reloaded(words: str, given: Mapping[str, tuple[str, ...]]) -> UndoEntry | None:
    """Return how to undo a reload: another one, with the parameters that each module had before."""
    back = tuple(Intent(Verb.RELOAD, (name,), words) for name, words in given.items())
    return UndoEntry(words, back) if back else None


def restored(words: str, before: Iterable[tuple[OwnFile, str, str | None]]) -> UndoEntry | None:
    """Return how to undo a change of kmodtui's own files.

    Args:
        words: what was done.
        before: the file, the module and its state in it before, for each that was changed.
    """
    back = intents_back(before)
    return UndoEntry(words, back) if back else None


def words_of(plan: Plan) -> str:
    """Return what a plan does, as a noun for the undo list: `load of btrfs`."""
    if plan.verb is Verb.SET:
        keys = (word.partition("=")[0] for word in plan.parameters)
        return plan.verb.of(f"{', '.join(keys)} of {plan.subject}")
    return plan.verb.of(plan.subject)
