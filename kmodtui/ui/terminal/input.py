"""The thread that reads the terminal. It sleeps while there is no input.

Textual's own thread wakes up ten times a second, which on an idle dashboard would be most
of the CPU time used, and reads on when the terminal no longer exists.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable, Iterable

from textual.constants import ESCAPE_DELAY
from textual.message import Message

from kmodtui.ui.terminal import modes
from kmodtui.ui.terminal.keyboard import Keyboard
from kmodtui.ui.terminal.kinds import may_be_slow

log = logging.getLogger("kmodtui")

_SIZE = 4096
_REMOTE_DELAY = max(ESCAPE_DELAY, 0.2)  # seconds of silence after Esc
_PATIENCE = 1.0  # seconds for the thread to end
_IN_BACKGROUND = 0.2  # seconds until it is checked again whether the terminal may be read


class Input:
    """Reads a terminal between `start` and `stop`, any number of times."""

    def __init__(
        self,
        terminal: int,
        *,
        take: Callable[[Iterable[Message]], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Prepare input.

        Args:
            terminal: the descriptor.
            take: called by the thread with what has arrived.
            on_lost: called by it when the terminal no longer exists.
        """
        self._terminal = terminal
        self._take, self._on_lost = take, on_lost
        self._thread: threading.Thread | None = None
        self._stop = -1
        self._changing = threading.Lock()
        """Held by the thread that starts or stops: the supervisor may be the second one."""

    def start(self) -> None:
        """Start to read."""
        with self._changing:
            stopped, self._stop = os.pipe2(os.O_CLOEXEC)
            self._thread = threading.Thread(
                target=self._run, args=(stopped,), name="terminal input", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop to read; what has not been read by then is left to others."""
        with self._changing:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            os.close(self._stop)
        thread.join(_PATIENCE)

    def _run(self, stopped: int) -> None:
        try:
            self._read_until(stopped)
        except Exception as error:
            log.exception("terminal input", exc_info=error)
            self._on_lost()  # deaf, so it must not go on
        finally:
            os.close(stopped)

    def _read_until(self, stopped: int) -> None:
        keyboard = Keyboard(_REMOTE_DELAY if may_be_slow(os.environ) else ESCAPE_DELAY)
        poll = select.poll()
        poll.register(stopped, 0)  # reports when the other end is closed
        poll.register(self._terminal, select.POLLIN)
        while True:
            wait = keyboard.wait
            ready = dict(poll.poll(None if wait is None else wait * 1000 + 1))
            if stopped in ready:
                return
            found = keyboard.expire()
            if state := ready.get(self._terminal, 0):
                if not modes.is_foreground(self._terminal):
                    # It is typed for the shell; reading it would stop the process.
                    threading.Event().wait(_IN_BACKGROUND)
                    continue
                data = self._read() if state & select.POLLIN else b""
                if not data:
                    self._on_lost()
                    return
                found += keyboard.feed(data)
            if found:
                self._take(found)

    def _read(self) -> bytes:
        """Return waiting input; empty if the terminal no longer exists."""
        with contextlib.suppress(OSError):
            return os.read(self._terminal, _SIZE)
        return b""
