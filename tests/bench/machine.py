"""The machine that is measured on: the demo's recorded Debian, unpacked as a captured tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kmodtui.demo.recording import packaged_recording, write_files
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.proc_modules import read_modules

LOADED = ("btrfs", "blake2b_generic", "zstd_compress", "raid6_pq", "xor")
"""What comes with a load of btrfs, newest first."""


@dataclass(frozen=True)
class RecordedMachine:
    """The tree, and what a load of btrfs adds to its symbols.

    Attributes:
        root: for `--root`.
        modules: names of what is loaded.
        kallsyms: rows of all modules that are loaded, without the kernel's own.
        btrfs_rows: rows that come with btrfs.
    """

    root: Path
    modules: tuple[str, ...]
    kallsyms: bytes
    btrfs_rows: bytes


def unpack_machine(folder: Path) -> RecordedMachine:
    """Write the recording's machine into `folder`."""
    recording = packaged_recording()
    write_files(folder, recording.root)
    rows = recording.root["proc/kallsyms"].data.splitlines(keepends=True)
    return RecordedMachine(
        folder,
        tuple(module.name for module in read_modules(LocalHost(folder))),
        b"".join(row for row in rows if b"\t[" in row),
        b"".join(recording.modules[name]["kallsyms"].data for name in LOADED),
    )
