"""Who needs whom on a machine: from the kernel for what is loaded, from the index for the rest."""

from __future__ import annotations

from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.catalog import ModuleIndex, read_index
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.graph import direct, loaded_needs
from kmodtui.model.modules import ModuleTable
from kmodtui.model.text import clean


class Neighbours:
    """The direct neighbours of a module, in both directions."""

    def __init__(
        self,
        table: ModuleTable,
        index: ModuleIndex | None,
        index_problem: KmodtuiError | None = None,
    ) -> None:
        """Take what is loaded from `table`, everything else from `index` where there is one."""
        self._table = table
        self._index = index
        self._index_problem = index_problem
        self._needs = loaded_needs(table)

    @property
    def loaded(self) -> frozenset[str]:
        """Names of what is loaded."""
        return frozenset(self._table.by_name)

    def knows(self, name: str) -> bool:
        """Return whether the module is loaded, or is in the index."""
        return name in self._table.by_name or (self._index is not None and name in self._index)

    def unknown(self, name: str) -> UnknownModuleError:
        """Return the error that says that there is no such module."""
        if self._index is not None:
            return self._index.unknown(name)
        hint = str(self._index_problem or "")
        return UnknownModuleError(f"No module {clean(name)} is loaded.", hint)

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the modules that a module needs itself."""
        if self._kernel_knows(name):
            return self._needs.get(name, ())
        return direct(self._index.dependencies, name) if self._index is not None else ()

    def users(self, name: str) -> tuple[str, ...]:
        """Return the modules that need a module themselves: loaded ones if it is loaded."""
        if self._kernel_knows(name):
            return tuple(sorted(self._table.by_name[name].users))
        index = self._index
        if index is None:
            return ()
        return tuple(
            other
            for other in index.names
            if name in index.dependencies(other) and name in direct(index.dependencies, other)
        )

    def _kernel_knows(self, name: str) -> bool:
        """Return whether the kernel tells who uses a module: it is loaded, and uses are counted.

        A kernel that cannot unload (no CONFIG_MODULE_UNLOAD) keeps no book of them.
        """
        module = self._table.by_name.get(name)
        return module is not None and module.refcount is not None


def read_neighbours(host: Host, release: str | None) -> Neighbours:
    """Return the neighbours on `host`, of another release than the running one if it is given.

    What cannot be read is left out: a kernel without modules has an index still,
    and one whose index is gone has modules. Of another release there is the
    index only: what is loaded belongs to the kernel that runs.

    Raises:
        KmodtuiError: neither can be read.
    """
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
