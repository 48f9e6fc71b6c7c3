"""Which modules a message of the kernel log is about, and whether it says that a load failed."""

from __future__ import annotations

import re
from collections.abc import Collection

from kmodtui.model.explain.explanation import NO_FACTS, Case, Explanation, speaker
from kmodtui.model.explain.log import MAX_RECORD, explain_log
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import canonical
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode

A_MODULE = "a module"
"""Stands for the name where the kernel does not log it."""

_WORD = re.compile(r"[\w-]+")
_HEAD = 80
"""Characters in which a message names who it is from: `snd-hda-intel 0000:00:1b.0: …`."""

_ABOUT_ITSELF = ("", "Lockdown", "LoadPin", "module", "Chromium_OS_LSM")


def modules_named(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the modules that a message names before its first colon, or as its first word.

    Args:
        text: the message.
        known: names of modules, in lower case and in the kernel's spelling.
    """
    head, colon, _ = text[:_HEAD].partition(": ")
    if not colon:
        head = text[:_HEAD].split(" ", 1)[0]
    words = (canonical(word.lower()) for word in _WORD.findall(head))
    return tuple(dict.fromkeys(word for word in words if word in known))


def failed_load(record: LogRecord) -> tuple[str, Explanation] | None:
    """Return the module that the kernel refused and why; None if the message says no such thing.

    The module is empty where the kernel does not name it.
    """
    text = record.text[:MAX_RECORD]
    name = speaker(text)
    if name in _ABOUT_ITSELF:
        name = ""
    result = Result(False, ResultCode.FAILED, subject=name or A_MODULE, log=(record,))
    found = explain_log(Case(Verb.LOAD, (name or A_MODULE,), result, NO_FACTS))
    return (name, found) if found is not None else None
