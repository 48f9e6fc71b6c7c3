"""Why one of kmodtui's own files could not be written."""

from __future__ import annotations

import errno as e
import os
from dataclasses import replace
from pathlib import PurePosixPath

from kmodtui.model.explain.code import by_code
from kmodtui.model.explain.error_number import unknown
from kmodtui.model.explain.explanation import Case, Explanation


def not_written(case: Case, file: str) -> Explanation:
    """Return why a change of a file did not happen; the file is as it was before.

    Args:
        case: the change that failed.
        file: its path.
    """
    found = by_code(case) or _by_errno(case, file) or unknown(case)
    return replace(found, shown=found.shown or (file,))


def _by_errno(case: Case, file: str) -> Explanation | None:
    folder = PurePosixPath(file).parent
    reasons = {
        e.ENOSPC: (
            f"the file system of {folder} is full",
            f"Free space there (df {folder} shows how much is left), then try again.",
        ),
        e.EDQUOT: ("root's disk quota is used up", "Free space there, then try again."),
        e.EROFS: (
            f"{folder} is on a read-only file system",
            "If /etc is part of the system's image, put the rule into the image or its "
            "configuration. Otherwise look in the kernel log for the error that made it "
            f"read-only, and remount it: sudo mount -o remount,rw $(stat -c %m {folder})",
        ),
        e.EPERM: (
            "root is not allowed to change it",
            f"Check whether it is immutable (attribute i, see chattr): lsattr -d {folder} {file}",
        ),
        e.EACCES: (
            "a security module, such as SELinux, denied it",
            "Look for the denial in the audit log.",
        ),
        e.EIO: (
            "the disk reported an error",
            "Look in the kernel log for disk errors.",
        ),
    }
    number = case.result.errno
    if number not in reasons:
        return None
    why, remedy = reasons[number]
    return Explanation(
        f"Could not {case.verb.infinitive(case.name)}",
        f"{file} was not changed: {why} ({os.strerror(number)}, {e.errorcode[number]}).",
        remedy=remedy,
    )
