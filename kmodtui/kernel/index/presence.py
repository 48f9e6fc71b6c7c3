"""Where a module of a release is: in a file, in one that depmod has not seen, or built in."""

from __future__ import annotations

import os
from functools import cached_property
from typing import NamedTuple

from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.scanned import module_files
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean


class Presence(NamedTuple):
    """Where a module is.

    Attributes:
        path: its file; empty if it has none.
        indexed: whether modules.dep lists that file.
        builtin: where it is shown as built in, with the line of modules.builtin; empty if it is
            not built in.
    """

    path: str = ""
    indexed: bool = False
    builtin: str = ""


class Presences:
    """Looks for modules in the index of a release, and in its directory."""

    def __init__(self, index: ModuleIndex) -> None:
        self._index = index

    def of(self, name: str) -> Presence:
        """Return where a module is. A file that modules.dep lists may have been removed since."""
        index = self._index
        if index.is_builtin(name):
            return Presence(builtin=self._lines.get(name, f"/sys/module/{clean(name)}"))
        path = index.path_of(name) or ""
        if path and index.host.exists(path):
            return Presence(clean(path), not index.scanned)
        return Presence(self._unlisted.get(name, ""))

    @property
    def builtins_known(self) -> bool:
        """Whether there is a list of what is built in, so that absence can be stated."""
        return bool(self._index.builtin_names)

    @cached_property
    def _unlisted(self) -> dict[str, str]:
        """The files below the release's directories, by module name."""
        found: dict[str, str] = {}
        for folder in self._index.folders:
            for path in module_files(self._index.host, folder):
                found.setdefault(canonical(path), clean(path))
        return found

    @cached_property
    def _lines(self) -> dict[str, str]:
        """The line of modules.builtin by module name."""
        found: dict[str, str] = {}
        for folder in self._index.folders:
            path = f"{folder}/modules.builtin"
            try:
                text = os.fsdecode(self._index.host.read(path))
            except OSError:
                continue
            for number, line in enumerate(text.split("\n"), 1):
                found.setdefault(canonical(line), f"{clean(path)}:{number}")
        return found
