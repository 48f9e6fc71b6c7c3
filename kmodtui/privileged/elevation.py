"""How kmodtui starts its helper as root: which programs could do it here, and which is used.

kmodtui never sees a password: the program asks for it itself, see `ways`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kmodtui.errors import ElevationError, ElevationRefusedError, HelperError
from kmodtui.model.scope import Scope
from kmodtui.privileged.asking import Foreground
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.install_helper import ACTION
from kmodtui.privileged.installation import (
    HelperCommand,
    find_helper,
    is_installed,
    mismatch,
)
from kmodtui.privileged.own_process import make_non_dumpable
from kmodtui.privileged.programs import PROGRAMS, Program
from kmodtui.privileged.sockets import Process, SocketTransport
from kmodtui.privileged.transport import Transport
from kmodtui.privileged.ways import Way

__all__ = [
    "LADDER",
    "READ_ONLY",
    "AlreadyRoot",
    "Elevation",
    "Foreground",
    "NoElevation",
    "detect",
    "detect_after",
    "open_session",
]

LADDER = ("root", *(program.name for program in PROGRAMS))
"""The names of the ways to become root, in the order in which they are tried."""

READ_ONLY = "You can still look at everything, but not load or unload modules."

# The last two are NixOS's, for setuid and for other programs.
_DIRECTORIES = (
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
    "/run/wrappers/bin",
    "/run/current-system/sw/bin",
)
_DOAS_RULES = ("/etc/doas.conf", "/etc/doas.d")  # the directory is Alpine's
_SYSTEMD = "/run/systemd/system"  # exists if the system was booted with systemd: sd_booted(3)
_AGENT_HELPER = "/run/polkit/agent-helper.socket"  # exists from polkit 127 on


class Elevation(Protocol):
    """A way to become root."""

    @property
    def name(self) -> str:
        """Its name: one of `LADDER`, or `none`."""
        ...

    @property
    def sentence(self) -> str:
        """What will happen when root is needed, or why root is not available."""
        ...

    @property
    def available(self) -> bool:
        """Whether it could work."""
        ...

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Run `command` as root and return a transport to it.

        Raises:
            ElevationCancelledError: the user cancelled at the prompt.
            ElevationRefusedError: the system refused; the message says why.
            ElevationError: the program could not be started.
        """
        ...

    def run(self, command: Sequence[str]) -> int:
        """Run `command` as root on this terminal; return its exit status, or the program's.

        Raises:
            ElevationError: the program could not be started.
        """
        ...


class AlreadyRoot:
    """kmodtui itself runs as root: the helper is started directly."""

    name = "root"
    sentence = "kmodtui already runs as root, so the helper starts without a password."
    available = True

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:  # noqa: ARG002
        """Start the helper in its own session, detached from the terminal."""
        try:
            process = Process.start(command, own_session=True)
        except OSError as error:
            raise ElevationError(f"{command[0]} cannot be started: {error.strerror}.") from error
        return await SocketTransport.over(process)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        return subprocess.run(command, check=False).returncode


class NoElevation:
    """Root is not available here."""

    name = "none"
    available = False

    def __init__(self, reason: str, hint: str = READ_ONLY) -> None:
        self.sentence = reason
        self.hint = hint

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:  # noqa: ARG002
        """Raise ElevationRefusedError with the reason."""
        raise ElevationRefusedError(self.sentence, self.hint)

    def run(self, command: Sequence[str]) -> int:  # noqa: ARG002
        """Raise ElevationRefusedError with the reason."""
        raise ElevationRefusedError(self.sentence, self.hint)


def detect(
    name: str = "",
    *,
    root: bool | None = None,
    installing: bool = False,
    instead: str = "omit --elevate",
) -> Elevation:
    """Return the given way to become root, or the first one that could work here.

    Args:
        name: one of `LADDER`; empty for the first one that could work.
        root: whether this process runs as root; None to find out.
        installing: whether root is needed to install the helper, so that no installed
            helper is required.
        instead: how to stop selecting a way, for the hint if `name` cannot work.
    """
    if root is None:
        root = os.geteuid() == 0
    if name == "root" or (root and not name):
        return AlreadyRoot() if root else _named_unavailable("You are not root.", "", instead)
    if name:
        named = next(program for program in PROGRAMS if program.name == name)
        way = _way(named, installing=installing)
        if isinstance(way, NoElevation):
            return _named_unavailable(way.sentence, way.hint, instead)
        return way
    ways = [_way(program, installing=installing) for program in PROGRAMS if _path(program.name)]
    if not ways:
        *others, last = LADDER[1:]
        return NoElevation(
            f"You are not root, and none of {', '.join(others)} and {last} is installed.",
            "Log in as root, or install sudo and allow yourself to use it.",
        )
    return next((way for way in ways if way.available), ways[0])


