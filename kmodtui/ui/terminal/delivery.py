"""Messages on their way from the input thread to the application.

The application gets a few at a time, and only so many may wait: whatever arrives, the keys
that a person presses now are not queued behind seconds of work.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from textual import events
from textual.app import App
from textual.message import Message

from kmodtui.ui.terminal.keyboard import QUIT

LIMIT = 1024
"""Messages that may wait; more keys and mouse reports are dropped, as by the kernel's terminals."""

_BATCH = 16


class Delivery:
    """A queue between the input thread and the event loop of the application."""

    def __init__(self, app: App[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._app, self._loop = app, loop
        self._waiting: deque[Message] = deque()
        self._lock = threading.Lock()
        self._is_scheduled = False

    def put(self, message: Message) -> None:
        """Deliver a message soon. May be called by any thread."""
        with self._lock:
            waiting = self._waiting
            if isinstance(message, events.Key) and message.key == QUIT:
                waiting.clear()
            elif (
                waiting and type(message) is type(waiting[-1]) and type(message) is events.MouseMove
            ):
                waiting.pop()
            elif len(waiting) >= LIMIT:
                return
            waiting.append(message)
            if self._is_scheduled:
                return
            self._is_scheduled = True
        self._schedule()

    def put_all(self, messages: Iterable[Message]) -> None:
        """Deliver messages soon, in this order."""
        for message in messages:
            self.put(message)

    def _schedule(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        for _ in range(_BATCH):
            with self._lock:
                if not self._waiting:
                    self._is_scheduled = False
                    return
                message = self._waiting.popleft()
            self._app.post_message(message)
        # The next ones when the application has passed these on.
        self._app.call_later(self._schedule)
