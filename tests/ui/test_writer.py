"""The thread that writes to the terminal: it never delays anybody, and loses nothing but frames."""

from __future__ import annotations

import os
import pty
import threading
import tty
from collections.abc import Iterator

import pytest

from kmodtui.ui.terminal import modes
from kmodtui.ui.terminal.writer import LIMIT, Writer

FRAME = b"x" * 8192


class Line:
    """A terminal that is read only when the test wants it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.lost, self.skipped = threading.Event(), threading.Event()
        self.writer = Writer(self.slave, on_lost=self.lost.set, on_skipped=self.skipped.set)
        self.writer.start()

    def read_until(self, end: bytes) -> bytes:
        """Read until these bytes have arrived; return all that was read."""
        seen = b""
        while end not in seen:
            seen += os.read(self.master, 65536)
        return seen

    def fill(self) -> None:
        """Write more than the terminal and the queue take."""
        for _ in range(4 * LIMIT // len(FRAME)):
            self.writer.write(FRAME)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    os.close(line.master)
    os.close(line.slave)


def test_it_writes_in_order(line: Line) -> None:
    for number in range(1000):
        line.writer.write(f"<{number}>".encode())
    seen = line.read_until(b"<999>")
    assert seen == "".join(f"<{number}>" for number in range(1000)).encode()


def test_what_a_stalled_terminal_does_not_take_is_skipped_and_reported_once_it_reads(
    line: Line,
) -> None:
    line.fill()
    assert not line.skipped.is_set()
    line.writer.write(b"END")  # skipped as well: frames stay in order
    seen = 0
    while not line.skipped.is_set():
        data = os.read(line.master, 65536)
        assert b"END" not in data
        seen += len(data)
    assert seen < 4 * LIMIT
    line.writer.write(b"again")
    line.read_until(b"again")


def test_one_painting_is_written_however_long_it_is(line: Line) -> None:
    line.writer.write(b"x" * (2 * LIMIT) + b"END")
    line.read_until(b"END")
    assert not line.skipped.is_set()


def test_the_last_bytes_reach_a_terminal_that_has_stalled(line: Line) -> None:
    line.fill()
    line.writer.finish(b"restored", within=0.1)
    seen = line.read_until(b"restored")
    assert seen.endswith(modes.ABORT.encode() + b"restored")
    assert len(seen) < LIMIT


def test_a_terminal_that_is_lost_is_reported_also_while_it_is_written_to(line: Line) -> None:
    line.fill()
    os.close(line.master)
    assert line.lost.wait(30)
    line.writer.write(FRAME)
    line.writer.finish(b"restored", within=30)  # returns at once
    line.master = os.open(os.devnull, os.O_RDONLY)
