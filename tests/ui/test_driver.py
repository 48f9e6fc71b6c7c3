"""The input thread sleeps while there is no input, and misses none."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from textual import events
from textual.message import Message

from kmodtui.ui import driver
from kmodtui.ui.driver import PatientDriver, _ReadableEvent


class Reading(PatientDriver):
    """The driver, with a pipe for a terminal, and without an application."""

    def __init__(self, terminal: int) -> None:
        self.fileno = terminal
        self.exit_event = self._exit = _ReadableEvent()
        self._debug = False
        self.messages: queue.Queue[Message] = queue.Queue()

    def process_message(self, message: Message) -> None:
        self.messages.put(message)

    def key(self) -> str:
        """Wait for a key and return its name."""
        message = self.messages.get(timeout=30)
        assert isinstance(message, events.Key)
        return message.key


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    yield out, into
    os.close(out)


@pytest.fixture
def reading(pipe: tuple[int, int]) -> Iterator[Reading]:
    reading = Reading(pipe[0])
    thread = threading.Thread(target=reading.run_input_thread)
    thread.start()
    yield reading
    reading.exit_event.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("seconds", [0.0, 0.5, 0.93, 0.97, 1.0, 1.3])
def test_esc_is_recognized_however_long_after_another_key(
    pipe: tuple[int, int], reading: Reading, seconds: float
) -> None:
    os.write(pipe[1], b"a")
    assert reading.key() == "a"
    time.sleep(seconds)  # the thread stops to wake up meanwhile, or does not
    os.write(pipe[1], b"\x1b")
    assert reading.key() == "escape"


def test_half_a_character_and_no_character_at_all_end_nothing(
    pipe: tuple[int, int], reading: Reading
) -> None:
    os.write(pipe[1], "ä".encode()[:1])
    time.sleep(0.05)
    os.write(pipe[1], "ä".encode()[1:] + b"\xffb")
    keys = [reading.key() for _ in range(6)]
    assert keys[0] == "ä"
    assert keys[-1] == "b"


def test_a_terminal_that_no_longer_exists_ends_the_program(
    monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(driver.os, "kill", lambda *arguments: sent.append(arguments))
    os.close(pipe[1])
    Reading(pipe[0]).run_input_thread()
    assert sent == [(os.getpid(), signal.SIGHUP)]
