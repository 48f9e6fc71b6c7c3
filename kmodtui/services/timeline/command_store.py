"""The commands that kmodtui carried out on this machine, for every process of kmodtui.

Each is a line of `commands.jsonl` in the state directory (`~/.local/state/kmodtui`): `kmodtui
events` and a recorder show what a dashboard in another terminal does. The file is a hint: if
it cannot be written, nothing is reported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmodtui.kernel.host import Host
from kmodtui.model.text import shortened
from kmodtui.model.timeline.event import CommandRun
from kmodtui.model.timeline.event_json import command_json, read_command

MAX_FILE = 256 * 1024
"""Bytes at which the file is begun again."""

_MAX_TEXT = 500
_MAX_COMMANDS = 8000
_MAX_READ = 1024 * 1024

Stored = tuple[float, CommandRun, tuple[str, ...]]
"""When a command ended, the command, and its modules."""


def store_path() -> Path:
    """Return the path of the file."""
    state = os.environ.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    return Path(state, "kmodtui", "commands.jsonl")


def store_command(host: Host, when: float, run: CommandRun, modules: Sequence[str]) -> None:
    """Add a command; does nothing for another system than this machine, or if it fails."""
    if not host.live or host.badge:
        return
    short = replace(
        run,
        command=shortened(run.command, _MAX_TEXT),
        cause=shortened(run.cause, _MAX_TEXT),
        remedy=shortened(run.remedy, _MAX_TEXT),
        records=(),
        # Without an end, they would be other commands.
        commands=run.commands if _length(run) <= _MAX_COMMANDS else (),
    )
    fields = {"time": round(when, 3), "modules": modules[:50], "command": command_json(short)}
    path = store_path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and path.stat().st_size > MAX_FILE:
            path.replace(path.with_suffix(".old"))
        # One write of a whole line: several processes may do this.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(path, flags, 0o600)
        try:
            os.write(file, f"{json.dumps(fields)}\n".encode("ascii"))
        finally:
            os.close(file)


def _length(run: CommandRun) -> int:
    return sum(len(word) for command in run.commands for word in command.words)


class StoredCommands:
    """The commands that other processes add from now on."""

    def __init__(self) -> None:
        self._path = store_path()
        self._file, self._offset = self._end()

    def _end(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return 0, 0
        return status.st_ino, status.st_size

    def read(self) -> list[Stored]:
        """Return the commands of other processes since the last call, in order."""
        inode, size = self._end()
        if (inode, size) == (self._file, self._offset):
            return []
        lines: list[bytes] = []
        if inode != self._file and self._file:
            # It was begun again: the rest of the earlier one is not lost.
            lines += self._rest(self._path.with_suffix(".old"))
            self._offset = 0
        self._file = inode
        lines += self._rest(self._path)
        return [stored for line in lines if (stored := _parsed(line)) is not None]

    def _rest(self, path: Path) -> list[bytes]:
        try:
            with path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_MAX_READ)
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()


def _parsed(line: bytes) -> Stored | None:
    try:
        fields: Any = json.loads(line)
        run = read_command(fields["command"])
        stored = float(fields["time"]), run, tuple(map(str, fields["modules"]))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return stored if run.process != os.getpid() else None
