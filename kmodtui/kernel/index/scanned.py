"""The modules of a directory without depmod's index, from the files themselves.

OpenWrt has none: its modprobe follows each file's own `depends=`. Elsewhere the index may have
been removed, or depmod not run yet. Aliases are read from all files when one is first needed,
unless there are very many.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import cached_property

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import AliasIndex
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import EXTENSIONS
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.model.graph import neighbours_first
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean

_MAX_DEPTH = 12  # directories below each other; the kernel's own modules need 8
_MAX_FILES = 50_000
_MAX_ALIAS_FILES = 500  # more are not read for their aliases: each takes up to 3 ms
_NOT_SEARCHED = ("build", "source")  # the kernel's sources and headers


class ScannedIndex(ModuleIndex):
    """The modules whose files are in a directory.

    Raises:
        OSError: the directory cannot be read.
    """

    scanned = True

    def __init__(self, host: Host, release: str, folder: str) -> None:
        super().__init__(host, release, folder)
        self._depends: dict[str, tuple[str, ...]] = {}
        host.listdir(folder)

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return the modules that have to be loaded before a module, in load order."""
        wanted = canonical(name)
        found = neighbours_first((wanted,), self._declared)
        return tuple(other for other in found if other != wanted)

    def _declared(self, name: str) -> tuple[str, ...]:
        """Return what a module's file says that it depends on; nothing without a file."""
        if name not in self._depends:
            path = self.path_of(name)
            try:
                info = read_module_file(self.host, path) if path else None
            except KmodtuiError:
                info = None
            self._depends[name] = tuple(map(clean, info.depends)) if info else ()
        return self._depends[name]

    @cached_property
    def _rows(self) -> dict[str, str]:
        """The path of each file below the directory, as lines of modules.dep have it."""
        start = len(self.folder) + 1
        paths = sorted(module_files(self.host, self.folder))
        return {clean(canonical(path)): f"{path[start:]}:" for path in reversed(paths)}

    @cached_property
    def _aliases(self) -> AliasIndex:
        return AliasIndex(self._alias_lines())

    def _alias_lines(self) -> Iterator[str]:
        for name in self.names if len(self.names) <= _MAX_ALIAS_FILES else ():
            path = self.path_of(name)
            try:
                info = read_module_file(self.host, path) if path else None
            except KmodtuiError:
                continue
            yield from (f"alias {alias} {name}" for alias in (info.aliases if info else ()))


def module_files(host: Host, folder: str) -> Iterator[str]:
    """Yield the module files below a directory; links to directories are not followed."""
    ahead = [(folder, 0)]
    found = 0
    while ahead:
        directory, depth = ahead.pop()
        try:
            names = host.listdir(directory)
        except OSError:
            continue
        for name in names:
            path = f"{directory}/{name}"
            if name.endswith(EXTENSIONS):
                found += 1
                if found > _MAX_FILES:
                    return
                yield path
            elif depth < _MAX_DEPTH and name not in _NOT_SEARCHED and _is_directory(host, path):
                ahead.append((path, depth + 1))


def _is_directory(host: Host, path: str) -> bool:
    try:
        host.readlink(path)
    except OSError:
        pass
    else:
        return False
    try:
        return stat.S_ISDIR(host.stat(path).st_mode)
    except OSError:
        return False
