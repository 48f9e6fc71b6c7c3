"""How kmodtui gets root for its helper: which ways there are here, and which one is taken.

kmodtui never sees a password: what asks for it is the way itself, see `ways`.
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
from kmodtui.privileged.asking import Foreground
from kmodtui.privileged.client import HelperClient, Transport
from kmodtui.privileged.install_helper import ACTION
from kmodtui.privileged.installation import (
    HelperCommand,
    find_helper,
    is_installed,
    mismatch,
)
from kmodtui.privileged.pipes import PipeTransport, Process
from kmodtui.privileged.programs import PROGRAMS, Program
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
"""The ways by name, in the order in which they are tried."""

READ_ONLY = "Everything can be looked at; loading and unloading are off."

# The last two are NixOS's: what is setuid, and what is not.
_PLACES = (
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
    "/run/wrappers/bin",
    "/run/current-system/sw/bin",
)
_DOAS_RULES = ("/etc/doas.conf", "/etc/doas.d")  # the folder is Alpine's
_SYSTEMD = "/run/systemd/system"  # there as long as systemd runs the machine: sd_booted(3)
_AGENT_HELPER = "/run/polkit/agent-helper.socket"  # of polkit 127 and later


class Elevation(Protocol):
    """A way to root."""

    @property
    def name(self) -> str:
        """The way in a word: `root`, `sudo`, `none`."""
        ...

    @property
    def sentence(self) -> str:
        """What will happen when root is needed, or why it cannot be had."""
        ...

    @property
    def available(self) -> bool:
        """Whether it is worth trying at all."""
        ...

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Run `command` as root and return the pipes to it.

        Raises:
            ElevationCancelledError: the person broke off at the prompt.
            ElevationRefusedError: the system said no; the message says which no.
            ElevationError: it could not be tried.
        """
        ...

    def run(self, command: Sequence[str]) -> int:
        """Run `command` as root on this terminal; return its exit status, or that of the refusal.

        Raises:
            ElevationError: it could not be tried.
        """
        ...


class AlreadyRoot:
    """kmodtui itself runs as root: the helper is started directly."""

    name = "root"
    sentence = "kmodtui runs as root already, so its helper starts without asking."
    available = True

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:  # noqa: ARG002
        """Start the helper in a session of its own, away from the terminal."""
        try:
            process = Process.start(command, own_session=True)
        except OSError as error:
            raise ElevationError(f"{command[0]} cannot be started: {error.strerror}.") from error
        return await PipeTransport.over(process)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        return subprocess.run(command, check=False).returncode


class NoElevation:
    """There is no way to root here."""

    name = "none"
    available = False

    def __init__(self, reason: str, hint: str = READ_ONLY) -> None:
        self.sentence = reason
        self.hint = hint

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:  # noqa: ARG002
        """Tell why not."""
        raise ElevationRefusedError(self.sentence, self.hint)

    def run(self, command: Sequence[str]) -> int:  # noqa: ARG002
        """Tell why not."""
        raise ElevationRefusedError(self.sentence, self.hint)


def detect(
    name: str = "",
    *,
    root: bool | None = None,
    installing: bool = False,
    instead: str = "leave --elevate out",
) -> Elevation:
    """Return the first way to root that could work here, or the one that is named.

    Args:
        name: one of `LADDER`; empty for the first that could work.
        root: whether this process is root; found out if not told.
        installing: whether it is to install the helper, which needs none that is installed.
        instead: what to do so that no way is named any more.
    """
    if root is None:
        root = os.geteuid() == 0
    if name == "root" or (root and not name):
        return AlreadyRoot() if root else _not_as_named("You are not root.", "", instead)
    if name:
        named = next(program for program in PROGRAMS if program.name == name)
        way = _way(named, installing=installing)
        if isinstance(way, NoElevation):
            return _not_as_named(way.sentence, way.hint, instead)
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
    """Return the first way below the one with this name that could work here; None if none."""
    names = [program.name for program in PROGRAMS]
    below = PROGRAMS[names.index(name) + 1 :] if name in names else ()
    ways = (_way(program, installing=False) for program in below if _path(program.name))
    return next((way for way in ways if way.available), None)


