"""The bracketed read: modules and symbols of one moment, or the reason why there is none.

The kernel gives no snapshot of /proc/kallsyms. A read of it counts only

- between two readings of /proc/modules that list the same modules in the same states,
- if no module uevent was sent meanwhile: the kernel's own number of the last uevent says so,
- if it says of the modules that stayed loaded what the last reading said.

Everything else is discarded and read again. `Monitor` does that with uevents and without
blocking; `read_both` serves whoever looks once.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.proc_modules import has_module_support, read_modules
from kmodtui.kernel.sysfs import initsize
from kmodtui.kernel.system import read_tainted
from kmodtui.kernel.uevents import read_sequence
from kmodtui.model.modules import ModuleTable
from kmodtui.model.reading import Reading, is_consistent, same_modules
from kmodtui.model.symbols.table import SymbolTable

PATIENCE = 3.0
"""Seconds to wait for quiet before a module in Loading or Unloading counts as stuck."""

ATTEMPTS = 5
"""Reads that are tried after that."""

TOO_FAST = "Modules are changing too fast to compare symbols."
"""Said where no read was consistent."""

Moved = Collection[str]
"""Names of modules that were added or removed."""

_STEP = 0.03
_NEWEST = 12  # modules at the top of the list, of which one may just have been loaded


@dataclass(frozen=True)
class BracketedRead:
    """One read of the symbols between two readings of the modules.

    Attributes:
        before: the modules before the symbols were read.
        symbols: the symbols; None where they cannot be read.
        problem: why not, as a sentence.
        after: the modules after that.
        first: the kernel's number of its last uevent before all of it; None if unknown.
        last: the same after all of it.
    """

    before: ModuleTable
    symbols: SymbolTable | None
    problem: str
    after: ModuleTable
    first: int | None
    last: int | None

    @property
    def undisturbed(self) -> bool:
        """Whether the kernel sent no uevent at all meanwhile."""
        return self.first is not None and self.first == self.last

    def reading(self, host: Host, when: float) -> Reading:
        """Return it as a reading: of modules that are not Live, symbols do not count."""
        unsettled = frozenset(self.after.by_name) - self.after.live
        symbols = self.symbols.without(unsettled) if self.symbols is not None else None
        return Reading(self.after, symbols, self.problem, read_tainted(host) or 0, when)


def read_bracketed(host: Host, known: SymbolTable | None) -> BracketedRead:
    """Read modules, symbols, and modules again. Reads files: not for the event loop.

    Args:
        host: the system.
        known: an earlier reading of the symbols, of which what is unchanged is reused.

    Raises:
        KmodtuiError: /proc/modules cannot be read.
    """
    first = read_sequence(host)
    before = read_modules(host)
    symbols, problem = None, ""
    try:
        symbols = read_symbols(host, known)
    except UnreadableError as error:
        problem = str(error)
    after = read_modules(host)
    return BracketedRead(before, symbols, problem, after, first, read_sequence(host))


class Judge:
    """Decides, read after read, which one counts."""

    def __init__(self, base: Reading | None, *, static: bool = False) -> None:
        """Start for a reading that follows `base`.

        Args:
            base: the last consistent reading; None for the first.
            static: whether the system cannot change, such as a captured tree.
        """
        self._base = base
        self._static = static
        self._last: BracketedRead | None = None

    def accepts(
        self, read: BracketedRead, *, proven: bool, disturbed: bool = False, moved: Moved = ()
    ) -> bool:
        """Return whether a read counts.

        A read that contradicts the last reading, or of which nothing proves that it was
        not disturbed, counts if the next one is equal: a torn read is torn at some
        position, and the next one hardly ever at the same.

        Args:
            read: the read.
            proven: whether it is known that no module uevent was sent during it.
            disturbed: whether it is known that one was.
            moved: names of modules that uevents say were added or removed since `base`.
        """
        if disturbed or not same_modules(read.before, read.after):
            self._last = None
            return False
        if read.symbols is None or self._static:
            return True
        last, self._last = self._last, read
        consistent = is_consistent(read.after, read.symbols, self._base, moved)
        return (consistent and proven) or (last is not None and _equal(last, read))


def _equal(one: BracketedRead, other: BracketedRead) -> bool:
    """Whether two reads show the same modules and, of these and the kernel, the same symbols."""
    if one.symbols is None or other.symbols is None:
        return False
    return (
        same_modules(one.after, other.after)
        and one.symbols.core.raw == other.symbols.core.raw
        and one.symbols.modules.keys() == other.symbols.modules.keys()
        and all(one.symbols.of(n).raw == rows.raw for n, rows in other.symbols.modules.items())
    )


def read_both(host: Host, known: SymbolTable | None = None) -> Reading:
    """Return modules and symbols of one moment, with the symbols of Live modules only.

    Waits for modules in Loading or Unloading. Reads files: not for the event loop.

    Args:
        host: the system.
        known: an earlier reading of the symbols, of which what is unchanged is reused.

    Raises:
        UnreadableError: one of them cannot be read, or modules change too fast.
    """
    if not has_module_support(host):
        return Reading(symbols=read_symbols(host, known), tainted=read_tainted(host) or 0)
    limit = time.monotonic() + PATIENCE
    judge = Judge(None, static=not host.live)
    attempts = 0
    while attempts < ATTEMPTS:
        read = read_bracketed(host, known)
        if read.symbols is None:
            raise UnreadableError(read.problem)
        known = read.symbols
        # A module is Live a moment before its table is trimmed to what stays of it.
        trimmed = not any(initsize(host, module.name) for module in read.after.modules[:_NEWEST])
        in_time = time.monotonic() < limit
        attempts += not in_time
        if in_time and not (trimmed and read.after.settled):
            time.sleep(_STEP)
        elif judge.accepts(read, proven=read.undisturbed):
            return read.reading(host, time.time())
    raise UnreadableError(TOO_FAST, "Try again when no modules are being loaded or unloaded.")
