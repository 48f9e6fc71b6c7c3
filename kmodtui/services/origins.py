"""Finds the files that loaded modules were inserted from, if those are not the index's.

A file that was inserted through kmodtui is remembered until the next boot, also for the next
session. For others, only the paths that were typed and the current directory are searched.
Reads files: not for the event loop.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from itertools import islice

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import EXTENSIONS
from kmodtui.kernel.loaded_difference import difference, is_same_build, loaded_build
from kmodtui.kernel.module_file.content import file_digest, resolved
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.origin import FileState, Known, Origin
from kmodtui.model.text import clean
from kmodtui.services.origin_store import OriginStore, store_of

_MOST_FILES = 100
"""Module files of the current directory that are read."""


class Origins:
    """The files of the loaded modules of one system."""

    def __init__(
        self,
        host: Host,
        index: Callable[[], ModuleIndex | None],
        store: OriginStore | None = None,
    ) -> None:
        """Prepare to look for files; reads nothing.

        Args:
            host: the system.
            index: returns its index of modules.
            store: keeps what was inserted for the next session; None to keep it in memory.
        """
        self._host = host
        self._index = index
        self._store = store
        self._known: dict[str, Origin] = {}
        self._typed: dict[str, None] = {}
        self._lock = threading.Lock()
        self._from_index: dict[str, tuple[int, FileState | None, bool]] = {}

    def note_inserted(self, name: str, path: str, sha256: str) -> None:
        """Remember the file that a loaded module was just inserted from."""
        origin = Origin(
            path,
            Known.INSERTED,
            sha256,
            self._state(path),
            self._instance(name),
            loaded_build(self._host, name),
        )
        with self._lock:
            self._known[name] = origin
            if self._store is not None:
                self._store.keep(name, origin)

    def note_typed(self, path: str) -> None:
        """Remember a path that was typed: it may be the file of a loaded module."""
        with self._lock:
            self._typed[path] = None

    def of(self, name: str) -> Origin | None:
        """Return the file of a loaded module; None if it is the index's, or not found."""
        instance = self._instance(name)
        if not instance:
            return None
        with self._lock:
            if name not in self._known and self._store is not None:
                self._known.update(self._store.read())
            known = self._known.get(name)
            typed = tuple(self._typed)
        # After another load, an inode number may be used again: compare the build, too.
        if known is not None and (known.instance, known.build) == (
            instance,
            loaded_build(self._host, name),
        ):
            return known
        if self._is_from_index(name, instance):
            return None
        return self._found(name, typed)

    def difference(self, name: str, origin: Origin) -> str:
        """Return how the file now differs from the loaded module, in a sentence, or nothing."""
        path = clean(origin.path)
        if origin.state is not None:
            now = self._state(origin.path)
            if now is None:
                return f"{clean(name)} was inserted from {path}, which cannot be read now."
            if now == origin.state or self._digest(origin.path) == origin.sha256:
                return ""
        try:
            info = read_module_file(self._host, origin.path)
        except KmodtuiError as error:
            return f"{path} cannot be inserted again: {error}"
        why = difference(self._host, name, info)
        if origin.state is not None:
            because = f": {why}" if why else ""
            return (
                f"{path} has changed since {clean(name)} was inserted from it{because}. "
                "A reload inserts the new file."
            )
        if not why:
            return ""
        return f"The loaded {clean(name)} is not the one in {path}: {why}. A reload inserts it."

    def why_unknown(self, name: str) -> str:
        """Return why the file of a loaded module without an origin is unknown; empty if it is not.

        A module that has another file in the index than the one that is loaded can be an update
        of the distribution, which a reload is for. One that was built elsewhere is not.
        """
        index = self._index()
        path = index.path_of(name) if index is not None else None
        if index is None:
            return f"The file that {clean(name)} was inserted from is unknown."
        if path is None:
            known = index.unknown(name).message
            return f"{known} The file that {clean(name)} was inserted from is unknown."
        try:
            info = index.read_info(name)
        except KmodtuiError:
            return ""
        live = self._text(f"/sys/module/{name}/taint")
        if "O" not in live or not info.intree:
            return ""
        return (
            f"The file that {clean(name)} was inserted from is unknown, and {clean(path)} is "
            "another module of this name."
        )

    # Searching

    def _is_from_index(self, name: str, instance: int) -> bool:
        """Return whether the index has the file of a loaded module, as far as that shows."""
        index = self._index()
        path = index.path_of(name) if index is not None else None
        if index is None or path is None:
            return False
        known = self._from_index.get(name)
        state = self._state(path)
        if known is None or known[:2] != (instance, state):
            try:
                same = not difference(self._host, name, index.read_info(name))
            except KmodtuiError:
                same = True
            known = self._from_index[name] = instance, state, same
        return known[2]

    def _found(self, name: str, typed: tuple[str, ...]) -> Origin | None:
        named: Origin | None = None
        for path in typed:
            info = self._info(path)
            if info is None or info.module_name != name:
                continue
            if is_same_build(self._host, name, info):
                return Origin(path, Known.BUILD)
            named = Origin(path, Known.NAME)
        for path in self._here():
            info = self._info(path)
            if info is not None and is_same_build(self._host, name, info):
                return Origin(resolved(self._host, path), Known.BUILD)
        return named

    def _here(self) -> Iterator[str]:
        """Yield the module files in the current directory."""
        try:
            folder = os.getcwd()
            files = [each for each in self._host.listdir(folder) if each.endswith(EXTENSIONS)]
        except OSError:
            return
        yield from (f"{folder}/{each}" for each in islice(files, _MOST_FILES))

    def _info(self, path: str) -> ModuleInfo | None:
        try:
            return read_module_file(self._host, path)
        except KmodtuiError:
            return None

    def _instance(self, name: str) -> int:
        """Return the inode number of /sys/module/NAME; 0 if no such module is loaded."""
        if "/" in name or not self._text(f"/sys/module/{name}/initstate"):
            return 0
        try:
            return self._host.stat(f"/sys/module/{name}").st_ino
        except OSError:
            return 0

    def _text(self, path: str) -> str:
        try:
            return self._host.read(path, 4096).decode("ascii", "replace").strip()
        except OSError:
            return ""

    def _state(self, path: str) -> FileState | None:
        try:
            status = self._host.stat(path)
        except OSError:
            return None
        return FileState(status.st_ino, status.st_size, status.st_mtime_ns)

    def _digest(self, path: str) -> str:
        try:
            return file_digest(self._host, path)
        except KmodtuiError:
            return ""


def origins_of(host: Host, index: ModuleIndex | None) -> Origins:
    """Return the files of loaded modules for a verb, with those that were remembered."""
    return Origins(host, lambda: index, store_of(host))
