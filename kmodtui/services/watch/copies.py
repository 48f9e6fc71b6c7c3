"""Private copies of the builds of a module file: the build that is loaded, and those around it.

make overwrites the file, but the module that is loaded can be wanted again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kmodtui.errors import KmodtuiError, ModuleFileError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.build_symbols import read_module_build
from kmodtui.kernel.module_file.content import MAX_FILE
from kmodtui.model.text import clean
from kmodtui.model.watch.build import ModuleBuild


class NotCompleteError(KmodtuiError):
    """A file was changed while it was read."""

    title = "The file is not complete yet"


@dataclass(frozen=True)
class Copy:
    """A copy of one build.

    Attributes:
        path: of the copy, on the observed system.
        build: what is in it.
        modified: when the original was last written, in seconds since the epoch.
    """

    path: str
    build: ModuleBuild
    modified: float


class Copies:
    """A directory that only this user can read, on the observed system."""

    def __init__(self, host: Host) -> None:
        """Create the directory.

        Raises:
            KmodtuiError: it cannot be created.
        """
        self._host = host
        here = "" if host.locate("/") == "/" else host.locate("/")
        place = os.path.realpath(tempfile.gettempdir()) if not here else "/tmp"  # noqa: S108
        try:
            os.makedirs(f"{here}{place}", exist_ok=True)
            made = tempfile.mkdtemp(prefix="kmodtui-watch-", dir=f"{here}{place}")
        except OSError as error:
            raise KmodtuiError(
                f"A copy of the module cannot be kept: {error.strerror or error}.",
                "Set TMPDIR to a directory that you may write to.",
            ) from error
        self._folder = Path(made)
        self._shown = f"{place}/{self._folder.name}"
        self._number = 0

    def take(self, path: str) -> Copy:
        """Copy the file at `path` on the observed system, and return the build in the copy.

        Raises:
            UnreadableError: the file does not exist or is not readable.
            NotCompleteError: it was changed meanwhile.
            ModuleFileError: it is not a module, or is not complete.
        """
        self._number += 1
        number, name = self._number, os.path.basename(path)
        folder = self._folder / str(number)
        folder.mkdir()
        try:
            before = self._state(path)
            with self._host.open(path) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            after = self._state(path)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            why = error.strerror or str(error)
            raise UnreadableError(f"{clean(path)} cannot be copied: {why}.") from error
        try:
            if before != after or (folder / name).stat().st_size != after[1]:
                raise NotCompleteError(f"{clean(path)} is being written.")
            shown = f"{self._shown}/{number}/{name}"
            return Copy(shown, read_module_build(self._host, shown), after[2] / 1e9)
        except ModuleFileError as error:
            shutil.rmtree(folder, ignore_errors=True)
            message = error.message.replace(clean(shown), clean(path))
            raise ModuleFileError(message, error.hint) from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _state(self, path: str) -> tuple[int, int, int]:
        status = self._host.stat(path)
        if status.st_size > MAX_FILE:
            raise OSError(0, "it is too large")
        return status.st_ino, status.st_size, status.st_mtime_ns

    def keep_only(self, *copies: Copy | None) -> None:
        """Remove all copies but these."""
        kept = {copy.path.split("/")[-2] for copy in copies if copy is not None}
        with suppress(OSError):
            for folder in self._folder.iterdir():
                if folder.name not in kept:
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self._folder, ignore_errors=True)
