"""The way to root over a program that gives it, the same for each in the table of `programs`.

It is tried without a prompt first; only if that does not do, the dashboard leaves the
screen (`foreground`) and the program asks on the terminal itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from kmodtui.errors import ElevationError
from kmodtui.privileged.asking import (
    Foreground,
    TextAgent,
    converse,
    interrupts,
    outcome,
    require_terminal,
    show,
    text_agent,
)
from kmodtui.privileged.client import Transport
from kmodtui.privileged.pipes import PipeTransport, Process
from kmodtui.privileged.programs import SUDO, SUDO_RS, Program

_VERSION_TIME = 10.0  # seconds that a sudo has to tell its version

# Becomes the program itself once a line came: polkit's agent must know its number first.
_GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class Way:
    """A program of this machine that gives root.

    Attributes:
        program: how it is used.
        path: where it is.
        agent: where polkit's text agent is; empty where it is not needed.
    """

    program: Program
    path: str
    agent: str = ""

    available: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The way in a word."""
        return self.program.name

    @property
    def sentence(self) -> str:
        """What will happen when root is needed."""
        return self.program.sentence

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Start the helper; see `Elevation.start`. A window may ask, and then the screen stays."""
        program = self.program
        if program is SUDO and await _is_sudo_rs(self.path):
            program = SUDO_RS
        words = [*program.words, *command, *(("--detach",) if program.detaching else ())]
        silent = _begin(
            [self.path, *program.silent, *words],
            own_session=program.stays, own_group=not program.stays,
        )  # fmt: skip
        well, said = await outcome(silent, stays=program.stays)
        if well:
            return await PipeTransport.over(silent)
        silent.discard()
        if not re.search(program.could_ask, said):
            raise program.refusal(said, asked=False)
        require_terminal(self.name)
        # The event loop stands still meanwhile, on purpose: a dashboard that went on
        # would draw over the prompt.
        with foreground(), interrupts() as interrupted:
            show(f"kmodtui: root is needed for {' '.join(command)}\n".encode())
            with self._asking(program, [self.path, *words]) as (asking, agent):
                well, said = converse(asking, stays=program.stays)
        if well:
            return await PipeTransport.over(asking)
        killed = (asking.popen.returncode or 0) < 0
        asking.discard()
        # Ctrl+C is known by its signal, which came here as well.
        broken_off = bool(interrupted) or killed or agent.left_alone
        raise program.refusal(said, asked=True, broken_off=broken_off)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        words = [self.path, *self.program.plain, *command]
        own_agent = self.program.asked_for != "parent"
        with contextlib.nullcontext() if own_agent else text_agent(self.agent, os.getpid()):
            try:
                return subprocess.run(words, env=_environment(), check=False).returncode
            except OSError as error:
                raise _not_started(words, error) from error

    @contextlib.contextmanager
    def _asking(self, program: Program, words: list[str]) -> Iterator[tuple[Process, TextAgent]]:
        """Start it so that it asks, itself or by way of polkit's agent on this terminal."""
        if not program.asked_for:
            yield _begin(words), TextAgent()
            return
        asking = _begin([*_GATE, *words], own_session=program.stays)
        asked_for, more = os.getpid(), []
        if program.asked_for == "itself":
            # Where a desktop has an agent as well, its window asks. It was not found out
            # silently, because run0 that may not ask may not have others ask either.
            asked_for, more = asking.popen.pid, ["--fallback"]
        try:
            with text_agent(self.agent, asked_for, *more) as agent:
                assert asking.popen.stdin is not None
                asking.popen.stdin.write(b"\n")
                yield asking, agent
        except ElevationError:
            asking.discard()  # the gate finds its input closed, and ends
            asking.popen.wait()
            raise


def _begin(words: Sequence[str], *, own_session: bool = False, own_group: bool = False) -> Process:
    try:
        return Process.start(words, _environment(), own_session=own_session, own_group=own_group)
    except OSError as error:
        raise _not_started(words, error) from error


def _not_started(words: Sequence[str], error: OSError) -> ElevationError:
    return ElevationError(f"{words[0]} cannot be started: {error.strerror}.")


def _environment() -> dict[str, str]:
    """Return it in the C locale, so that last words are the ones that are known here."""
    environment = {**os.environ, "LC_ALL": "C"}
    # pkexec refuses to start under a shell that /etc/shells has not, and nobody needs it.
    environment.pop("SHELL", None)
    return environment


async def _is_sudo_rs(path: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            path, "--version", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIME)
    except (OSError, TimeoutError):
        return False
    return b"sudo-rs" in said
