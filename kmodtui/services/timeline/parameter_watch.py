"""Reads the parameters that can change while their modules are loaded: the writable ones.

The others change only if their module changes them, and most are never read again. Writable
ones are about a hundred, and reading them takes a millisecond.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, decode
from kmodtui.model.timeline.collector import Parameters

_FOLDER = "/sys/module"
_MAX_VALUE = 4096


class ParameterWatch:
    """The readable and writable parameters of the loaded modules."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._files: dict[str, tuple[int, tuple[str, ...]]] = {}

    def read(self, modules: Iterable[str]) -> Parameters:
        """Return their values now. Reads files: not for the event loop."""
        files = {}
        found: dict[str, tuple[int, dict[str, str]]] = {}
        for module in modules:
            folder = f"{_FOLDER}/{module}"
            try:
                instance = self._host.stat(folder).st_ino
            except OSError:
                continue
            known = self._files.get(module)
            names = known[1] if known and known[0] == instance else self._writable(folder)
            files[module] = (instance, names)
            values = {name: self._value(f"{folder}/parameters/{name}") for name in names}
            found[module] = (instance, {k: v for k, v in values.items() if v is not None})
        self._files = files
        return found

    def _writable(self, folder: str) -> tuple[str, ...]:
        """Return the parameters that root can write and this process can read."""
        try:
            names = self._host.listdir(f"{folder}/parameters")
        except OSError:
            return ()
        return tuple(name for name in names if self._is_watched(f"{folder}/parameters/{name}"))

    def _is_watched(self, path: str) -> bool:
        try:
            status = self._host.stat(path)
        except OSError:
            return False
        readable = stat.S_IROTH if os.geteuid() else stat.S_IRUSR | stat.S_IROTH
        return bool(status.st_mode & stat.S_IWUSR and status.st_mode & readable)

    def _value(self, path: str) -> str | None:
        try:
            return clean(decode(self._host.read(path, _MAX_VALUE)).removesuffix("\n"))
        except OSError:
            return None
