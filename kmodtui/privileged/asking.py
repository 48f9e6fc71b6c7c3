"""Waiting for a program that gives root: silently, or while it asks on the dashboard's terminal."""

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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from kmodtui.errors import ElevationError, ElevationRefusedError
from kmodtui.privileged.pipes import Process

Foreground = Callable[[], AbstractContextManager[object]]
"""Gives the terminal away for as long as its context lasts: `App.suspend`."""

TERMINAL = "/dev/tty"

_GLANCE = 0.02  # seconds between looks whether the program still asks


def require_terminal(name: str) -> None:
    """Raise ElevationRefusedError if `name` has no terminal on which it could ask."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise ElevationRefusedError(
            f"{name} needs a password, and there is no terminal on which it could ask.",
            "Start kmodtui in a terminal: with ssh, use ssh -t.",
        ) from None


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
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


@dataclass
class TextAgent:
    """polkit's text agent, while it is there and afterwards.

    Attributes:
        left_alone: whether the input ended when it asked (Ctrl+D): then it gives up by a
            signal to itself, and polkit says no more than of a wrong password.
    """

    left_alone: bool = False


@contextlib.contextmanager
def text_agent(agent: str, process: int, *words: str) -> Iterator[TextAgent]:
    """Have polkit ask on this terminal for a process.

    Args:
        agent: the path of pkttyagent.
        process: the number of the process that polkit will be asked about.
        words: more that the agent is to know.

    Raises:
        ElevationError: the agent cannot be started.
    """
    ready, writer = os.pipe()
    try:
        asking = subprocess.Popen(
            [agent, *words, "--process", str(process), "--notify-fd", str(writer)],
            pass_fds=(writer,), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        os.close(ready)
        raise ElevationError(f"{agent} cannot be started: {error.strerror}.") from error
    finally:
        os.close(writer)
    told = TextAgent()
    try:
        os.read(ready, 1)  # its end comes when the agent is ready, or gone
        yield told
    finally:
        os.close(ready)
        asking.terminate()
        told.left_alone = asking.wait() in (-signal.SIGTRAP, -signal.SIGABRT)


async def outcome(process: Process, *, stays: bool) -> tuple[bool, str]:
    """Wait for a program that does not ask here; return whether it went well, and what it said.

    Args:
        process: the program. Cancelling leaves it to its end, if it cannot be ended.
        stays: whether it lives as long as the helper: then all is well once the helper
            says something. Else it is the program's end that tells.
    """
    loop = asyncio.get_running_loop()
    decided: asyncio.Future[bool] = loop.create_future()
    said = bytearray()
    errors, output = _numbers(process)

    def decide(well: bool) -> None:
        if not decided.done():
            decided.set_result(well)

    def look() -> None:
        if _waiting(output):
            decide(True)
        else:
            loop.remove_reader(output)  # its end: the program's own will tell

    def wait() -> None:
        well = process.popen.wait() == 0
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(decide, well)

    def hear() -> None:
        if not _read(errors, said):
            loop.remove_reader(errors)

    loop.add_reader(errors, hear)
    if stays:
        loop.add_reader(output, look)
    # Not one of the loop's threads: quitting would wait for those, and a window in which
    # nobody types a password can stay open for minutes.
    threading.Thread(target=wait, name="waiting for root", daemon=True).start()
    try:
        well = await decided
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            process.popen.terminate()
        loop.remove_reader(errors)
        loop.remove_reader(output)
        process.discard()
        raise
    loop.remove_reader(errors)
    loop.remove_reader(output)
    # What it said last is there once it has ended.
    _read(errors, said)
    return well, said.decode("utf-8", "backslashreplace")


def converse(process: Process, *, stays: bool) -> tuple[bool, str]:
    """Show what a program says beside its prompt; return whether it went well, and all of it.

    What it started may live on and hold its pipes. See `outcome`.
    """
    errors, output = _numbers(process)
    said = bytearray()
    while True:
        # Asked before reading: what it said last is there once it has ended. The
        # helper keeps the pipe open, so there is no end of it to wait for.
        status = process.popen.poll()
        well = status == 0 or (stays and _waiting(output) > 0)
        select.select([errors], [], [], 0 if well or status is not None else _GLANCE)
        shown = len(said)
        if not _read(errors, said) and status is None and not stays:
            status = process.popen.wait()
            well = status == 0
        if said[shown:]:
            show(bytes(said[shown:]))
        if well or status is not None:
            return well, said.decode("utf-8", "backslashreplace")


def show(text: bytes) -> None:
    """Write to the terminal itself."""
    terminal = os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY | os.O_APPEND)
    try:
        os.write(terminal, text)
    finally:
        os.close(terminal)


def _numbers(process: Process) -> tuple[int, int]:
    """Return the descriptors of what a program says and of what the helper says."""
    assert process.popen.stderr is not None
    assert process.popen.stdout is not None
    errors = process.popen.stderr.fileno()
    os.set_blocking(errors, False)
    return errors, process.popen.stdout.fileno()


def _read(errors: int, said: bytearray) -> bool:
    """Add what there is to read; return False at its end."""
    with contextlib.suppress(BlockingIOError):
        while data := os.read(errors, 4096):
            said += data
        return False
    return True


def _waiting(descriptor: int) -> int:
    """Return how many bytes there are to read."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
