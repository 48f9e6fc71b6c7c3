r"""Reader of the kernel's log, for who may read it without help.

One read of /dev/kmsg gives one record. Source of the format:
`Documentation/ABI/testing/dev-kmsg`: `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT`,
then lines ` KEY=value` with what is known of the device. What is no printable ASCII
comes as `\xNN`, and stays so.
"""

from __future__ import annotations

import asyncio
import os
import re
from io import FileIO
from typing import Protocol

from kmodtui.model.log_record import LogRecord

PATH = "/dev/kmsg"

_MAX_RECORD = 8192  # CONSOLE_EXT_LOG_MAX; a shorter buffer gets EINVAL
_HEAD = re.compile(rb"([0-9]+),([0-9]+),([0-9]+),")


class KernelLog(Protocol):
    """A log that can be read, and waited for."""

    def read(self, most: int) -> list[LogRecord]:
        """Return the records that have come, at most so many; none where there is no other.

        Raises:
            OSError: it cannot be read any more.
            EOFError: nothing will ever come any more.
        """
        ...

    async def more(self) -> None:
        """Return once there is something to read."""
        ...

    def close(self) -> None:
        """Give it back; may be called twice."""
        ...


class Kmsg:
    """The log of this machine, from its oldest record on."""

    def __init__(self, file: FileIO) -> None:
        """Read a file that never waits."""
        self._file = file

    @classmethod
    def open(cls, path: str = PATH) -> Kmsg:
        """Return the log.

        Raises:
            OSError: there is none, or it may not be read: EPERM is dmesg_restrict.
        """
        return cls(FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)))

    def read(self, most: int) -> list[LogRecord]:
        """Return the records that have come; see `KernelLog.read`."""
        records: list[LogRecord] = []
        while len(records) < most:
            try:
                data = self._file.read(_MAX_RECORD)
            except BrokenPipeError:
                # The next ones were overwritten before they were read: the numbers of
                # the records tell how many.
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
        """Wait for the next record; nothing wakes up before it comes."""
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
    """Return the record that one read gave, None for what is none."""
    head, _, body = data.partition(b";")
    found = _HEAD.match(head)
    if not found:
        return None
    priority, sequence, usec = (int(number) for number in found.groups())
    # What follows the first line is about the device, and no part of the message.
    text = body.partition(b"\n")[0].decode("ascii", "backslashreplace")
    return LogRecord(sequence, usec, priority & 7, text)
