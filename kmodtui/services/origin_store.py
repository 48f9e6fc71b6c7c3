"""Keeps which files were inserted, so that the next session of kmodtui knows them, too.

The file `inserted.json` in the state directory (`~/.local/state/kmodtui`) has the entries of
the current boot only. It is a hint: a file is read and confirmed again before it is inserted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kmodtui.kernel.host import Host
from kmodtui.model.origin import FileState, Known, Origin

_BOOT = "/proc/sys/kernel/random/boot_id"
_MOST = 200  # entries; the oldest are dropped
_MAX_SIZE = 1024 * 1024  # bytes of a file that is read


def store_of(host: Host) -> OriginStore | None:
    """Return the store for this machine; None for other systems, and where boots are unknown."""
    if not host.live or host.badge:
        return None
    try:
        boot = host.read(_BOOT, 64).decode("ascii", "replace").strip()
    except OSError:
        return None
    # Where platformdirs would have it, which takes a verb longer to import than to read this.
    state = os.environ.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    folder = Path(state, "kmodtui")
    return OriginStore(folder / "inserted.json", boot)


class OriginStore:
    """The entries of one boot in a file."""

    def __init__(self, path: Path, boot: str) -> None:
        self._path = path
        self._boot = boot

    def read(self) -> dict[str, Origin]:
        """Return the files by the name of the module; malformed entries are skipped."""
        return {
            name: origin for name, entry in self._entries().items() if (origin := _origin(entry))
        }

    def keep(self, name: str, origin: Origin) -> None:
        """Add an entry. A file that cannot be written is not an error: it is only a hint."""
        entries = {key: entry for key, entry in self._entries().items() if key != name}
        entries[name] = asdict(origin)
        kept = dict(list(entries.items())[-_MOST:])
        text = json.dumps({"boot": self._boot, "modules": kept}, indent=1)
        new = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_text(f"{text}\n", encoding="ascii")
            os.replace(new, self._path)
        except OSError:
            return

    def _entries(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(_MAX_SIZE))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict) or content.get("boot") != self._boot:
            return {}
        modules = content.get("modules")
        return modules if isinstance(modules, dict) else {}


def _origin(entry: object) -> Origin | None:
    if not isinstance(entry, Mapping):
        return None
    path, sha256, state = entry.get("path"), entry.get("sha256"), entry.get("state")
    if not (isinstance(path, str) and path.startswith("/") and isinstance(sha256, str)):
        return None
    build = entry.get("build")
    if not isinstance(state, Mapping) or not isinstance(build, str):
        return None
    numbers = [state.get("inode"), state.get("size"), state.get("modified"), entry.get("instance")]
    inode, size, modified, instance = (n if type(n) is int else -1 for n in numbers)
    file = FileState(inode, size, modified)
    return Origin(path, Known.INSERTED, sha256, file, instance, build)
