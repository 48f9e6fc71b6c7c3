"""The builds of a watched file that are kept: the loaded one, and those around it."""

from __future__ import annotations

from kmodtui.model.watch.build import BuildDifference, ModuleBuild, difference
from kmodtui.services.machine import Machine
from kmodtui.services.watch.copies import Copies, Copy
from kmodtui.services.watch.loaded_copy import copy_of_loaded


class Builds:
    """Copies of the builds of one file.

    Attributes:
        candidate: the build that can be loaded; None if there is none.
        loaded: the loaded build; None if it is unknown.
        previous: the build that was loaded before; None if there is none.
    """

    def __init__(self, machine: Machine, path: str) -> None:
        """Prepare to copy builds of the file at `path`.

        Raises:
            KmodtuiError: no copy can be kept.
        """
        self._machine = machine
        self._path = path
        self._copies = Copies(machine.host)
        self._from_copy = False  # whether the loaded build was inserted from its copy
        self.candidate: Copy | None = None
        self.loaded: Copy | None = None
        self.previous: Copy | None = None

    def take(self) -> Copy:
        """Copy the file as it is now; raises as `Copies.take`. Reads files."""
        return self._copies.take(self._path)

    def find_loaded(self, name: str, here: Copy) -> None:
        """Find out which build of a module is loaded, and copy it. Reads files.

        Args:
            name: of the module.
            here: the build that is in the file now.
        """
        self.loaded = copy_of_loaded(self._machine, self._copies, name, here)

    def is_loaded(self, build: ModuleBuild) -> bool:
        """Return whether a build is the loaded one, if that module is loaded at all."""
        return self.loaded is not None and build.is_same_build(self.loaded.build)

    def offer(self, copy: Copy) -> None:
        """Keep the build that can be loaded now, instead of the last one."""
        self.candidate = copy
        self._copies.keep_only(copy, self.loaded, self.previous)

    def difference(self, copy: Copy) -> BuildDifference | None:
        """Return how a build differs from the loaded one; None if that is unknown."""
        if self.loaded in (None, copy):
            return None
        return difference(self.loaded.build, copy.build)

    def note_loaded(self, copy: Copy, *, old: bool) -> None:
        """Note that a build was loaded; from its copy, if it is an `old` one."""
        self.previous = None if old else self.loaded
        self.loaded = copy
        self._from_copy = old

    def kept(self, *, loaded: bool) -> str:
        """Return the copy that stays when watching ends; empty if none has to.

        It is the file of the loaded module, or the module could be loaded again from it.

        Args:
            loaded: whether the module is loaded.
        """
        stays = self.loaded is not None and (self._from_copy or not loaded)
        return self.loaded.path if self.loaded is not None and stays else ""

    def close(self, *, loaded: bool) -> None:
        """Remove all copies but the one that stays."""
        if self.kept(loaded=loaded):
            self._copies.keep_only(self.loaded)
        else:
            self._copies.close()
