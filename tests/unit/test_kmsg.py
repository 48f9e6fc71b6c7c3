"""The kernel log is read record by record; see Documentation/ABI/testing/dev-kmsg."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kmsg import Kmsg, parse_record
from kmodtui.model.log.record import LogRecord


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b"6,812,91823344,-;Btrfs loaded\n", LogRecord(812, 91823344, 6, "Btrfs loaded")),
        # The lines about the device are not part of the message.
        (
            b"4,1,2,-;ata1: failed\n SUBSYSTEM=scsi\n DEVICE=+scsi:host0\n",
            LogRecord(1, 2, 4, "ata1: failed"),
        ),
        # Messages from user space have their own facility: 3·8 + 3.
        (b"27,5,6,-,caller=T1;systemd[1]: no\n", LogRecord(5, 6, 3, "systemd[1]: no")),
        (b"6,7,8,c;a;b,c;\n", LogRecord(7, 8, 6, "a;b,c;")),
        (b"6,7,8,-;\\x1b[31mred\\x0aand \\xff\n", LogRecord(7, 8, 6, "\\x1b[31mred\\x0aand \\xff")),
        (b"6,7,8,-;raw \xff\x1b\n", LogRecord(7, 8, 6, "raw \\xff\x1b")),
        (b"6,7,8,-;\n", LogRecord(7, 8, 6, "")),
        (b"6,7,8,-;without an end", LogRecord(7, 8, 6, "without an end")),
        (b"", None),
        (b";", None),
        (b"six,7,8,-;text\n", None),
        (b"6,7;text\n", None),
        (b"[    1.0] text\n", None),
    ],
)
def test_each_read_returns_a_record(data: bytes, record: LogRecord | None) -> None:
    assert parse_record(data) == record


class Log(FileIO):
    """A log that keeps the boundaries of writes, like /dev/kmsg, and can overflow."""

    overruns = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if self.overruns:
            self.overruns -= 1
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return super().read(size)  # type: ignore[arg-type]


@pytest.fixture
def pair() -> Iterator[tuple[Log, socket.socket]]:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    log = Log(ours.detach())
    yield log, kernel
    log.close()
    kernel.close()


def logged(kernel: socket.socket, *numbers: int) -> None:
    for number in numbers:
        kernel.send(b"6,%d,1000,-;line %d\n KEY=value\n" % (number, number))


def test_reading_does_not_block(pair: tuple[Log, socket.socket]) -> None:
    file, kernel = pair
    log = Kmsg(file)
    assert log.read(10) == []
    logged(kernel, 1, 2, 3)
    assert [record.seq for record in log.read(2)] == [1, 2]
    assert [record.text for record in log.read(2)] == ["line 3"]
    assert log.read(2) == []


def test_reading_continues_after_an_overrun(pair: tuple[Log, socket.socket]) -> None:
    file, kernel = pair
    logged(kernel, 7)
    file.overruns = 2
    assert [record.seq for record in Kmsg(file).read(10)] == [7]


def test_the_end_of_the_log_is_reported(pair: tuple[Log, socket.socket]) -> None:
    file, kernel = pair
    logged(kernel, 1)
    kernel.close()
    log = Kmsg(file)
    assert len(log.read(10)) == 1
    with pytest.raises(EOFError):
        log.read(10)


async def test_waiting_for_the_next_record_cleans_up(
    pair: tuple[Log, socket.socket],
) -> None:
    file, kernel = pair
    log = Kmsg(file)
    waiting = asyncio.ensure_future(log.more())
    await asyncio.sleep(0)
    assert not waiting.done()
    logged(kernel, 1)
    await waiting
    again = asyncio.ensure_future(log.more())
    await asyncio.sleep(0)
    again.cancel()
    await asyncio.wait({again})
    assert not asyncio.get_running_loop().remove_reader(file.fileno())


def test_a_captured_tree_never_has_a_log(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_bytes(b"6,1,1,-;text\n")
    with pytest.raises(FileNotFoundError):
        LocalHost(tmp_path).kernel_log()


def test_this_machines_log_is_read_or_refused() -> None:
    try:
        log = LocalHost().kernel_log()
    except OSError as error:
        assert error.errno in (errno.EPERM, errno.EACCES, errno.ENOENT)  # noqa: PT017
        return
    records = log.read(50)
    log.close()
    log.close()
    assert [record.seq for record in records] == sorted(record.seq for record in records)
    assert all(0 <= record.level <= 7 for record in records)
