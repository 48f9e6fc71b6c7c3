"""A folder that looks like a machine, written so that a reader never sees half of a file.

What is new is made in a scratch folder beside it and renamed into its place;
what goes is renamed away first and deleted there. Paths are absolute as the
machine sees them (`/proc/modules`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from kmodtui.demo.recording import Files, write_files


class SystemFolder:
    """The files of one simulated machine.

    Attributes:
        root: where the machine's `/` is on this one.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        """Write below `root`, making new things in `scratch`, on the same file system."""
        self.root = root
        self._scratch = scratch
        self._scratch.mkdir(exist_ok=True)
        self._numbers = count()

    def locate(self, path: str) -> Path:
        """Return the path on this machine."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> bytes:
        """Return a file's bytes; none if there is no such file."""
        try:
            return self.locate(path).read_bytes()
        except FileNotFoundError:
            return b""

    def write(self, path: str, *data: bytes) -> None:
        """Put a file there, or another in its place, with its folders; keep its mode."""
        there = self.locate(path)
        made = self._new()
        with open(made, "wb") as file:
            file.writelines(data)
        try:
            made.chmod(there.stat().st_mode & 0o777)
        except FileNotFoundError:
            there.parent.mkdir(parents=True, exist_ok=True)
            made.chmod(0o444)
        os.replace(made, there)

    def install(self, path: str, files: Files, *, empty: Iterable[str] = ()) -> None:
        """Put a folder there, with all its files at once, in place of whatever was.

        Args:
            path: where.
            files: what it holds.
            empty: folders in it that hold nothing.
        """
        made = self._new()
        write_files(made, files, empty)
        there = self.locate(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        self.remove(path)
        made.rename(there)

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link there, in place of whatever was."""
        there = self.locate(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        made = self._new()
        made.symlink_to(target)
        os.replace(made, there)

    def remove(self, path: str) -> None:
        """Remove a file, a link or a folder; nothing happens if there is none."""
        gone = self._new()
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.locate(path), gone)
            if gone.is_dir() and not gone.is_symlink():
                shutil.rmtree(gone)
            else:
                gone.unlink()

    def exists(self, path: str) -> bool:
        """Return whether there is something."""
        return self.locate(path).exists()

    def _new(self) -> Path:
        return self._scratch / str(next(self._numbers))
