"""Direct dependencies and dependents: from the kernel for loaded modules, else from the index."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.graph import direct, inverse, loaded_dependencies
from kmodtui.model.modules import ModuleTable
from kmodtui.model.text import clean

if TYPE_CHECKING:
    from kmodtui.kernel.index.modules import ModuleIndex


class Neighbours:
    """The direct dependencies and dependents of modules."""

    def __init__(
        self,
        table: ModuleTable,
        index: ModuleIndex | None,
        index_problem: KmodtuiError | None = None,
    ) -> None:
        """Use `table` for loaded modules, and `index` for all others if it is not None."""
        self._table = table
        self._index = index
        self._index_problem = index_problem
        self._needs = loaded_dependencies(table)
        self._dependencies: dict[str, tuple[str, ...]] = {}

    @cached_property
    def loaded(self) -> frozenset[str]:
        """The names of the loaded modules."""
        return frozenset(self._table.by_name)

    def knows(self, name: str) -> bool:
        """Return whether a module is loaded, or is in the index."""
        return name in self._table.by_name or (self._index is not None and name in self._index)

    def unknown(self, name: str) -> UnknownModuleError:
        """Return the error for an unknown module."""
        if self._index is not None:
            return self._index.unknown(name)
        hint = str(self._index_problem or "")
        return UnknownModuleError(f"No module {clean(name)} is loaded.", hint)

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the direct dependencies of a module."""
        if self._kernel_knows(name):
            return self._needs.get(name, ())
        return direct(self._all_dependencies, name)

    def users(self, name: str) -> tuple[str, ...]:
        """Return the direct dependents of a module: only loaded ones if it is loaded."""
        if self._kernel_knows(name):
            return tuple(sorted(self._table.by_name[name].users))
        return self._users.get(name, ())

    def _all_dependencies(self, name: str) -> tuple[str, ...]:
        """Return the dependencies of a module in the index, direct and indirect."""
        found = self._dependencies.get(name)
        if found is None:
            found = self._index.dependencies(name) if self._index is not None else ()
            self._dependencies[name] = found
        return found

    @cached_property
    def _users(self) -> Mapping[str, tuple[str, ...]]:
        """The direct dependents of each module in the index."""
        return inverse(self._all_dependencies, self._index.names if self._index else ())

    def _kernel_knows(self, name: str) -> bool:
        """Return whether /proc/modules lists the users of a module.

        It does for loaded modules, unless the kernel was built without CONFIG_MODULE_UNLOAD.
        """
        module = self._table.by_name.get(name)
        return module is not None and module.refcount is not None


def read_neighbours(host: Host, release: str | None) -> Neighbours:
    """Return the neighbours on `host`, for its running kernel or another release.

    One source is enough: a kernel that shows no modules may have an index, and modules can be
    loaded although the index was removed. For a release that is not running, only the index
    is used.

    Raises:
        KmodtuiError: neither source can be read.
    """
    from kmodtui.kernel.index.release import read_index

    running = read_system(host).release or ""
    if release and running and release != running:
        return Neighbours(ModuleTable(), read_index(host, release))
    problem: KmodtuiError | None = None
    index_problem: KmodtuiError | None = None
    table, index = ModuleTable(), None
    try:
        table = read_modules(host)
    except KmodtuiError as error:
        problem = error
    try:
        index = read_index(host, release or running)
    except KmodtuiError as error:
        if problem is not None:
            raise problem from error
        index_problem = error
    return Neighbours(table, index, index_problem)
