"""How kmodtui gets root for its helper: which ways there are, and how each one asks.

kmodtui never sees a password. A way is tried without a prompt first; only if
that does not do, the dashboard leaves the screen (`foreground`) and the way
asks on the terminal itself.

sudo is started with `-b`: it asks, and then goes to the background. This is
what keeps it from reading the keys and setting the modes of the terminal that
the dashboard is on, which with `use_pty` (the default of Debian 12 and of sudo
1.9.14) it does as long as it is in the foreground. A ticket would not do in its
place: there may be none (`timestamp_timeout=0`), and it belongs to a terminal.
sudo-rs (0.2.5 in Debian 13) has no `-b`: there the helper detaches itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from kmodtui.errors import (
    ElevationCancelledError,
    ElevationError,
    ElevationRefusedError,
    HelperError,
)
from kmodtui.model.text import clean
from kmodtui.privileged.client import HelperClient, Transport
from kmodtui.privileged.installation import HelperCommand, find_helper
from kmodtui.privileged.pipes import PipeTransport, Process

Foreground = Callable[[], AbstractContextManager[object]]
"""Gives the terminal away for as long as its context lasts: `App.suspend`."""

READ_ONLY = "Everything can be looked at; loading and unloading are off."

_SUDO = ("/usr/bin/sudo", "/bin/sudo", "/usr/local/bin/sudo", "/run/wrappers/bin/sudo")
_TERMINAL = "/dev/tty"
_GLANCE = 0.02  # seconds between looks whether sudo still asks


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


class Sudo:
    """sudo: silently where it needs no password now, else asking on the terminal."""

    name = "sudo"
    sentence = "sudo starts the helper, and asks for your password if it needs it."
    available = True

    def __init__(self, path: str) -> None:
        self.path = path

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Start the helper; see `Elevation.start`."""
        if await asyncio.to_thread(_is_sudo_rs, self.path):
            background, command = [], [*command, "--detach"]
        else:
            background = ["-b"]
        words = [*background, "--", *command]
        silent = await self._start([self.path, "-n", *words], own_group=True)
        if await asyncio.to_thread(silent.popen.wait) == 0:
            return await PipeTransport.over(silent)
        silent.discard()
        if not _has_terminal():
            raise ElevationRefusedError(
                "sudo needs a password, and there is no terminal on which it could ask.",
                "Start kmodtui in a terminal: with ssh, use ssh -t.",
            )
        # The event loop stands still meanwhile, on purpose: a dashboard that went on
        # would draw over the prompt.
        with foreground(), _interrupts() as interrupted:
            _show(f"kmodtui: root is needed for {' '.join(command)}\n".encode())
            asking = await self._start([self.path, *words])
            said = _converse(asking)
            status = asking.popen.wait()
        if status == 0:
            return await PipeTransport.over(asking)
        asking.discard()
        raise refusal(said, interrupted=bool(interrupted) or status < 0)

    async def _start(self, command: Sequence[str], *, own_group: bool = False) -> Process:
        # In the C locale, so that its last words are the ones `refusal` knows.
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            return Process.start(command, environment, own_group=own_group)
        except OSError as error:
            raise ElevationError(f"{self.path} cannot be started: {error.strerror}.") from error


def refusal(words: str, *, interrupted: bool) -> ElevationError:
    """Return why sudo ended without running the helper.

    sudo ends with status 1 for every reason. Ctrl+C is known by its signal, which
    came here as well; the rest only by the sentences that sudo says in the C locale,
    and what is none of those is shown as it stands.
    """
    if interrupted:
        return ElevationCancelledError("You broke off at sudo's prompt.", READ_ONLY)
    lines = [re.sub(r"^sudo(-rs)?: ", "", line) for line in words.strip().splitlines()]
    last = clean(lines[-1]) if lines else "it gave no reason"
    if re.search("incorrect (password|authentication) attempt", last):
        return ElevationRefusedError("sudo did not accept the password.", READ_ONLY)
    if " is not in the sudoers file" in words or " is not allowed to " in words:
        return ElevationRefusedError(
            "sudo does not let this user start the helper: the sudoers file does not allow it.",
            "Ask the administrator of this machine, or use kmodtui to look only.",
        )
    if last in ("a password is required", "no password was provided"):
        return ElevationCancelledError("sudo was given no password.", READ_ONLY)
    return ElevationRefusedError(f"sudo refused: {last.rstrip('.')}.", READ_ONLY)


def detect(*, root: bool | None = None) -> Elevation:
    """Return the first way to root that could work here: root already, sudo, or none.

    Args:
        root: whether this process is root; found out if not told.
    """
    if os.geteuid() == 0 if root is None else root:
        return AlreadyRoot()
    path = next((path for path in _SUDO if os.path.exists(path)), None)
    if path is None:
        return NoElevation(
            "You are not root, and sudo is not installed.",
            "Log in as root, or install sudo and allow yourself to use it.",
        )
    status = os.stat(path)
    if status.st_uid != 0 or not status.st_mode & stat.S_ISUID:
        return NoElevation(
            f"{path} is not setuid root, so it cannot give root.",
            "This is so in some containers; do it on the host.",
        )
    if _no_new_privileges():
        return NoElevation(
            "This session may not gain privileges (no_new_privs), so sudo cannot work in it.",
            "This is so in some containers and services; use a shell outside of it.",
        )
    return Sudo(path)


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


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_sudo_rs(path: str) -> bool:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return b"sudo-rs" in done.stdout + done.stderr


def _no_new_privileges() -> bool:
    with contextlib.suppress(OSError):
        return "\nNoNewPrivs:\t1" in Path("/proc/self/status").read_text(errors="replace")
    return False


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Give the signals that keys at the prompt have sent; they reach this process as well."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGQUIT)
    # A handler, not SIG_IGN: that one would be inherited by what is started.
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _converse(process: Process) -> str:
    """Show what sudo says beside its prompt until it has ended or gone to the background."""
    assert process.popen.stderr is not None
    errors = process.popen.stderr.fileno()
    words = b""
    while True:
        # Asked before reading: what it said last is there once it has ended. The
        # helper keeps the pipe open, so there is no end of it to wait for.
        ended = process.popen.poll() is not None
        while select.select([errors], [], [], 0 if ended else _GLANCE)[0]:
            data = os.read(errors, 4096)
            if not data:
                process.popen.wait()
                break
            words += data
            _show(data)
        if ended:
            return words.decode("utf-8", "backslashreplace")


def _show(text: bytes) -> None:
    terminal = os.open(_TERMINAL, os.O_WRONLY | os.O_NOCTTY | os.O_APPEND)
    try:
        os.write(terminal, text)
    finally:
        os.close(terminal)
