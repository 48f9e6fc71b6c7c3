"""The symbols after a load, against `cat /proc/kallsyms`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kallsyms import PATH, read_symbols
from kmodtui.model.symbols.table import difference
from tests.bench.interleaved import Comparison, clocked, compare
from tests.bench.machine import RecordedMachine


class _LoadedMeanwhile(LocalHost):
    """This machine, with the rows of more modules behind its own, as if they had been loaded."""

    extra = b""

    def open(self, path: str) -> _WithExtra:  # type: ignore[override]
        return _WithExtra(path, self.extra)


class _WithExtra:
    """A file of this machine, read as it comes, and then some bytes more."""

    def __init__(self, path: str, extra: bytes) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._extra = extra

    def read(self, size: int) -> bytes:
        if piece := self._file.read(size):
            return piece
        piece, self._extra = self._extra, b""
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def symbols_after_a_load(machine: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare reading, parsing and differencing with the reading that `cat` does."""
    if not Path(PATH).exists():
        return f"there is no {PATH} here"
    host = _LoadedMeanwhile()
    host.extra = machine.kallsyms
    before = read_symbols(host)
    expected = machine.btrfs_rows.count(b"\n")

    def notice() -> None:
        host.extra = machine.btrfs_rows + machine.kallsyms
        delta = difference(before, read_symbols(host, before))
        if (delta.added, delta.removed) != (expected, 0):
            raise AssertionError(f"+{delta.added} -{delta.removed} symbols instead of +{expected}")

    def cat() -> None:
        subprocess.run(f"cat {PATH} >/dev/null", shell=True, check=True)

    return compare(
        "kallsyms after a load: read, parse, difference",
        clocked(notice),
        "cat /proc/kallsyms >/dev/null",
        clocked(cat),
        limit=1.2,
        rounds=rounds,
    )
