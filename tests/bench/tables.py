"""Generated symbol tables of any size, and a file that costs what the kernel's own costs."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Self

from kmodtui.demo.recording import packaged_recording
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kallsyms import PATH

MODULES = 60
"""Modules among which the module rows of a generated table are shared out."""

SIZES = ((120_000, 5_000), (175_000, 20_000), (250_000, 60_000))
"""Rows of a table, and how many of them belong to modules."""


@cache
def _kernel_rows() -> list[tuple[bytes, bytes]]:
    """Return type and name of each row of the recorded kernel."""
    rows = packaged_recording().root["proc/kallsyms"].data.split(b"\n")
    fields = (row.split(b" ", 2) for row in rows if row and b"\t" not in row)
    return [(letter, name) for _, letter, name in fields]


def generated(rows: int, of_modules: int, newest: int = 0) -> bytes:
    """Return a table as the kernel prints it, addresses shown.

    Args:
        rows: of the kernel and its modules.
        of_modules: how many of them are modules'.
        newest: rows of one module more, `newest`, as if it had just been loaded.
    """
    known = _kernel_rows()
    lines = []
    for number in range(rows - of_modules):
        letter, name = known[number % len(known)]
        again = b".%d" % (number // len(known)) if number >= len(known) else b""
        lines.append(b"%016x %b %b%b\n" % (0xFFFFFFFF81000000 + 64 * number, letter, name, again))
    for number in range(newest):
        letter, name = known[number % len(known)]
        address = 0xFFFFFFFFC8000000 + 64 * number
        lines.append(b"%016x %b newest_%b\t[newest]\n" % (address, letter.lower(), name))
    for number in range(of_modules):
        letter, name = known[number % len(known)]
        owner = number * MODULES // of_modules
        address = 0xFFFFFFFFC0000000 + 64 * number
        lines.append(b"%016x %b %b\t[module_%02d]\n" % (address, letter.lower(), name, owner))
    return b"".join(lines)


class AtKernelSpeed(LocalHost):
    """This machine, whose /proc/kallsyms has other rows but costs as much a byte to read.

    The kernel formats each row as it is read, which is most of the cost. So each
    piece is read from the kernel as well, and thrown away.
    """

    table = b""

    def open(self, path: str) -> _Costly:  # type: ignore[override]
        return _Costly(path, self.table)


class _Costly:
    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._data = BytesIO(data)

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        if not piece:
            self._file.close()
            self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115
            piece = self._file.read(size)
        return self._data.read(len(piece))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def cat(size: int) -> Callable[[], float]:
    """Return what measures `cat /proc/kallsyms >/dev/null` for so many bytes, in seconds.

    The kernel's own table is read as often as it takes, and the time cut to size.
    """
    own = len(Path(PATH).read_bytes())
    times = math.ceil(size / own)
    command = f"cat {' '.join([PATH] * times)} >/dev/null"

    def timed() -> float:
        begin = time.perf_counter()
        subprocess.run(command, shell=True, check=True)
        return (time.perf_counter() - begin) * size / (times * own)

    return timed
