"""The files of a simulated machine, written so that readers never see an incomplete file.

New files are written in a scratch directory and renamed into place; removed ones are
renamed into it and deleted there. Paths are absolute on the machine (`/proc/modules`).
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
        root: directory on the real machine that is `/` on the simulated one.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        """Manage the files below `root`; `scratch` has to be on the same file system."""
        self.root = root
        self._scratch = scratch
        self._scratch.mkdir(exist_ok=True)
        self._numbers = count()

    def locate(self, path: str) -> Path:
        """Return the path on the real machine."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> bytes:
        """Return the contents of a file; empty if it does not exist."""
        try:
            return self.locate(path).read_bytes()
        except FileNotFoundError:
            return b""

    def write(self, path: str, *data: bytes) -> None:
        """Create or replace a file, with its directories; an existing mode is kept."""
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
        """Create or replace a directory with all its files, atomically.

        Args:
            path: the directory.
            files: its files.
            empty: directories to create in it even if there is no file in them.
        """
        made = self._new()
        write_files(made, files, empty)
        there = self.locate(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        self.remove(path)
        made.rename(there)

    def link(self, path: str, target: str) -> None:
        """Create or replace a symbolic link."""
        there = self.locate(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        made = self._new()
        made.symlink_to(target)
        os.replace(made, there)

    def remove(self, path: str) -> None:
        """Remove a file, link or directory, if it exists."""
        gone = self._new()
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.locate(path), gone)
            if gone.is_dir() and not gone.is_symlink():
                shutil.rmtree(gone)
            else:
                gone.unlink()

    def exists(self, path: str) -> bool:
        """Return whether there is a file or directory."""
        return self.locate(path).exists()

    def _new(self) -> Path:
        return self._scratch / str(next(self._numbers))
