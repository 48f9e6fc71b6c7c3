"""Textual's Linux driver with an input thread that sleeps while there is no input.

Textual's input thread wakes up ten times a second. This is only needed shortly after
input, to tell a single Esc from the start of an escape sequence. On an idle dashboard
these wake-ups would be most of the CPU time used.

Textual's thread also reads on when the terminal no longer exists. The dashboard gets
SIGHUP then if the terminal is its controlling terminal, but with `su -c` it has none.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from codecs import getincrementaldecoder
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

AWAKE = 1.0
"""Seconds after the last input during which the input thread wakes up regularly."""

STEP = 0.1
"""Seconds from one such wake-up to the next."""


class PatientDriver(LinuxDriver):
    """The driver used for the dashboard on a real terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_event = self._exit = _ReadableEvent()
        self._is_suspended = False

    def _sigtstp_application(self, *arguments: Any) -> None:
        """Restore the terminal and stop, as the shell expects on SIGTSTP."""
        self._is_suspended = True
        super()._sigtstp_application(*arguments)

    def _sigcont_application(self, *arguments: Any) -> None:
        """Take the terminal again, if it was given back.

        The kernel also sends SIGCONT when the terminal hangs up. Textual would then start
        an input thread that nothing ends, and the process would never exit.

        After the shell's `bg`, the terminal cannot be taken: the process is stopped again,
        and still has no input thread when `fg` continues it.
        """
        if self._is_suspended:
            super()._sigcont_application(*arguments)
            self._is_suspended = self._auto_restart and not self._has_input_thread

    @property
    def _has_input_thread(self) -> bool:
        return self._key_thread is not None and self._key_thread.is_alive()

    def run_input_thread(self) -> None:
        """Parse what the terminal sends until `exit_event` is set."""
        decode = getincrementaldecoder("utf-8")("backslashreplace").decode
        parser = XTermParser(self._debug)
        last_input = time.monotonic()
        while not self._exit.is_set():
            awake = time.monotonic() - last_input < AWAKE
            ready, _, _ = select.select([self.fileno, self._exit], [], [], STEP if awake else None)
            if self.fileno in ready:
                data = _read(self.fileno)
                if not data:
                    os.kill(os.getpid(), signal.SIGHUP)
                    return
                # To the parser, an empty text is the end.
                for message in parser.feed(text) if (text := decode(data)) else ():
                    self.process_message(message)
                last_input = time.monotonic()
            # A single Esc that was read a moment ago.
            for message in parser.tick():
                self.process_message(message)


def _read(terminal: int) -> bytes:
    """Return waiting input; empty if the terminal no longer exists."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


class _ReadableEvent(threading.Event):
    """An event that `select` can wait for together with the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._out, self._in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def fileno(self) -> int:
        """Return a descriptor that is readable while the event is set."""
        return self._out

    def set(self) -> None:
        """Set the event, and wake up whoever waits for it."""
        super().set()
        os.write(self._in, b"\0")

    def clear(self) -> None:
        """Clear the event."""
        while select.select([self._out], [], [], 0)[0]:
            os.read(self._out, 64)
        super().clear()
