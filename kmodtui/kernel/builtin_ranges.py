"""Reader of modules.builtin.ranges, which the kernel's build installs from Linux 6.12 on."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import release_files
from kmodtui.kernel.system import read_system
from kmodtui.model.symbols.builtin import BuiltinMap, builtin_map, parse_ranges
from kmodtui.model.symbols.table import SymbolTable

NAME = "modules.builtin.ranges"
_LIMIT = 64 * 1024 * 1024  # bytes


def read_builtin_map(host: Host, table: SymbolTable) -> BuiltinMap | None:
    """Return the built-in modules by address for a symbol table of the running kernel.

    None if the kernel hides addresses, or has no such file.
    """
    if table.addresses_hidden:
        return None
    for path in release_files(read_system(host).release or "", NAME):
        try:
            with host.open(path) as file:
                data = file.read(_LIMIT)
        except OSError:
            continue
        return builtin_map(parse_ranges(data), table)
    return None
