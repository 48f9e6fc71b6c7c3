"""Notices that somebody writes to a file, with inotify(7): also in /sys, where nothing is polled.

The kernel reports writes by programs. What a module changes in its own variables is not a
write, and is found when the files are read the next time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable

_CLOSE_WRITE = 0x8
_MOVED_TO = 0x80
_WANTED = _CLOSE_WRITE | _MOVED_TO
_HEAD = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len
_BUFFER = 64 * 1024


class Writes:
    """Calls a function when a file in one of the watched directories was written."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        """Watch nothing yet.

        Raises:
            OSError: the system allows no more watching.
        """
        self._noticed = noticed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        asyncio.get_running_loop().add_reader(self._file, self._read)

    def watch(self, directory: str) -> None:
        """Watch a directory, until it is removed; one that cannot be watched is ignored."""
        self._libc.inotify_add_watch(self._file, os.fsencode(directory), _WANTED)

    def close(self) -> None:
        """Watch nothing any more."""
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)

    def _read(self) -> None:
        try:
            data = os.read(self._file, _BUFFER)
        except OSError:
            return
        place = 0
        while place + _HEAD.size <= len(data):
            _, mask, _, length = _HEAD.unpack_from(data, place)
            place += _HEAD.size + length
            if mask & _WANTED:
                self._noticed()
                return
