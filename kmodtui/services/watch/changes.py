"""Notices that a module file or its sources were written, and runs make."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, decode

STEP = 5
"""Milliseconds without a further write after which a file is looked at."""

_DEBOUNCE = 200  # milliseconds: a file that is written without a pause is looked at so often
_SOURCES = (".c", ".h", ".S", ".rs", ".dts", ".dtsi", ".lds")
_MADE = (".mod.c",)
_MAKEFILES = ("Makefile", "GNUmakefile", "makefile", "Kbuild", "Kconfig")
_MOST_LINES = 200
_MOST_LINE = 64 * 1024
_ENDING = 2.0  # seconds that make has for ending after SIGTERM

log = logging.getLogger("kmodtui")


async def file_changes(host: Host, path: str) -> AsyncIterator[None]:
    """Yield after each write to the file at `path`, and when it appears or disappears.

    Its directory is watched, because most linkers write a new file. It has to exist.
    """
    folder, name = os.path.split(path)

    def is_file(_change: object, changed: str) -> bool:
        return os.path.basename(changed) == name

    async for _ in _changes(host.locate(folder), is_file, recursive=False):
        yield


async def source_changes(folder: str) -> AsyncIterator[None]:
    """Yield after each write to a source file below a directory of this machine."""

    def is_source(_change: object, changed: str) -> bool:
        return is_source_file(os.path.relpath(changed, folder))

    async for _ in _changes(folder, is_source, recursive=True):
        yield


def is_source_file(path: str) -> bool:
    """Return whether make may have to build something if this file has changed."""
    parts = path.split("/")
    if any(part.startswith(".") and part != ".." for part in parts):
        return False
    name = parts[-1]
    if name.endswith(_MADE):
        return False
    return name in _MAKEFILES or name.endswith((*_SOURCES, ".mk"))


async def _changes(folder: str, wanted: object, *, recursive: bool) -> AsyncIterator[None]:
    # Imported late, because this takes longer than everything else until the first screen.
    from watchfiles import awatch

    while True:
        try:
            async for _ in awatch(
                folder,
                watch_filter=wanted,  # type: ignore[arg-type]
                recursive=recursive,
                step=STEP,
                debounce=_DEBOUNCE,
                rust_timeout=0,
            ):
                yield
        except FileNotFoundError as error:
            log.info("%s is not watched: %s", folder, error)
            await asyncio.sleep(1.0)  # `make clean` can remove a directory of its own
        except OSError as error:
            raise KmodtuiError(
                f"{clean(folder)} cannot be watched: {error.strerror or error}.",
                "See fs.inotify.max_user_watches.",
            ) from error


@dataclass(frozen=True, slots=True)
class MakeResult:
    """What make did.

    Attributes:
        status: its exit status; negative for a signal.
        lines: the last lines of its output, safe to show.
        seconds: how long it took.
    """

    status: int
    lines: tuple[str, ...]
    seconds: float

    @property
    def errors(self) -> tuple[str, ...]:
        """The lines that say what is wrong; the last lines if there are none like that."""
        found = [line for line in self.lines if "error:" in line or "undefined!" in line]
        found += [line for line in self.lines if line.startswith("make") and "Error" in line]
        return tuple(dict.fromkeys(found))[:10] or self.lines[-5:]


async def run_make(folder: str) -> MakeResult:
    """Run `make` in a directory as this user, without a shell and without input.

    If this is cancelled, make and what it has started are ended.

    Raises:
        KmodtuiError: it cannot be started.
    """
    began = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            "make",
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_MOST_LINE,
        )
    except OSError as error:
        raise KmodtuiError(
            f"make cannot be started in {clean(folder)}: {error.strerror or error}.",
            "Install make, or leave out --make.",
        ) from error
    assert process.stdout is not None
    lines: deque[str] = deque(maxlen=_MOST_LINES)
    try:
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                continue  # a line that is too long was dropped
            if not line:
                break
            lines.append(clean(decode(line.rstrip(b"\r\n"))))
        status = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING):
                await process.wait()
        raise
    return MakeResult(status, tuple(lines), time.monotonic() - began)
