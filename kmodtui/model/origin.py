"""The file that a loaded module was inserted from, where that is not the file of the index."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Known(StrEnum):
    """How the file is known."""

    INSERTED = "inserted"
    """It was inserted through kmodtui."""

    BUILD = "build"
    """Somebody else inserted it: its srcversion or build ID is that of the loaded module."""

    NAME = "name"
    """Its path was typed, and it has a module of this name, but another build of it."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file at a moment; if it is equal later, the content is taken to be the same.

    Attributes:
        inode: its inode number; a compiler that writes a new file gives it another one.
        size: in bytes.
        modified: time of the last change of the content, in nanoseconds.
    """

    inode: int
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The file of one loaded module.

    Attributes:
        path: absolute, without symbolic links.
        known: how it is known.
        sha256: of the content that was inserted; empty if another program did that.
        state: of the file when it was inserted; None as well.
        instance: inode number of /sys/module/NAME, which is another one after each load.
        build: the srcversion and build ID that the kernel shows of what was inserted.
    """

    path: str
    known: Known
    sha256: str = ""
    state: FileState | None = None
    instance: int = 0
    build: str = ""
