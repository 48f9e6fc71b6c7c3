"""What is written to the terminal, by a thread, so that the terminal never delays the dashboard.

A terminal may stop reading for hours: a multiplexer that shows older output, a connection
that stalls. Meanwhile only some output is kept; what is skipped is painted again afterwards.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import threading
from collections.abc import Callable

from kmodtui.ui.terminal import modes

LIMIT = 128 * 1024
"""Bytes that wait for a terminal that does not read; only a single painting may have more."""

_CHUNK = 4096
_LAST_CHANCE = 0.2  # seconds in which an emptied terminal has to accept the last bytes


class Writer:
    """A queue of bytes for a terminal.

    Attributes:
        lost: whether the terminal no longer exists.
    """

    def __init__(
        self, terminal: int, *, on_lost: Callable[[], None], on_skipped: Callable[[], None]
    ) -> None:
        """Prepare the thread; `start` begins to write it.

        Args:
            terminal: the descriptor.
            on_lost: called by the writing thread when the terminal no longer exists.
            on_skipped: called by it when the terminal reads again after output was skipped.
        """
        self.lost = False
        self._terminal = terminal
        self._on_lost, self._on_skipped = on_lost, on_skipped
        self._waiting = bytearray()
        self._is_writing = False
        self._skipped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="terminal writer", daemon=True)

    def start(self) -> None:
        """Start the thread, unless it runs already."""
        if not self._thread.is_alive():
            self._thread.start()

    def write(self, data: bytes) -> None:
        """Write data soon; skip it if too much is waiting already. Never blocks."""
        with self._changed:
            if self.lost:
                return
            if self._skipped or (self._waiting and len(self._waiting) + len(data) > LIMIT):
                self._skipped = True
                return
            self._waiting += data
            self._changed.notify_all()

    def finish(self, last: bytes, *, within: float) -> None:
        """Write what is waiting and then `last`; return when the terminal has accepted all.

        If that takes longer than `within` seconds, output that the terminal has not read is
        discarded, so that it accepts at least `last`.
        """
        with self._changed:
            self._skipped = False
            self._waiting += last
            self._changed.notify_all()
            if self._changed.wait_for(lambda: self._is_done, within):
                return
            self._waiting[:] = modes.ABORT.encode() + last
        if modes.is_foreground(self._terminal):  # otherwise this would stop the process
            with contextlib.suppress(termios.error, OSError):
                termios.tcflush(self._terminal, termios.TCOFLUSH)
        with self._changed:
            self._changed.wait_for(lambda: self._is_done, _LAST_CHANCE)

    @property
    def _is_done(self) -> bool:
        return self.lost or not (self._waiting or self._is_writing)

    def _run(self) -> None:
        # In the background of a shell with `stty tostop`, writing would stop the process
        # although it is about to end.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            while True:
                self._write_all(self._next())
        except OSError:
            with self._changed:
                self.lost = True
                self._waiting.clear()
                self._changed.notify_all()
            self._on_lost()

    def _next(self) -> bytes:
        """Wait for output and return some of it."""
        while True:
            with self._changed:
                self._is_writing = False
                if self._waiting:
                    data = bytes(self._waiting[:_CHUNK])
                    del self._waiting[:_CHUNK]
                    self._is_writing = True
                    return data
                self._changed.notify_all()
                skipped, self._skipped = self._skipped, False
                if not skipped:
                    self._changed.wait()
            if skipped:
                self._on_skipped()

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._terminal, data) :]
            except BlockingIOError:
                # Another program has made the terminal non-blocking for everyone.
                poll = select.poll()
                poll.register(self._terminal, select.POLLOUT)
                poll.poll()
