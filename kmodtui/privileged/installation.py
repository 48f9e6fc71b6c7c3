"""Which file is the helper, which Python runs it, and who else could write them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from kmodtui import __version__

INSTALLED = Path("/usr/local/libexec/kmodtui-helper")
"""Where a root-owned copy of the helper is looked for first."""

_OWN = Path(__file__).with_name("helper.py")
_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_OLDEST = (3, 9)
_VERSION = re.compile(r'^VERSION = "([^"]{1,40})"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class HelperCommand:
    """How the helper is started.

    Attributes:
        argv: the command; empty if there is none that works.
        problem: why there is none, in a sentence.
        writable: a path of what runs as root that others than root can write; empty if none.
    """

    argv: tuple[str, ...]
    problem: str = ""
    writable: str = ""

    @property
    def caution(self) -> str:
        """What a dialog says once before this runs as root; empty if there is nothing to say."""
        if not self.writable:
            return ""
        return (
            f"{self.writable} can be written without being root: whoever can do that "
            "decides what runs as root here."
        )


def find_helper(installed: Path = INSTALLED) -> HelperCommand:
    """Return the command of the root-owned helper if it is of this version, else of our own.

    Runs Python once to ask its version, so it belongs off the event loop.
    """
    python = next(filter(_is_recent, (*_PYTHONS, os.path.realpath(sys.executable))), None)
    if python is None:
        return HelperCommand((), "The helper needs Python 3.9 or later in /usr/bin.")
    helper = _OWN
    if version_of(installed) == __version__ and not writable_part(installed):
        helper = installed
    writable = writable_part(Path(python)) or writable_part(helper)
    return HelperCommand((python, "-I", "-S", str(helper)), writable=writable)


def version_of(helper: Path) -> str:
    """Return the version that a helper file claims; empty if there is no such file."""
    try:
        found = _VERSION.search(helper.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return found[1] if found else ""


def writable_part(path: Path) -> str:
    """Return the part of a path, links followed, that others than root can write; empty if none."""
    real = Path(os.path.realpath(path))
    for part in (real, *real.parents):
        try:
            status = part.stat()
        except OSError:
            return str(part)
        # In a sticky folder others can add, but not replace what is root's.
        open_to = stat.S_IWOTH | stat.S_IWGRP
        loose = status.st_mode & open_to and not status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or loose:
            return str(part)
    return ""


def _is_recent(python: str) -> bool:
    question = f"import sys; sys.exit(sys.version_info < {_OLDEST})"
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", question], timeout=10, check=False, capture_output=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
