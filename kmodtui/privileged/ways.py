"""sudo, doas and pkexec: how each one starts a command as root, asks, and says no.

Each is tried without a prompt first; only if that does not do, the dashboard
leaves the screen (`foreground`) and the way asks on the terminal itself.

Whatever asks must be gone before the dashboard comes back, or it would read
keys and set the modes of the terminal that the dashboard is on. sudo is started
with `-b`: it asks, and then goes to the background; with `use_pty` (the default
of Debian 12 and of sudo 1.9.14) it would disturb as long as it is in the
foreground. A ticket would not do in its place: there may be none
(`timestamp_timeout=0`), and it belongs to a terminal. sudo-rs (0.2.5 in Debian
13), doas and pkexec have no `-b`: there the helper detaches itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence

from kmodtui.errors import (
    ElevationCancelledError,
    ElevationError,
    ElevationRefusedError,
)
from kmodtui.model.text import clean
from kmodtui.privileged.asking import Foreground, converse, interrupts, require_terminal, show
from kmodtui.privileged.client import Transport
from kmodtui.privileged.pipes import PipeTransport, Process

READ_ONLY = "Everything can be looked at; loading and unloading are off."

ASKS_AGAIN = "Nothing was changed; the next load or unload asks again."
ASK_ADMINISTRATOR = "Ask the administrator of this machine, or use kmodtui to look only."


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
            words = ["--", *command, "--detach"]
        else:
            words = ["-b", "--", *command]
        silent = await _silently([self.path, "-n", *words])
        if not isinstance(silent, str):
            return silent
        require_terminal(self.name)
        # The event loop stands still meanwhile, on purpose: a dashboard that went on
        # would draw over the prompt.
        with foreground(), interrupts() as interrupted:
            show(_purpose(command))
            asking = _begin([self.path, *words])
            said = converse(asking)
            status = asking.popen.wait()
        if status == 0:
            return await PipeTransport.over(asking)
        asking.discard()
        raise refusal(said, interrupted=bool(interrupted) or status < 0)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        return _run([self.path, "--", *command])


class Doas:
    """doas (OpenDoas 6.8): silently where it needs no password now, else asking."""

    name = "doas"
    sentence = "doas starts the helper, and asks for your password if it needs it."
    available = True

    def __init__(self, path: str) -> None:
        self.path = path

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Start the helper; see `Elevation.start`."""
        words = ["--", *command, "--detach"]
        silent = await _silently([self.path, "-n", *words])
        if not isinstance(silent, str):
            return silent
        if "Authentication required" not in silent:
            raise doas_refusal(silent, interrupted=False)
        require_terminal(self.name)
        with foreground(), interrupts() as interrupted:
            show(_purpose(command))
            asking = _begin([self.path, *words])
            said = converse(asking)
            status = asking.popen.wait()
        if status == 0:
            return await PipeTransport.over(asking)
        asking.discard()
        raise doas_refusal(said, interrupted=bool(interrupted) or status < 0)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        return _run([self.path, "--", *command])


