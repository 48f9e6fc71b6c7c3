"""Which file is the helper, which Python runs it, and who else could write them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from kmodtui import __version__
from kmodtui.errors import HelperError
from kmodtui.model.text import clean
from kmodtui.privileged.install_helper import (
    ACTION,
    HELPER,
    POLICY,
    SUDOERS,
    open_to_others,
    path_parts,
    version_in,
    writable_part,
)

INSTALLED = Path(HELPER)
"""Where a root-owned copy of the helper is looked for first."""

OWN = Path(__file__).with_name("helper.py")
"""The helper of this installation."""

_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_OLDEST = (3, 9)


@dataclass(frozen=True, slots=True)
class HelperCommand:
    """How the helper is started.

    Attributes:
        argv: the command; empty if there is none that works.
        problem: why there is none, in a sentence.
    """

    argv: tuple[str, ...]
    problem: str = ""


def find_helper(installed: Path = INSTALLED) -> HelperCommand:
    """Return the command of the root-owned helper if it is of this version, else of our own.

    The installed one is started by its path alone: a rule of sudo or polkit is for
    that path. May run Python to ask its version, so it belongs off the event loop.
    """
    if is_installed(installed) and _is_recent(_PYTHONS[0]):
        return HelperCommand((str(installed),))
    python = next(filter(_is_recent, (*_PYTHONS, os.path.realpath(sys.executable))), None)
    if python is None:
        return HelperCommand((), "The helper needs Python 3.9 or later in /usr/bin.")
    return HelperCommand((python, "-I", "-S", str(OWN)))


def caution(installed: Path = INSTALLED) -> str:
    """Return what to know before the helper runs as root; empty if there is nothing to say.

    It is about the command that `find_helper` gives, and about no other.
    """
    argv = find_helper(installed).argv
    if len(argv) < 2:  # there is none, or the installed one
        return ""
    part = writable_part(argv[0]) or writable_part(argv[-1])
    if not part:
        return ""
    return (
        f"The helper is the one of this installation, and {part} can be written without being "
        "root: whoever can do that decides what runs as root."
    )


def mismatch(installed: Path = INSTALLED) -> str:
    """Return, in a sentence, that the installed helper is of another version; empty if not."""
    version = version_of(installed)
    if version == __version__ or not installed.exists():
        return ""
    told = f"of version {clean(version)}" if version else "of an unknown version"
    return f"The installed helper is {told}, and this kmodtui of {__version__}: it is not used."


def is_installed(installed: Path = INSTALLED) -> bool:
    """Return whether there is a root-owned helper of this version."""
    return version_of(installed) == __version__ and not writable_part(str(installed))


@dataclass(frozen=True, slots=True)
class PathPart:
    """An installed file or a folder above it: the owner's uid, the mode, who else can write."""

    path: str
    owner: int
    mode: int
    open_to_others: bool


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file that `kmodtui helper install` may have put somewhere.

    Attributes:
        kind: `helper`, `polkit` or `sudoers`.
        path: where it belongs.
        present: whether it is there; None where only root can see that.
        same: whether it says what this kmodtui would write; None where that cannot be told.
        parts: it and the folders above it, as far as they can be seen.
    """

    kind: str
    path: str
    present: bool | None
    same: bool | None
    parts: tuple[PathPart, ...]

    @property
    def loose(self) -> bool:
        """Whether others than root could replace it."""
        return bool(self.present) and any(part.open_to_others for part in self.parts)


def installed_files() -> list[InstalledFile]:
    """Return what is installed now, and who can write to it."""
    wanted = {HELPER: OWN.read_bytes(), ACTION: POLICY.encode(), SUDOERS: None}
    kinds = zip(("helper", "polkit", "sudoers"), wanted.items(), strict=True)
    return [_look(kind, path, content) for kind, (path, content) in kinds]


def interpreter() -> InstalledFile:
    """Return the Python that runs the installed helper: who writes to it decides as well."""
    return _look("python", _PYTHONS[0], None)


def _look(kind: str, path: str, content: bytes | None) -> InstalledFile:
    parts = []
    present: bool | None = True
    for part in path_parts(path):
        try:
            status = os.stat(part)
            parts.append(
                PathPart(part, status.st_uid, stat.S_IMODE(status.st_mode), open_to_others(part))
            )
        except OSError as error:
            if part == path:
                present = None if error.errno == errno.EACCES else False
    same: bool | None = None
    if content is not None:
        with contextlib.suppress(OSError):
            same = Path(path).read_bytes() == content
    return InstalledFile(kind, path, present, same, tuple(parts))


def install_command(*arguments: str) -> tuple[str, ...]:
    """Return the command that installs or removes as root; see `install_helper`.

    Raises:
        HelperError: the helper could not be started once it is installed.
    """
    if not _is_recent(_PYTHONS[0]):
        raise HelperError(
            f"The installed helper needs Python 3.9 or later as {_PYTHONS[0]}.",
            "Uninstalled it also runs under another one.",
        )
    return (_PYTHONS[0], "-I", "-S", str(Path(__file__).with_name("install_helper.py")), *arguments)


def version_of(helper: Path) -> str:
    """Return the version that a helper file claims; empty if there is no such file."""
    try:
        return version_in(helper.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""


def _is_recent(python: str) -> bool:
    # Distributions say it in the name of the file, and to ask one is to start it.
    named = re.fullmatch(r"python3\.(\d+)", os.path.basename(os.path.realpath(python)))
    if named and os.access(python, os.X_OK):
        return (3, int(named[1])) >= _OLDEST
    question = f"import sys; sys.exit(sys.version_info < {_OLDEST})"
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", question], timeout=10, check=False, capture_output=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
