"""One reading of modules and symbols that belong together, for whoever does not watch."""

from __future__ import annotations

import time

from kmodtui.errors import NoModuleSupportError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import initsize
from kmodtui.model.modules import ModuleTable
from kmodtui.model.symbols import SymbolTable

PATIENCE = 3.0
"""Seconds after which a module that is still Loading or Unloading is taken to hang."""

_STEP = 0.03
_NEWEST = 12  # modules at the top of the list, of which one may have just come


def read_both(host: Host) -> tuple[ModuleTable, SymbolTable]:
    """Return modules and symbols of one moment, with only Live modules' symbols.

    The symbols are read between two equal readings of the modules; while a module
    is on its way in or out it is waited for. Reads files: not for the event loop.

    Raises:
        UnreadableError: the one or the other cannot be read.
    """
    limit = time.monotonic() + PATIENCE
    while True:
        before = _modules(host)
        symbols = read_symbols(host)
        table = _modules(host)
        # A module is Live a moment before its table is trimmed to what stays of it.
        trimmed = not any(initsize(host, module.name) for module in table.modules[:_NEWEST])
        same = [(m.name, m.state, m.size) for m in before] == [
            (m.name, m.state, m.size) for m in table
        ]
        if (same and trimmed and table.settled) or time.monotonic() > limit:
            return table, symbols.without(frozenset(table.by_name) - table.live)
        time.sleep(_STEP)


def _modules(host: Host) -> ModuleTable:
    try:
        return read_modules(host)
    except NoModuleSupportError:
        return ModuleTable()  # a kernel without any has symbols all the same