class Pkexec:
    """pkexec: through the desktop's agent where there is one, else the text agent asks.

    Its built-in text agent is not used: polkitd 122 refuses even the right password
    from it ("No session for cookie"), because it speaks as root. `pkttyagent` speaks
    as the user.
    """

    name = "pkexec"
    sentence = "pkexec starts the helper, and polkit asks for a password if it needs one."
    available = True

    def __init__(self, path: str, agent: str) -> None:
        self.path = path
        self.agent = agent

    async def start(self, command: Sequence[str], foreground: Foreground) -> Transport:
        """Start the helper; see `Elevation.start`. A window may ask, and then the screen stays."""
        words = [self.path, "--disable-internal-agent", *command, "--detach"]
        silent = await _silently(words)
        if not isinstance(silent, str):
            return silent
        if "No authentication agent found" not in silent:
            raise pkexec_refusal(silent, interrupted=False)
        require_terminal(self.name)
        with foreground(), interrupts() as interrupted:
            show(_purpose(command))
            with self._text_agent():
                asking = _begin(words)
                said = converse(asking)
                status = asking.popen.wait()
        if status == 0:
            return await PipeTransport.over(asking)
        asking.discard()
        raise pkexec_refusal(said, interrupted=bool(interrupted) or status < 0)

    def run(self, command: Sequence[str]) -> int:
        """Run a command; see `Elevation.run`."""
        with self._text_agent():
            return _run([self.path, "--disable-internal-agent", *command])

    @contextlib.contextmanager
    def _text_agent(self) -> Iterator[None]:
        """Have polkit ask on this terminal for what this process starts."""
        ready, writer = os.pipe()
        try:
            agent = subprocess.Popen(
                [self.agent, "--process", str(os.getpid()), "--notify-fd", str(writer)],
                pass_fds=(writer,), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            os.close(ready)
            raise ElevationError(f"{self.agent} cannot be started: {error.strerror}.") from error
        finally:
            os.close(writer)
        try:
            os.read(ready, 1)  # its end comes when the agent is ready, or gone
            yield
        finally:
            os.close(ready)
            agent.terminate()
            agent.wait()


def refusal(words: str, *, interrupted: bool) -> ElevationError:
    """Return why sudo ended without running the helper.

    sudo ends with status 1 for every reason. Ctrl+C is known by its signal, which
    came here as well; the rest only by the sentences that sudo says in the C locale,
    and what is none of those is shown as it stands.
    """
    if interrupted:
        return ElevationCancelledError("You broke off at sudo's prompt.", ASKS_AGAIN)
    last = _last_words(words, "sudo(-rs)?")
    if re.search("incorrect (password|authentication) attempt", last):
        return ElevationRefusedError("sudo did not accept the password.", ASKS_AGAIN)
    if " is not in the sudoers file" in words or " is not allowed to " in words:
        return ElevationRefusedError(
            "sudo does not let this user start the helper: the sudoers file does not allow it.",
            ASK_ADMINISTRATOR,
        )
    if last in ("a password is required", "no password was provided"):
        return ElevationCancelledError("sudo was given no password.", ASKS_AGAIN)
    return ElevationRefusedError(f"sudo refused: {last.rstrip('.')}.", ASKS_AGAIN)


def doas_refusal(words: str, *, interrupted: bool) -> ElevationError:
    """Return why doas ended without running the helper; it has no locale but C."""
    if interrupted:
        return ElevationCancelledError("You broke off at doas's prompt.", ASKS_AGAIN)
    last = _last_words(words, "doas")
    if last == "Authentication failed":
        return ElevationRefusedError("doas did not accept the password.", ASKS_AGAIN)
    if last == "Operation not permitted":
        return ElevationRefusedError(
            "doas does not let this user start the helper: /etc/doas.conf does not allow it.",
            ASK_ADMINISTRATOR,
        )
    return ElevationRefusedError(f"doas refused: {last.rstrip('.')}.", ASKS_AGAIN)


def pkexec_refusal(words: str, *, interrupted: bool) -> ElevationError:
    """Return why pkexec ended without running the helper (`man 1 pkexec`)."""
    if interrupted or "Request dismissed" in words:
        return ElevationCancelledError("You broke off when polkit asked.", ASKS_AGAIN)
    if "Not authorized" in words:
        return ElevationRefusedError(
            "polkit did not accept the password, or does not let this user start the helper.",
            ASKS_AGAIN,
        )
    last = _last_words(words, "Error executing command as another user")
    return ElevationRefusedError(f"pkexec refused: {last.rstrip('.')}.", ASKS_AGAIN)


def _last_words(words: str, who: str) -> str:
    lines = [re.sub(f"^{who}: ", "", line) for line in words.strip().splitlines()]
    return clean(lines[-1]) if lines else "it gave no reason"


def _purpose(command: Sequence[str]) -> bytes:
    return f"kmodtui: root is needed for {' '.join(command)}\n".encode()


async def _silently(command: Sequence[str]) -> Transport | str:
    """Run what must not ask; return the pipes, or what it said when it refused."""
    silent = _begin(command, own_group=True)
    if await asyncio.to_thread(silent.popen.wait) == 0:
        return await PipeTransport.over(silent)
    assert silent.popen.stderr is not None
    words = silent.popen.stderr.read().decode("utf-8", "backslashreplace")
    silent.discard()
    return words


def _begin(command: Sequence[str], *, own_group: bool = False) -> Process:
    try:
        return Process.start(command, _environment(), own_group=own_group)
    except OSError as error:
        raise ElevationError(f"{command[0]} cannot be started: {error.strerror}.") from error


def _run(command: Sequence[str]) -> int:
    try:
        return subprocess.run(command, env=_environment(), check=False).returncode
    except OSError as error:
        raise ElevationError(f"{command[0]} cannot be started: {error.strerror}.") from error


def _environment() -> dict[str, str]:
    """Return it in the C locale, so that last words are the ones that are known here."""
    environment = {**os.environ, "LC_ALL": "C"}
    # pkexec refuses to start under a shell that /etc/shells has not, and nobody needs it.
    environment.pop("SHELL", None)
    return environment


def _is_sudo_rs(path: str) -> bool:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return b"sudo-rs" in done.stdout + done.stderr
