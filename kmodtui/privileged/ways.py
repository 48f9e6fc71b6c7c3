"""Becomes root through one of `programs`, in the same way for each.

The program is run without a prompt first. Only if that fails, the dashboard leaves the
screen (`foreground`) and the program prompts on the terminal itself.
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
from kmodtui.privileged.programs import SUDO, SUDO_RS, Program
from kmodtui.privileged.sockets import Process, SocketTransport
from kmodtui.privileged.transport import Transport

_VERSION_TIMEOUT = 10.0  # seconds for `sudo --version`

# Executes the program after reading a line: polkit's agent must know its PID before it starts.
_GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class Way:
    """A program on this machine that starts commands as root.

    Attributes:
        program: how to use it.
        path: its path.
        agent: the path of polkit's text agent; empty if it is not needed.
    """

    program: Program
    path: str
    agent: str = ""

    available: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    @property
    def sentence(self) -> str:
        """What will happen when root is needed."""
        return self.program.sentence

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Start the helper; see `Elevation.start`.

        If the desktop's polkit agent asks for the password, the dashboard stays on the screen.
        """
        program = self.program
        if program is SUDO and await _is_sudo_rs(self.path):
            program = SUDO_RS
        words = [*program.words, *command, *(("--detach",) if program.detaching else ())]
        silent = _start(
            [self.path, *program.silent, *words],
            own_session=program.stays, own_group=not program.stays,
        )  # fmt: skip
        success, text = await outcome(silent, stays=program.stays)
        if success:
            return await SocketTransport.over(silent)
        silent.discard()
        if not re.search(program.could_ask, text):
            raise program.refusal(text, asked=False)
        require_terminal(self.name)
        # This blocks the event loop on purpose, or the dashboard would draw over the prompt.
        with foreground(), interrupts() as interrupted:
            show(f"kmodtui: root privileges are needed for {' '.join(command)}\n".encode())
            with self._prompting(program, [self.path, *words]) as (prompting, agent):
                success, text = converse(prompting, stays=program.stays, interrupted=interrupted)
        if success:
            return await SocketTransport.over(prompting)
        killed = (prompting.popen.returncode or 0) < 0
        prompting.discard()
        # Ctrl+C at the prompt sends SIGINT to this process as well.
        cancelled = bool(interrupted) or killed or agent.aborted
        raise program.refusal(text, asked=True, cancelled=cancelled)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        words = [self.path, *self.program.plain, *command]
        own_agent = self.program.asked_for != "parent"
        with contextlib.nullcontext() if own_agent else text_agent(self.agent, os.getpid()):
            try:
                return subprocess.run(words, env=_environment(), check=False).returncode
            except OSError as error:
                raise _start_error(words, error) from error

    @contextlib.contextmanager
    def _prompting(self, program: Program, words: list[str]) -> Iterator[tuple[Process, TextAgent]]:
        """Start the program so that it, or polkit's text agent, prompts on this terminal."""
        if not program.asked_for:
            yield _start(words), TextAgent()
            return
        process = _start([*_GATE, *words], own_session=program.stays)
        asked_for, options = os.getpid(), []
        if program.asked_for == "itself":
            # With --fallback, an agent of the desktop takes precedence. The silent attempt
            # could not use it: run0 --no-ask-password does not use any agent.
            asked_for, options = process.popen.pid, ["--fallback"]
        try:
            with text_agent(self.agent, asked_for, *options) as agent:
                process.channel.sendall(b"\n")
                yield process, agent
        except ElevationError:
            process.discard()  # the gate exits at the end of its input
            process.popen.wait()
            raise


def _start(words: Sequence[str], *, own_session: bool = False, own_group: bool = False) -> Process:
    try:
        return Process.start(words, _environment(), own_session=own_session, own_group=own_group)
    except OSError as error:
        raise _start_error(words, error) from error


def _start_error(words: Sequence[str], error: OSError) -> ElevationError:
    return ElevationError(f"{words[0]} cannot be started: {error.strerror}.")


def _environment() -> dict[str, str]:
    """Return the environment with the C locale, because error messages are matched."""
    environment = {**os.environ, "LC_ALL": "C"}
    # pkexec refuses a SHELL that is not in /etc/shells, and none of the programs needs it.
    environment.pop("SHELL", None)
    return environment


async def _is_sudo_rs(path: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            path, "--version", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        version, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT)
    except (OSError, TimeoutError):
        return False
    return b"sudo-rs" in version
