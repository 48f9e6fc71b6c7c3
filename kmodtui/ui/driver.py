"""Textual's Linux driver, changed to sleep while there is no input.

Textual's input thread wakes up ten times a second. This is only needed shortly after
a key, to tell a single Esc from the start of an escape sequence. On an idle dashboard
these wake-ups would be most of the CPU time used.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

AWAKE = 1.0
"""Seconds after the last input during which the input thread polls as in Textual."""


class PatientDriver(LinuxDriver):
    """The driver used for the dashboard on a real terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_event = _InputOrExit(self.fileno)


class _InputOrExit(threading.Event):
    """The exit event of the input thread, whose `is_set()` blocks while there is no input.

    The thread calls `is_set()` before each poll for input. Here the call returns when
    there is input, when the event has been set, or at once shortly after the last input.
    """

    def __init__(self, terminal: int) -> None:
        super().__init__()
        self._terminal = terminal
        self._pipe_out, self._pipe_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._last_input = time.monotonic()

    def set(self) -> None:
        """Set the event, which also wakes up a blocked `is_set()`."""
        super().set()
        os.write(self._pipe_in, b"\0")

    def clear(self) -> None:
        """Clear the event, so that `is_set()` blocks again."""
        while select.select([self._pipe_out], [], [], 0)[0]:
            os.read(self._pipe_out, 64)
        super().clear()

    def is_set(self) -> bool:
        """Return whether the event is set; in the input thread, block while there is no input."""
        if threading.current_thread() is threading.main_thread():
            return super().is_set()  # Textual calls this from the main thread too; never block it
        idle = time.monotonic() - self._last_input
        if idle > AWAKE and not super().is_set():
            ready, _, _ = select.select([self._terminal, self._pipe_out], [], [])
            if self._terminal in ready:
                self._last_input = time.monotonic()
        return super().is_set()
