"""Waits for sudo and the like: silently, or while the program prompts on the terminal."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FrameType

from kmodtui.errors import ElevationError, ElevationRefusedError
from kmodtui.privileged.sockets import Process

Foreground = Callable[[], AbstractContextManager[object]]
"""A context that hands the terminal over while it is active: `App.suspend`."""

TERMINAL = "/dev/tty"

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end the dashboard, also at a prompt."""

_KEYS = (signal.SIGINT, signal.SIGQUIT)

_AGENT_TIME = 2.0  # seconds for polkit's agent to restore the terminal and exit

_POLL_INTERVAL = 0.02  # seconds between checks of a program that is prompting


def require_terminal(name: str) -> None:
    """Raise ElevationRefusedError if there is no terminal for the password prompt of `name`."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise ElevationRefusedError(
            f"{name} needs a password, but there is no terminal to ask for it.",
            "Start kmodtui in a terminal: with ssh, use ssh -t.",
        ) from None


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect SIGINT and SIGQUIT, which keys at the prompt send to this process as well.

    SIGTERM and SIGHUP are collected, too, and handled as before: they end the prompt.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (*_KEYS, *ENDING)}

    def collect(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number in ENDING and callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    try:
        for number in before:
            # A handler and not SIG_IGN, which child processes would inherit.
            signal.signal(number, collect)
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class TextAgent:
    """polkit's text agent, while it runs and after it has exited.

    Attributes:
        aborted: whether it ended with SIGTRAP or SIGABRT, as it does after Ctrl+D at the
            prompt, which polkit reports like a wrong password. Known once it has exited.
    """

    aborted: bool = False


@contextlib.contextmanager
def text_agent(agent: str, process: int, *options: str) -> Iterator[TextAgent]:
    """Run polkit's text agent, so that polkit prompts on this terminal for a process.

    Args:
        agent: the path of pkttyagent.
        process: the PID of the process that needs authorization.
        options: more options of pkttyagent.

    Raises:
        ElevationError: the agent cannot be started.
    """
    ready, writer = os.pipe()
    try:
        running = subprocess.Popen(
            [agent, *options, "--process", str(process), "--notify-fd", str(writer)],
            pass_fds=(writer,), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        os.close(ready)
        raise ElevationError(f"{agent} cannot be started: {error.strerror}.") from error
    finally:
        os.close(writer)
    result = TextAgent()
    try:
        os.read(ready, 1)  # returns once the agent is ready or has exited
        yield result
    finally:
        os.close(ready)
        running.terminate()
        try:
            status = running.wait(_AGENT_TIME)
        except subprocess.TimeoutExpired:
            running.kill()
            status = running.wait()
        result.aborted = status in (-signal.SIGTRAP, -signal.SIGABRT)


async def outcome(process: Process, *, stays: bool) -> tuple[bool, str]:
    """Wait for a program that does not prompt on this terminal.

    Args:
        process: the program. If this is cancelled, it is terminated where that is permitted.
        stays: whether the program runs as long as the helper does: then it has succeeded
            once the helper writes something. Otherwise its exit status decides.

    Returns:
        Whether it succeeded, and its standard error.
    """
    loop = asyncio.get_running_loop()
    decided: asyncio.Future[bool] = loop.create_future()
    text = bytearray()
    errors, output = _descriptors(process)

    def decide(success: bool) -> None:
        if not decided.done():
            decided.set_result(success)

    def check_output() -> None:
        if _available(output):
            decide(True)
        else:
            loop.remove_reader(output)  # at its end: the exit status decides

    def wait() -> None:
        success = process.popen.wait() == 0
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(decide, success)

    def read_errors() -> None:
        if not _read(errors, text):
            loop.remove_reader(errors)

    loop.add_reader(errors, read_errors)
    if stays:
        loop.add_reader(output, check_output)
    # Not a thread of the loop's executor, which is joined when kmodtui exits: an
    # authentication window can stay open for minutes.
    threading.Thread(target=wait, name="waiting for root", daemon=True).start()
    try:
        success = await decided
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            process.popen.terminate()
        loop.remove_reader(errors)
        loop.remove_reader(output)
        process.discard()
        raise
    loop.remove_reader(errors)
    loop.remove_reader(output)
    # Its last message can be read once it has exited.
    _read(errors, text)
    return success, text.decode("utf-8", "backslashreplace")


def converse(
    process: Process, *, stays: bool, interrupted: Collection[int] = ()
) -> tuple[bool, str]:
    """Wait for a program that prompts on this terminal, and show its messages.

    Blocks until the program has succeeded or exited; see `outcome`. Processes that it has
    started may keep its standard error open.

    Args:
        process: the program.
        stays: see `outcome`.
        interrupted: the signals that have arrived, from `interrupts`; those of `ENDING` end
            the wait. The program ends when its terminal has been taken from it.

    Returns:
        Whether it succeeded, and its standard error.
    """
    errors, output = _descriptors(process)
    text = bytearray()
    while True:
        # Polled before reading, because the last message can be read once the program has
        # exited. There is no end of the stream to wait for: the helper keeps it open.
        status = process.popen.poll()
        success = status == 0 or (stays and _available(output) > 0)
        if not set(ENDING).isdisjoint(interrupted):
            with contextlib.suppress(OSError):
                process.popen.terminate()
            return False, text.decode("utf-8", "backslashreplace")
        done = success or status is not None
        select.select([errors], [], [], 0 if done else _POLL_INTERVAL)
        shown = len(text)
        if not _read(errors, text) and status is None and not stays:
            status = process.popen.wait()
            success = status == 0
        if text[shown:]:
            show(bytes(text[shown:]))
        if success or status is not None:
            return success, text.decode("utf-8", "backslashreplace")


def show(text: bytes) -> None:
    """Write to the controlling terminal."""
    terminal = os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY | os.O_APPEND)
    try:
        os.write(terminal, text)
    finally:
        os.close(terminal)


def _descriptors(process: Process) -> tuple[int, int]:
    """Return the descriptors of standard error, made non-blocking, and of standard output."""
    assert process.popen.stderr is not None
    errors = process.popen.stderr.fileno()
    os.set_blocking(errors, False)
    return errors, process.channel.fileno()


def _read(errors: int, text: bytearray) -> bool:
    """Append the available bytes to `text`; return False at the end of the stream."""
    with contextlib.suppress(BlockingIOError):
        while data := os.read(errors, 4096):
            text += data
        return False
    return True


def _available(descriptor: int) -> int:
    """Return how many bytes can be read without blocking."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
