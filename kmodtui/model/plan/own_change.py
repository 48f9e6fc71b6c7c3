"""Changes of kmodtui's own files: which file a verb changes, and what it says afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kmodtui.model.block.lines import BlockState
from kmodtui.model.modules import canonical
from kmodtui.model.own_file import BLACKLISTED, KEPT, OwnFile, OwnStates
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb

KEEPING = (Verb.KEEP, Verb.FORGET, Verb.KEEP_OPTIONS, Verb.FORGET_OPTIONS)
"""The verbs that change what is kept for the next boot."""

_CHANGES: dict[Verb, tuple[OwnFile, str | None]] = {
    Verb.BLACKLIST: (OwnFile.BLACKLIST, BLACKLISTED),
    Verb.UNBLACKLIST: (OwnFile.BLACKLIST, None),
    Verb.BLOCK: (OwnFile.BLOCK, BlockState.BLOCKED),
    Verb.LOG_LOADS: (OwnFile.BLOCK, BlockState.LOGGED),
    Verb.UNBLOCK: (OwnFile.BLOCK, None),
    Verb.KEEP: (OwnFile.BOOT, KEPT),
    Verb.FORGET: (OwnFile.BOOT, None),
    Verb.KEEP_OPTIONS: (OwnFile.OPTIONS, ""),
    Verb.FORGET_OPTIONS: (OwnFile.OPTIONS, None),
}

OWN_CHANGES = frozenset(_CHANGES)
"""The verbs that change one of kmodtui's own files."""


def own_change(verb: Verb, parameters: Sequence[str] = ()) -> tuple[OwnFile, str | None]:
    """Return the file that a verb changes, and the state of its modules in it afterwards."""
    file, state = _CHANGES[verb]
    return file, " ".join(parameters) if verb is Verb.KEEP_OPTIONS else state


def intent_for(file: OwnFile, name: str, state: str | None) -> Intent:
    """Return what gives a module a state in a file; None is that the file does not name it."""
    if file is OwnFile.OPTIONS and state is not None:
        return Intent(Verb.KEEP_OPTIONS, (name,), tuple(state.split()))
    verb = next(verb for verb, change in _CHANGES.items() if change == (file, state))
    return Intent(verb, (name,))


def names_left(intent: Intent, states: OwnStates) -> tuple[str, ...]:
    """Return the modules of an intent whose state in the file is not yet the intended one."""
    file, wanted = own_change(intent.verb, intent.parameters)
    now = states.get(file, {})
    return tuple(name for name in intent.names if now.get(canonical(name)) != wanted)


def intents_back(before: Iterable[tuple[OwnFile, str, str | None]]) -> tuple[Intent, ...]:
    """Return what restores the states of modules, each given with its file; joined by verb."""
    back: dict[tuple[Verb, tuple[str, ...]], list[str]] = {}
    for file, name, state in before:
        intent = intent_for(file, name, state)
        several = () if intent.verb is not Verb.KEEP_OPTIONS else (name, *intent.parameters)
        back.setdefault((intent.verb, several), []).append(name)
    return tuple(Intent(verb, tuple(names), several[1:]) for (verb, several), names in back.items())