def _not_as_named(reason: str, hint: str, instead: str) -> NoElevation:
    """Return that a way does not work which was named, and need not have been."""
    hint = f"{hint.rstrip('.')}, or {instead}." if hint else f"{instead[0].upper()}{instead[1:]}."
    return NoElevation(reason, hint)


def _way(program: Program, *, installing: bool) -> Elevation:
    """Return the way over this program, or why it cannot work."""
    name = program.name
    path = _path(name)
    if not path:
        return NoElevation(f"{name} is not installed.", "Install it.")
    hindrance = _not_from_systemd() if name == "run0" else _not_from_setuid(path, name)
    if hindrance:
        return hindrance
    if name == "doas" and not any(map(_has_rules, _DOAS_RULES)):
        return NoElevation(
            f"doas is installed, but lets nobody become root: there is no {_DOAS_RULES[0]}.",
            "Ask the administrator of this machine for a rule in it.",
        )
    if not program.asked_for:
        return Way(program, path)
    agent = _path("pkttyagent")
    if not agent:
        return NoElevation(
            f"{name} cannot ask on a terminal: pkttyagent is not installed.",
            "It belongs to polkit: polkitd on Debian, polkit elsewhere.",
        )
    if name == "pkexec" and not installing and not (os.path.exists(ACTION) and is_installed()):
        other = mismatch()
        return NoElevation(
            "pkexec starts only the helper that belongs to root. "
            + (other or "None of this version is installed."),
            f"Install it {'again' if other else 'once'}: kmodtui helper install.",
        )
    return Way(program, path, agent)


def _not_from_setuid(path: str, name: str) -> NoElevation | None:
    """Return why a program that lives from its setuid bit cannot give root; None if it may."""
    status = os.stat(path)
    if status.st_uid != 0 or not status.st_mode & stat.S_ISUID:
        return NoElevation(
            f"{path} is not setuid root, so it cannot give root.",
            "This is so in some containers; do it on the host.",
        )
    if _no_new_privileges():
        return NoElevation(
            f"This session may not gain privileges (no_new_privs), so {name} cannot work in it.",
            "This is so in some containers and services; use a shell outside of it.",
        )
    return None


def _not_from_systemd() -> NoElevation | None:
    """Return why run0, which has systemd start the helper, cannot give root; None if it may."""
    if not os.path.isdir(_SYSTEMD):
        return NoElevation(
            "run0 asks systemd to start the helper, and this machine was not started by systemd.",
            "Choose another way.",
        )
    # Elsewhere polkit's agent checks the password by way of a program that is setuid root.
    if _no_new_privileges() and not os.path.exists(_AGENT_HELPER):
        return NoElevation(
            "This session may not gain privileges (no_new_privs), so polkit's agent cannot check "
            "a password for run0 in it.",
            "This is so in some containers and services; use a shell outside of it.",
        )
    return None


def _has_rules(path: str) -> bool:
    """Return whether doas has rules in a file, or in the *.conf of a folder."""
    try:
        return any(name.endswith(".conf") for name in os.listdir(path))
    except NotADirectoryError:
        return True
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # doas itself can see them


def _path(name: str) -> str:
    paths = (f"{place}/{name}" for place in _PLACES)
    return next(filter(os.path.exists, paths), "")


async def open_session(
    elevation: Elevation, foreground: Foreground, helper: HelperCommand | None = None
) -> HelperClient:
    """Return a session with a helper that has root.

    Args:
        elevation: the way to root, from `detect`.
        foreground: gives the terminal away while a password is asked for.
        helper: which helper to start; found if not told.

    Raises:
        ElevationError: root was not to be had.
        HelperError: root was had, but the helper does not work.
    """
    if not elevation.available:
        await elevation.start((), foreground)
    if helper is None:
        helper = await asyncio.to_thread(find_helper)
    if not helper.argv:
        raise HelperError(helper.problem, READ_ONLY)
    transport = await elevation.start(helper.argv, foreground)
    return await HelperClient.connect(transport, elevation.name)


def _no_new_privileges() -> bool:
    with contextlib.suppress(OSError):
        return "\nNoNewPrivs:\t1" in Path("/proc/self/status").read_text(errors="replace")
    return False
