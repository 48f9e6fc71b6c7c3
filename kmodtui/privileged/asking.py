"""Letting a program ask on the terminal that the dashboard is on, and hearing what it said."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from kmodtui.errors import ElevationRefusedError
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


def converse(process: Process) -> str:
    """Show what a program says beside its prompt until it has ended; return all of it.

    What it started may live on and hold its pipes.
    """
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
            show(data)
        if ended:
            return words.decode("utf-8", "backslashreplace")


def show(text: bytes) -> None:
    """Write to the terminal itself."""
    terminal = os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY | os.O_APPEND)
    try:
        os.write(terminal, text)
    finally:
        os.close(terminal)