def detect_after(name: str) -> Elevation | None:
    """Return the first way after `name` in `LADDER` that could work here; None if there is none."""
    names = [program.name for program in PROGRAMS]
    below = PROGRAMS[names.index(name) + 1 :] if name in names else ()
    ways = (_way(program, installing=False) for program in below if _path(program.name))
    return next((way for way in ways if way.available), None)


def _named_unavailable(reason: str, hint: str, instead: str) -> NoElevation:
    """Return why the selected way cannot work, with the hint to select none."""
    hint = f"{hint.rstrip('.')}, or {instead}." if hint else f"{instead[0].upper()}{instead[1:]}."
    return NoElevation(reason, hint)


def _way(program: Program, *, installing: bool) -> Elevation:
    """Return the way through this program, or why it cannot work."""
    name = program.name
    path = _path(name)
    if not path:
        return NoElevation(f"{name} is not installed.", "Install it.")
    problem = _systemd_problem() if name == "run0" else _setuid_problem(path, name)
    if problem:
        return problem
    if name == "doas" and not any(map(_has_rules, _DOAS_RULES)):
        return NoElevation(
            f"doas is installed, but permits nobody to become root: there is no {_DOAS_RULES[0]}.",
            "Ask the administrator of this machine to add a rule there.",
        )
    if not program.asked_for:
        return Way(program, path)
    agent = _path("pkttyagent")
    if not agent:
        return NoElevation(
            f"{name} cannot ask for a password on a terminal: pkttyagent is not installed.",
            "Install it: it is part of polkit (the package polkitd on Debian).",
        )
    if name == "pkexec" and not installing and not (os.path.exists(ACTION) and is_installed()):
        mismatched = mismatch()
        return NoElevation(
            "pkexec only starts an installed helper. "
            + (mismatched or "No helper of this version is installed."),
            f"Install it{' again' if mismatched else ''}: kmodtui helper install.",
        )
    return Way(program, path, agent)


def _setuid_problem(path: str, name: str) -> NoElevation | None:
    """Return why a setuid program cannot give root here; None if it could."""
    status = os.stat(path)
    if status.st_uid != 0 or not status.st_mode & stat.S_ISUID:
        return NoElevation(
            f"{path} is not setuid root, so it cannot grant root privileges.",
            "This is usual in containers; run kmodtui on the host.",
        )
    if _no_new_privileges():
        return NoElevation(
            f"This session cannot gain privileges (no_new_privs), so {name} does not work in it.",
            "This is usual in containers and sandboxed services; use a shell outside of it.",
        )
    return None


def _systemd_problem() -> NoElevation | None:
    """Return why run0, which has systemd start the helper, cannot work here; None if it could."""
    if not os.path.isdir(_SYSTEMD):
        return NoElevation(
            "run0 needs systemd to start the helper, but this system was not booted with systemd.",
            "Use another program.",
        )
    # Before polkit 127, the agent checks passwords through a setuid program.
    if _no_new_privileges() and not os.path.exists(_AGENT_HELPER):
        return NoElevation(
            "This session cannot gain privileges (no_new_privs), so polkit's agent cannot check "
            "a password for run0 in it.",
            "This is usual in containers and sandboxed services; use a shell outside of it.",
        )
    return None


def _has_rules(path: str) -> bool:
    """Return whether `path` is a file, or a directory with *.conf files, for doas."""
    try:
        return any(name.endswith(".conf") for name in os.listdir(path))
    except NotADirectoryError:
        return True
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # doas itself can read it


def _path(name: str) -> str:
    paths = (f"{directory}/{name}" for directory in _DIRECTORIES)
    return next(filter(os.path.exists, paths), "")


async def open_session(
    elevation: Elevation,
    foreground: Foreground,
    helper: HelperCommand | None = None,
    *,
    scope: Scope = Scope.CHANGE,
) -> HelperClient:
    """Start a helper as root and return the session with it.

    Args:
        elevation: how to become root, from `detect`.
        foreground: hands the terminal over for a password prompt.
        helper: which helper to start; None for `find_helper`.
        scope: what the session may do.

    Raises:
        ElevationError: the user could not become root.
        HelperError: the helper was started as root, but does not work.
    """
    if not elevation.available:
        await elevation.start((), foreground)
    if helper is None:
        helper = await asyncio.to_thread(find_helper)
    if not helper.argv:
        raise HelperError(helper.problem, READ_ONLY)
    make_non_dumpable()
    transport = await elevation.start((*helper.argv, scope), foreground)
    return await HelperClient.connect(transport, elevation.name)


def _no_new_privileges() -> bool:
    with contextlib.suppress(OSError):
        return "\nNoNewPrivs:\t1" in Path("/proc/self/status").read_text(errors="replace")
    return False
