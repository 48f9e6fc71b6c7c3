"""Which helper and which Python are used, and who can write to those files."""

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
"""Where `kmodtui helper install` puts the root-owned copy, which is preferred."""

OWN = Path(__file__).with_name("helper.py")
"""The helper that is part of this kmodtui."""

_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_OLDEST = (3, 9)


@dataclass(frozen=True, slots=True)
class HelperCommand:
    """The command that starts the helper.

    Attributes:
        argv: the command; empty if there is none.
        problem: why there is none, as a sentence.
    """

    argv: tuple[str, ...]
    problem: str = ""


def find_helper(installed: Path = INSTALLED) -> HelperCommand:
    """Return the command of the installed helper if it has this version, else of `OWN`.

    The installed helper is started by its path alone, because that is what the rules of
    sudo and polkit name. May run Python to check its version, so call it off the event loop.
    """
    if is_installed(installed) and _is_recent(_PYTHONS[0]):
        return HelperCommand((str(installed),))
    python = next(filter(_is_recent, (*_PYTHONS, os.path.realpath(sys.executable))), None)
    if python is None:
        return HelperCommand((), "The helper needs Python 3.9 or later in /usr/bin.")
    return HelperCommand((python, "-I", "-S", str(OWN)))


def caution(installed: Path = INSTALLED) -> str:
    """Return a warning if users other than root could change the helper; empty if they cannot.

    The warning is about the command that `find_helper` returns.
    """
    argv = find_helper(installed).argv
    if len(argv) < 2:  # no helper, or the installed one
        return ""
    part = writable_part(argv[0]) or writable_part(argv[-1])
    if not part:
        return ""
    return (
        f"The helper is not installed for root, and {part} is writable without root privileges: "
        "whoever can write there controls what runs as root."
    )


def mismatch(installed: Path = INSTALLED) -> str:
    """Return a sentence if the installed helper has another version; empty if it has not."""
    version = version_of(installed)
    if version == __version__ or not installed.exists():
        return ""
    found = f"has version {clean(version)}" if version else "has an unknown version"
    return f"The installed helper {found}, this kmodtui {__version__}: it is not used."


def is_installed(installed: Path = INSTALLED) -> bool:
    """Return whether a helper of this version is installed and only root can change it."""
    return version_of(installed) == __version__ and not writable_part(str(installed))


@dataclass(frozen=True, slots=True)
class PathPart:
    """An installed file or a parent directory of it.

    Attributes:
        path: absolute.
        owner: its uid.
        mode: its permission bits.
        open_to_others: whether users other than root can change what is there.
    """

    path: str
    owner: int
    mode: int
    open_to_others: bool


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file that `kmodtui helper install` writes, or the Python that runs the helper.

    Attributes:
        kind: `helper`, `polkit`, `sudoers` or `python`.
        path: where it is installed.
        present: whether it exists; None if only root can see that.
        same: whether it has the content that this kmodtui would write; None if unknown.
        parts: the file and its parent directories, as far as they can be read.
    """

    kind: str
    path: str
    present: bool | None
    same: bool | None
    parts: tuple[PathPart, ...]

    @property
    def loose(self) -> bool:
        """Whether users other than root could change or replace it."""
        return bool(self.present) and any(part.open_to_others for part in self.parts)


def installed_files() -> list[InstalledFile]:
    """Return the files of `kmodtui helper install`, whether or not they are installed."""
    wanted = {HELPER: OWN.read_bytes(), ACTION: POLICY.encode(), SUDOERS: None}
    kinds = zip(("helper", "polkit", "sudoers"), wanted.items(), strict=True)
    return [_look(kind, path, content) for kind, (path, content) in kinds]


def interpreter() -> InstalledFile:
    """Return the Python that runs the installed helper, which has to be as safe as the helper."""
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
    """Return the command that installs or uninstalls as root; see `install_helper`.

    Raises:
        HelperError: an installed helper could not be started.
    """
    if not _is_recent(_PYTHONS[0]):
        raise HelperError(
            f"An installed helper needs Python 3.9 or later as {_PYTHONS[0]}.",
            "Without being installed, the helper also runs under another Python.",
        )
    return (_PYTHONS[0], "-I", "-S", str(Path(__file__).with_name("install_helper.py")), *arguments)


def version_of(helper: Path) -> str:
    """Return the version in a helper file; empty if it has none or cannot be read."""
    try:
        return version_in(helper.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""


def _is_recent(python: str) -> bool:
    # Distributions have the version in the file name, which saves starting Python.
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
