"""Textual's driver for Linux, made to sleep while nobody types.

Its input thread looks for keys ten times a second, which it has to only for a
moment after a key: to tell a lone Esc from the beginning of a sequence. On a
dashboard where nothing happens that is most of what the processor has to do.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

ALERT = 1.0
"""Seconds after the last input during which Textual goes on as it does by itself."""


class PatientDriver(LinuxDriver):
    """The driver of the dashboard on a real terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_event = _InputOrEnd(self.fileno)


class _InputOrEnd(threading.Event):
    """The event that ends the input thread; to ask for it is to wait for something to do.

    The thread asks `is_set()` before each look for input. Here the answer comes
    when there is input, when the event was set, or soon after the last input.
    """

    def __init__(self, terminal: int) -> None:
        super().__init__()
        self._terminal = terminal
        self._end, self._ending = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._last_input = time.monotonic()

    def set(self) -> None:
        """End the wait, now and until it is cleared."""
        super().set()
        os.write(self._ending, b"\0")

    def clear(self) -> None:
        """Let the waiting begin again."""
        while select.select([self._end], [], [], 0)[0]:
            os.read(self._end, 64)
        super().clear()

    def is_set(self) -> bool:
        """Return whether the thread is to end, once there is a reason to ask."""
        if threading.current_thread() is threading.main_thread():
            return super().is_set()  # Textual asks from there as well, and must not wait
        idle = time.monotonic() - self._last_input
        if idle > ALERT and not super().is_set():
            ready, _, _ = select.select([self._terminal, self._end], [], [])
            if self._terminal in ready:
                self._last_input = time.monotonic()
        return super().is_set()
