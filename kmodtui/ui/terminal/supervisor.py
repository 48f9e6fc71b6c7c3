"""Ends the dashboard on signals and when the terminal is lost, whatever else it is doing.

A thread of its own, because the event loop may be busy or blocked. It asks the application
to exit; if that takes too long, it restores the terminal and ends the process. The helper
ends with the dashboard, because its input is closed.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections import deque
from types import FrameType
from typing import Protocol

log = logging.getLogger("kmodtui")

GRACE = 0.8
"""Seconds to end in an orderly way after a signal, or after the terminal was lost."""

QUIT_GRACE = 5.0
"""Seconds to end after the application has ended: for threads that wait for the kernel."""

KEY_GRACE = 10.0
"""Seconds for the application to end after Ctrl+q, also on a machine that is very busy."""

_CLEANUP = 0.6  # seconds to remove temporary files if the process did not end in time

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_DYING = (signal.SIGQUIT, signal.SIGABRT)
_OTHERS = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


class Supervised(Protocol):
    """What the supervisor does with the dashboard; all of it may be called by its thread."""

    def ask_to_exit(self) -> None:
        """Have the application exit soon."""
        ...

    def restore(self) -> None:
        """Restore the terminal, in less than a second."""
        ...

    def stop(self) -> None:
        """Restore the terminal and stop the process, as the shell expects on SIGTSTP."""
        ...

    def continue_(self) -> None:
        """Take the terminal again after the process was stopped."""
        ...

    def resize(self) -> None:
        """Use the terminal's new size."""
        ...


class Supervisor:
    """The thread, which lives as long as the process.

    Attributes:
        status: the exit status that the cause of the end demands; 0 if there was none.
    """

    def __init__(self, terminal: int) -> None:
        """Prepare to watch a terminal, given its descriptor."""
        self.status = 0
        self._terminal = terminal
        self._supervised: Supervised | None = None
        self._signals: deque[int] = deque()
        self._out, self._in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._deadline: float | None = None
        self._late_status = 0
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def supervise(self, supervised: Supervised) -> None:
        """Handle the process's signals for a dashboard from now on. Called by the main thread."""
        self._supervised = supervised
        for number in (*_ENDING, *_DYING, *_OTHERS):
            # Not with the event loop: it may be blocked, and signals are lost if too much
            # else wakes it up.
            signal.signal(number, self._on_signal)
        if not self._thread.is_alive():
            self._thread.start()

    @property
    def is_ending(self) -> bool:
        """Whether a signal or the loss of the terminal ends the dashboard."""
        return self.status != 0

    def on_lost(self) -> None:
        """End the dashboard because its terminal no longer exists. Any thread may call this."""
        self._signals.append(signal.SIGHUP)
        self._wake()

    def limit(self, seconds: float | None, status: int = 0) -> None:
        """End the process if it has not ended within some seconds; None for no limit.

        Args:
            seconds: from now.
            status: the exit status, unless a signal demands another one.
        """
        if not self.is_ending:
            self._deadline = None if seconds is None else time.monotonic() + seconds
            self._late_status = status
            self._wake()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in _DYING:
            # The thread sends it again when it has restored the terminal.
            signal.signal(number, signal.SIG_DFL)
        self._signals.append(number)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the thread is about to read it
            os.write(self._in, b"\0")

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        poll.register(self._terminal, 0)  # hang-ups only
        while True:
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if left is not None and left <= 0:
                self._end_now()
            ready = dict(poll.poll(None if left is None else left * 1000 + 1))
            if self._terminal in ready:
                poll.unregister(self._terminal)
                self._signals.append(signal.SIGHUP)
            if self._out in ready:
                os.read(self._out, 65536)
            try:
                self._act()
            except Exception as error:
                log.exception("supervisor", exc_info=error)

    def _act(self) -> None:
        """Act on the signals that have arrived; on those that end the dashboard first."""
        numbers = [self._signals.popleft() for _ in range(len(self._signals))]
        supervised = self._supervised
        assert supervised is not None
        for number in sorted(set(numbers), key=lambda number: number in _OTHERS):
            if number in _ENDING:
                self._end(number)
            elif number in _DYING:
                supervised.restore()
                os.kill(os.getpid(), number)
            elif self.is_ending:
                pass
            elif number == signal.SIGTSTP:
                supervised.stop()
            elif number == signal.SIGCONT:
                supervised.continue_()
            else:
                supervised.resize()

    def _end(self, number: int) -> None:
        if self.is_ending:
            return
        self.status = 128 + number
        self._deadline = time.monotonic() + GRACE
        log.info("ended by %s", signal.Signals(number).name)
        assert self._supervised is not None
        self._supervised.ask_to_exit()

    def _end_now(self) -> None:
        """End the process without the main thread."""
        try:
            frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
            log.warning("did not end in time; the main thread is here:")
            for line in "".join(traceback.format_stack(frame)).splitlines():
                log.warning("%s", line)
            assert self._supervised is not None
            self._supervised.restore()
            cleanup = threading.Thread(target=atexit._run_exitfuncs, daemon=True)  # noqa: SLF001
            cleanup.start()
            cleanup.join(_CLEANUP)
        finally:
            os._exit(self.status or self._late_status)
