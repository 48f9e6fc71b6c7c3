"""Whose a file is, and whose the folders above it: who besides root could have changed it.

Takes each part of a path with its owner and mode, gives what is not root's alone in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

from kmodtui.model.text import clean

_GROUP, _EVERYBODY, _STICKY = 0o020, 0o002, 0o1000


class Part(Protocol):
    """A file or a folder above it; `privileged.protocol.FilePart` is one."""

    @property
    def path(self) -> str: ...  # noqa: D102 - absolute
    @property
    def uid(self) -> int: ...  # noqa: D102 - whose it is
    @property
    def mode(self) -> int: ...  # noqa: D102 - permission bits


def ownership(parts: Sequence[Part], name_of: Callable[[int], str]) -> tuple[str, ...]:
    """Return a line for each owner who is not root, and for those who may write beside the owner.

    Nothing is said of what root alone can change. In a sticky folder others can add, but
    not replace what is not theirs (`man 7 inode`), so of such a one nothing is said either.

    Args:
        parts: from the first folder below / down to the file.
        name_of: gives the name of a user.
    """
    lines = []
    for uid, run in groupby(parts, lambda part: part.uid):
        if uid:
            told = list(run)
            belong = "belongs" if len(told) == 1 else "belong"
            lines.append(f"{_listed(told)} {belong} to {name_of(uid)}")
    for who, run in groupby(parts, _also_written_by):
        if who:
            lines.append(f"{_listed(list(run))} can be written by {who}")
    return tuple(clean(line) for line in lines)


def _also_written_by(part: Part) -> str:
    if part.mode & _STICKY:
        return ""
    if part.mode & _EVERYBODY:
        return "everybody"
    return "a group" if part.mode & _GROUP else ""


def _listed(parts: Sequence[Part]) -> str:
    """Return `/home/me, build and mine.ko`: only where it begins is told with its folders."""
    first, *others = (part.path for part in parts)
    names = [first, *(path.rsplit("/", 1)[-1] for path in others)]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
