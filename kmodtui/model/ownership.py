"""Who besides root could modify a file, judged by the owners and modes along its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from kmodtui.model.result import FilePart
from kmodtui.model.text import clean

_GROUP, _EVERYBODY, _STICKY = 0o020, 0o002, 0o1000


def ownership(parts: Sequence[FilePart], name_of: Callable[[int], str]) -> tuple[str, ...]:
    """Return a line for each owner other than root, and for each group or world write permission.

    The result is empty if only root can modify the file. Write permission on a sticky
    directory is ignored: others can add files, but not replace those of root
    (`man 7 inode`).

    Args:
        parts: the path, from the first directory below / to the file.
        name_of: returns the name of a user id.
    """
    lines = []
    for uid, run in groupby(parts, lambda part: part.uid):
        if uid:
            owned = list(run)
            verb = "is" if len(owned) == 1 else "are"
            lines.append(f"{_listed(owned)} {verb} owned by {name_of(uid)}")
    for who, run in groupby(parts, _also_written_by):
        if who:
            writable = list(run)
            verb = "is" if len(writable) == 1 else "are"
            lines.append(f"{_listed(writable)} {verb} writable by {who}")
    return tuple(clean(line) for line in lines)


def _also_written_by(part: FilePart) -> str:
    if part.mode & _STICKY:
        return ""
    if part.mode & _EVERYBODY:
        return "everyone"
    return "a group" if part.mode & _GROUP else ""


def _listed(parts: Sequence[FilePart]) -> str:
    """Return `/home/me, build and mine.ko`: only the first part has its full path."""
    first, *others = (part.path for part in parts)
    names = [first, *(path.rsplit("/", 1)[-1] for path in others)]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
