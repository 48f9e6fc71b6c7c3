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
from kmodtui.privileged.installation import HelperCommand, find_helper, is_installed
from kmodtui.privileged.pipes import PipeTransport, Process
from kmodtui.privileged.ways import READ_ONLY, Doas, Pkexec, Sudo

__all__ = [
    "LADDER",
    "READ_ONLY",
    "AlreadyRoot",
    "Elevation",
    "Foreground",
    "NoElevation",
    "detect",
    "open_session",
]

LADDER = ("root", "sudo", "doas", "pkexec")
"""The ways by name, in the order in which they are tried."""

_PLACES = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin")
_DOAS_CONF = "/etc/doas.conf"


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


def detect(name: str = "", *, root: bool | None = None, installing: bool = False) -> Elevation:
    """Return the first way to root that could work here, or the one that is named.

    Args:
        name: one of `LADDER`; empty for the first that could work.
        root: whether this process is root; found out if not told.
        installing: whether it is to install the helper, which needs none that is installed.
    """
    if root is None:
        root = os.geteuid() == 0
    if name == "root" or (root and not name):
        return AlreadyRoot() if root else NoElevation("You are not root.", "Leave --elevate out.")
    if name:
        return _way(name, installing=installing)
    ways = [_way(name, installing=installing) for name in LADDER[1:] if _path(name)]
    if not ways:
        return NoElevation(
            "You are not root, and none of sudo, doas and pkexec is installed.",
            "Log in as root, or install sudo and allow yourself to use it.",
        )
    return next((way for way in ways if way.available), ways[0])


def _way(name: str, *, installing: bool) -> Elevation:
    """Return the way of this name, or why it cannot work."""
    path = _path(name)
    if not path:
        return NoElevation(f"{name} is not installed.", "Install it, or leave --elevate out.")
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
    if name == "sudo":
        return Sudo(path)
    if name == "doas":
        if not os.path.exists(_DOAS_CONF):
            return NoElevation(
                f"doas is installed, but lets nobody become root: there is no {_DOAS_CONF}.",
                "Ask the administrator of this machine for a rule in it.",
            )
        return Doas(path)
    agent = _path("pkttyagent")
    if not agent:
        return NoElevation(
            "pkexec cannot ask on a terminal: pkttyagent is not installed.",
            "It belongs to polkit: polkitd on Debian, polkit elsewhere.",
        )
    if not installing and not (os.path.exists(ACTION) and is_installed()):
        return NoElevation(
            "pkexec starts only the helper that belongs to root, and none of this version is "
            "installed.",
            "Install it once: kmodtui helper install.",
        )
    return Pkexec(path, agent)


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
