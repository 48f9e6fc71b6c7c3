r"""Reader of the kernel log, for users who may read it without the helper.

Each read of /dev/kmsg returns one record. Format (`Documentation/ABI/testing/dev-kmsg`):
`PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT`, followed by lines ` KEY=value` about the
device. The kernel writes anything but printable ASCII as `\xNN`, which is kept.
"""

from __future__ import annotations

import asyncio
import os
import re
from io import FileIO
from typing import Protocol

from kmodtui.model.log.record import LogRecord

PATH = "/dev/kmsg"

_MAX_RECORD = 8192  # CONSOLE_EXT_LOG_MAX; a shorter buffer gets EINVAL
_HEAD = re.compile(rb"([0-9]+),([0-9]+),([0-9]+),")


class KernelLog(Protocol):
    """A kernel log that can be read and waited for."""

    def read(self, most: int) -> list[LogRecord]:
        """Return the next records, at most `most`; empty if there are no new ones.

        Raises:
            OSError: the log cannot be read any more.
            EOFError: there will be no more records.
        """
        ...

    async def more(self) -> None:
        """Return once there are records to read."""
        ...

    def close(self) -> None:
        """Close the log; may be called twice."""
        ...


class Kmsg:
    """The log of this machine, starting with its oldest record."""

    def __init__(self, file: FileIO) -> None:
        """Read from a file in non-blocking mode."""
        self._file = file

    @classmethod
    def open(cls, path: str = PATH) -> Kmsg:
        """Open the log.

        Raises:
            OSError: it does not exist or is not readable; EPERM if kernel.dmesg_restrict is set.
        """
        return cls(FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)))

    def read(self, most: int) -> list[LogRecord]:
        """Return the next records; see `KernelLog.read`."""
        records: list[LogRecord] = []
        while len(records) < most:
            try:
                data = self._file.read(_MAX_RECORD)
            except BrokenPipeError:
                # Records were overwritten before they were read. The gap in the sequence
                # numbers shows how many.
                continue
            if data is None:
                break
            if not data:
                if records:
                    break
                raise EOFError
            if record := parse_record(data):
                records.append(record)
        return records

    async def more(self) -> None:
        """Wait for the next record, without polling."""
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._file, wake)
        try:
            await ready
        finally:
            loop.remove_reader(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def parse_record(data: bytes) -> LogRecord | None:
    """Return the record in the bytes of one read; None if they are not a record."""
    head, _, body = data.partition(b";")
    found = _HEAD.match(head)
    if not found:
        return None
    priority, sequence, usec = (int(number) for number in found.groups())
    # The lines after the first describe the device and are not part of the message.
    text = body.partition(b"\n")[0].decode("ascii", "backslashreplace")
    return LogRecord(sequence, usec, priority & 7, text)
