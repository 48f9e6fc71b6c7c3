"""Completes the term of a filter that is being typed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kmodtui.model.did_you_mean import either
from kmodtui.model.filter.fields import FilterKind, fields_of

_TYPED = re.compile(r"(?:^|\s)!?((?:@|[a-z])[\w-]*)$")
_VALUE = re.compile(r"(?:^|\s)!?([a-z][a-z-]*)[:<>]=?([\w-]*)$")

MOST = 8
"""Proposals that are shown in words."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What the text before the cursor can be completed to.

    Attributes:
        typed: the end of the text that is replaced.
        proposals: what can replace it.
        words: what is asked for, for the line below the field; empty for nothing.
    """

    typed: str = ""
    proposals: tuple[str, ...] = ()
    words: str = ""

    @property
    def longest(self) -> str:
        """What all proposals begin with; what was typed if there is nothing more."""
        # Names, not paths: character by character is what is wanted.
        return os.path.commonprefix(self.proposals) or self.typed  # noqa: RUF071


def complete(before: str, kind: FilterKind, named: Iterable[str] = ()) -> Completion:
    """Return the completion of the text before the cursor.

    Args:
        before: the text.
        kind: what is filtered.
        named: the names of named filters.
    """
    if before.count('"') % 2:
        return Completion()
    fields = fields_of(kind)
    if (found := _VALUE.search(before)) and found[1] in fields:
        field, value = fields[found[1]], found[2]
        matching = tuple(each for each in field.values if each.startswith(value))
        words = f"{field.name}: {field.help} ({field.takes})"
        if value in field.values:  # complete: another press of the key leaves the field
            matching = ()
        return Completion(value, matching, words)
    if found := _TYPED.search(before):
        typed = found[1]
        names = [f"{name}:" for name in fields]
        names += [f"@{name}" for name in named if typed != f"@{name}"]
        matching = tuple(name for name in names if name.startswith(typed))
        return Completion(typed, matching, either(matching[:MOST]) if matching else "")
    return Completion()
