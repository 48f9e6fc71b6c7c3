"""The driver of the dashboard: connects the application to the terminal.

Textual's Linux driver blocks the event loop while the terminal does not read, loses signals
then, and does not notice if the terminal no longer exists.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.geometry import Size
from textual.message import Message
from textual.messages import TerminalSupportsSynchronizedOutput

from kmodtui.model.encoding import REPLACED
from kmodtui.ui.terminal import modes
from kmodtui.ui.terminal.burst import Burst
from kmodtui.ui.terminal.capabilities import capabilities
from kmodtui.ui.terminal.delivery import Delivery
from kmodtui.ui.terminal.input import Input
from kmodtui.ui.terminal.keyboard import QUIT
from kmodtui.ui.terminal.output import TerminalOutput
from kmodtui.ui.terminal.supervisor import KEY_GRACE, QUIT_GRACE, Supervisor
from kmodtui.ui.terminal.writer import Writer

RESIZE_QUIET = 0.1
"""Seconds without another size until a new one is used: each one draws the whole screen.

Nobody notices that it is not drawn at once, and a window that is dragged has a hundred sizes.
"""

RESIZE_LONGEST = 1.5
"""Seconds until a size is used although the window is still being dragged."""

_ANSWER = 0.5  # seconds that a terminal has to answer, also through a slow connection
_DRAIN = 0.3  # seconds that the terminal has to accept everything when it is restored
_PATIENCE = 0.5  # seconds to wait for another thread that changes the modes


class _State(Enum):
    """Who has the terminal: nobody or the shell, the dashboard, or a password prompt."""

    OFF = "off"
    ON = "on"
    LENT = "lent"
    STOPPED = "stopped"


class TerminalDriver(Driver):
    """The driver used for the dashboard on a real terminal."""

    def __init__(self, app: App[Any], *, supervisor: Supervisor, **options: Any) -> None:
        super().__init__(app, **options)
        assert sys.__stdin__ is not None
        assert sys.__stderr__ is not None
        self._terminal = sys.__stdin__.fileno()
        self._encoding = sys.__stderr__.encoding
        self._supervisor = supervisor
        self._delivery = Delivery(app, self._loop)
        self._input = Input(self._terminal, take=self._take, on_lost=supervisor.on_lost)
        self._writer = Writer(
            sys.__stderr__.fileno(), on_lost=supervisor.on_lost, on_skipped=self._repaint
        )
        self._capabilities = capabilities()
        self._output = TerminalOutput(self._capabilities)
        self._size: tuple[int, int] | None = modes.size(self._terminal)
        self._answer_until = 0.0
        """Until when the terminal may answer a question; in the past if nothing is to come."""
        self._state = _State.OFF
        self._before: list[Any] | None = None
        """The terminal's attributes as the dashboard found them."""
        self._changing = threading.RLock()
        """Held while the modes of the terminal are changed."""
        self._sizes = Burst(RESIZE_QUIET, RESIZE_LONGEST)
        self._resize: asyncio.TimerHandle | None = None

    @property
    def can_suspend(self) -> bool:
        """Whether the terminal can be given to another program for a while."""
        return True

    # Output

    def write(self, data: str) -> None:
        """Write to the terminal, soon, but only `flush` writes what is painted."""
        self._send(self._output.write(data))

    def flush(self) -> None:
        """Write what makes the terminal show what was painted."""
        if self._state is _State.ON:
            self._send(self._output.flush())

    def repaint(self) -> None:
        """Write everything again: another program has written to the terminal."""
        self._output.forget()
        self.flush()

    def _send(self, text: str) -> None:
        """Write to the terminal, soon; nothing while the dashboard does not have it."""
        if text and self._state is _State.ON:
            self._writer.write(self._encode(text))

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding, REPLACED)

    # Input

    def send_message(self, message: Message) -> None:
        """Pass a message on to the application."""
        self._delivery.put(message)

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if isinstance(message, TerminalSupportsSynchronizedOutput):
                self._answer_until = 0.0
            elif isinstance(message, events.Key) and message.key == QUIT:
                # It is obeyed even if the event loop is blocked.
                self._supervisor.limit(KEY_GRACE)
            self.process_message(message)
        # A session without a controlling terminal gets no signal when the size changes.
        if self._resize is None and modes.size(self._terminal) != self._size:
            self.resize()

    # The application

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._supervisor.supervise(self)
        self._writer.start()
        self._enter()
        self._send_size()

    def resume_application_mode(self) -> None:
        """Take the terminal after a password prompt, unless the dashboard is about to end."""
        if not self._supervisor.is_ending:
            self._enter()
            self.resize()

    def suspend_application_mode(self) -> None:
        """Give the terminal to a password prompt."""
        self._leave(_State.LENT)

    def stop_application_mode(self) -> None:
        """Restore the terminal; the application has ended, and closes its screens next."""
        self._leave(_State.OFF)
        self._supervisor.limit(KEY_GRACE, self._app.return_code or 0)

    def disable_input(self) -> None:
        """Stop to read the terminal."""
        self._input.stop()

    def close(self) -> None:
        """Expect the process to end now."""
        self._supervisor.limit(QUIT_GRACE, self._app.return_code or 0)

    # The supervisor

    def ask_to_exit(self) -> None:
        """See `Supervised`."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._app.exit)

    def restore(self) -> None:
        """See `Supervised`."""
        self._leave(_State.OFF)

    def stop(self) -> None:
        """See `Supervised`."""
        if self._state is _State.ON:
            self._leave(_State.STOPPED)
        os.kill(os.getpid(), signal.SIGSTOP)

    def continue_(self) -> None:
        """See `Supervised`.

        The shell continues the process in the background after `bg`: it stops again then.
        If it was stopped without a warning, the terminal still has the dashboard's modes,
        unless the shell has changed them.
        """
        if self._state not in (_State.ON, _State.STOPPED):
            return
        if not modes.is_foreground(self._terminal):
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if self._state is _State.ON:
            self._input.stop()
        self._enter()
        self._repaint()
        self.resize()

    def resize(self) -> None:
        """See `Supervised`."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._schedule_resize)

    # Modes

    def _enter(self) -> None:
        """Set the modes of the dashboard and begin to read keys."""
        with self._changing:
            now = modes.attributes(self._terminal)
            if now is not None:
                # Whatever is not the dashboard's own was set by the shell, and is restored;
                # but not what a prompt that was interrupted has left.
                if self._before is None or (
                    self._state is not _State.LENT and now != modes.raw(self._before)
                ):
                    self._before = now
                modes.set_attributes(self._terminal, modes.raw(self._before))
            if self._state is _State.ON:
                # A terminal counts how often the keyboard protocol is enabled.
                self._writer.write(self._encode("\x1b[<u"))
            modes_set = modes.setting(self._capabilities, mouse=self._mouse)
            if modes.QUESTION in modes_set:
                self._answer_until = time.monotonic() + _ANSWER
            self._writer.write(self._encode(modes_set))
            self._output.forget()
            self._state = _State.ON
            self._input.start()

    def _leave(self, state: _State) -> None:
        """Reset the modes of the dashboard, and stop to read keys."""
        with self._exclusively():
            was, self._state = self._state, state
            if was is _State.ON:
                self._input.stop()
                modes.await_input(self._terminal, until=self._answer_until)
                self._answer_until = 0.0
                reset = modes.resetting(self._capabilities, mouse=self._mouse)
                last = self._encode(self._output.resetting + reset)
                self._writer.finish(last, within=_DRAIN)
            elif was is not _State.LENT:
                return
            if self._before is not None and modes.is_foreground(self._terminal):
                # Mouse reports and answers, which the shell would take for keys.
                modes.discard_input(self._terminal)
                modes.set_attributes(self._terminal, self._before)

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Change the modes in one thread only; but better in two than never."""
        has_lock = self._changing.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            if has_lock:
                self._changing.release()

    # Size and repainting

    def _schedule_resize(self) -> None:
        """Use the new size when no other one follows."""
        self._sizes.add(self._loop.time())
        if self._resize is None:
            self._resize = self._loop.call_at(self._sizes.due, self._use_size)

    def _use_size(self) -> None:
        self._resize = None
        if self._loop.time() < self._sizes.due:
            self._resize = self._loop.call_at(self._sizes.due, self._use_size)
        else:
            self._send_size()

    def _send_size(self) -> None:
        self._sizes.end()
        self._size = modes.size(self._terminal)
        self._output.resize(*self._size)
        size = Size(*self._size)
        self._app.post_message(events.Resize(size, size))

    def _repaint(self) -> None:
        """Have everything painted again: the terminal shows something else."""
        self._output.forget()
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._app.post_message, self.SignalResume())
