"""A reading: the modules and symbols of one moment, and what changed since an earlier one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kmodtui.model.history import Change, Totals
from kmodtui.model.modules import ModuleTable
from kmodtui.model.symbols.table import SymbolDelta, SymbolTable, difference


@dataclass(frozen=True)
class Reading:
    """Modules and symbols that belong together.

    Attributes:
        table: the modules.
        symbols: those of the kernel and of the Live modules; None if they could not be read.
        problem: why there are no symbols, as a sentence; empty if there are.
        tainted: the kernel's taint bits.
        when: seconds since the epoch.
    """

    table: ModuleTable = field(default_factory=ModuleTable)
    symbols: SymbolTable | None = None
    problem: str = ""
    tainted: int = 0
    when: float = 0.0

    @property
    def totals(self) -> Totals:
        """How many modules and symbols there are, and the memory of the modules."""
        return Totals.of(self.table, self.symbols)

    def since(self, earlier: Reading, cycles: Mapping[str, int] | None = None) -> Change:
        """Return what changed since an earlier reading of the same kernel.

        Args:
            earlier: the reading to compare with.
            cycles: how often modules were loaded and unloaded in between, beside the net
                change, by name; None if nobody watched. Modules that are Live in both
                readings and have an entry count as reloaded.
        """
        before, now = earlier.table.live, self.table.live
        symbols = SymbolDelta()
        if earlier.symbols is not None and self.symbols is not None:
            symbols = difference(earlier.symbols, self.symbols)
        if cycles is not None:
            symbols = _without(symbols, (before & now) - cycles.keys())
        cycles = cycles or {}
        return Change(
            number=0,
            when=self.when,
            loaded=tuple(m for m in self.table if m.name in now - before),
            unloaded=tuple(m for m in earlier.table if m.name in before - now),
            reloaded=tuple(m for m in self.table if m.name in (before & now) & cycles.keys()),
            cycles=dict(cycles),
            symbols=symbols,
            took=max(0.0, self.when - earlier.when),
            symbols_missing=self.problem or earlier.problem,
        )


def _without(delta: SymbolDelta, stayed: Collection[str]) -> SymbolDelta:
    """Return a difference without the kernel itself and the modules that stayed loaded.

    Their symbols do not change. Where two readings differ in them, the earlier one was
    inconsistent.
    """
    return SymbolDelta(tuple(o for o in delta.owners if o.owner and o.owner not in stayed))


def is_consistent(
    table: ModuleTable, symbols: SymbolTable, base: Reading | None, moved: Collection[str]
) -> bool:
    """Return whether symbols can be those of one moment.

    /proc/kallsyms is read by position (`s_start` in kernel/kallsyms.c): a module that is
    loaded or unloaded during the read shifts every row behind its own, so that rows of
    other modules are repeated or skipped. Such a read has modules in pieces or out of
    order, or other symbols than before for modules that nobody touched.

    Args:
        table: the modules, equal before and after the symbols were read.
        symbols: the symbols.
        base: the last consistent reading; None for the first.
        moved: names of modules that were added or removed since `base`.
    """
    if symbols.scattered or not _in_order(symbols.modules, table):
        return False
    known = base.symbols if base is not None else None
    if symbols.modules.keys() - table.by_name.keys() - (known.modules.keys() if known else set()):
        return False  # it has been unloaded meanwhile
    if base is None or known is None:
        return True
    stayed = (base.table.live & table.live) - frozenset(moved)
    return symbols.core.lists_the_same(known.core) and all(
        symbols.of(name).lists_the_same(known.of(name)) for name in stayed
    )


def same_modules(one: ModuleTable, other: ModuleTable) -> bool:
    """Return whether two tables list the same modules in the same states and sizes.

    Reference counts may differ: they say nothing about symbols, and on a busy machine
    they never stand still.
    """
    return [(m.name, m.state, m.size) for m in one] == [(m.name, m.state, m.size) for m in other]


def _in_order(names: Iterable[str], table: ModuleTable) -> bool:
    """Whether modules follow each other as /proc/modules lists them: newest first in both."""
    listed = [name for name in names if name in table.by_name]
    wanted = set(listed)
    return listed == [module.name for module in table if module.name in wanted]


def count_cycles(
    before: Collection[str], after: Collection[str], events: Iterable[tuple[str, str]]
) -> dict[str, int]:
    """Return how often modules were loaded and unloaded beside the net change, by name.

    The uevent of a load or unload can arrive after the reading that already shows it, and
    is then counted with that reading: over any number of readings, each load and each
    unload is counted once.

    Args:
        before: names of the modules that were Live at the earlier reading.
        after: names of those at the later one.
        events: (`add` or `remove`, name) in the kernel's order.
    """
    actions: dict[str, list[str]] = {}
    for action, name in events:
        actions.setdefault(name, []).append(action)
    cycles = {}
    for name, row in actions.items():
        loaded = name in before
        loads = unloads = 0
        for action in row:
            if action == "add" and not loaded:
                loaded, loads = True, loads + 1
            elif action == "remove" and loaded:
                loaded, unloads = False, unloads + 1
        if loaded and name not in after:
            unloads += 1
        elif not loaded and name in after:
            loads += 1
        if count := min(loads, unloads):
            cycles[name] = count
    return cycles
