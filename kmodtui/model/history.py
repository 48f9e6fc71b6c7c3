"""Changes of the modules and their symbols, and the timeline that keeps them.

A `Timeline` keeps every event since the start in bounded memory. The rows of symbols take
most of it: the newest events keep theirs, up to `ROWS_LIMIT` bytes together, and older ones
keep only the counts. Beyond `EVENTS_LIMIT` events the oldest become part of the start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from kmodtui.model.modules import LoadedModule, ModuleTable
from kmodtui.model.symbols.table import (
    NO_ROWS,
    OwnerDelta,
    SymbolDelta,
    SymbolRows,
    SymbolTable,
    difference,
)

ROWS_LIMIT = 8 * 1024 * 1024
"""Bytes of symbol rows that the events of a timeline keep together: about 170,000 rows."""

EVENTS_LIMIT = 2_000
"""Events that a timeline keeps; earlier ones become part of its start."""


@dataclass(frozen=True)
class Change:
    """A change of the set of Live modules between two readings.

    Attributes:
        number: 1 for the first change since the start.
        when: seconds since the epoch, taken when the change was noticed.
        loaded: modules that are Live now and were not before, in the kernel's order.
        unloaded: modules that were Live before and are not now, in the kernel's order.
        reloaded: modules that were unloaded and loaded again between two readings.
        cycles: how often modules were loaded and unloaded between the readings, beside the
            net change, by name: those of `reloaded`, and any others.
        symbols: the symbols added and removed; empty if they could not be read.
        took: seconds from noticing the change to having the symbols; of two points compared,
            those between them.
        symbols_missing: why there are no symbols, in a sentence; empty if there are.
        cause: the command line of kmodtui that did it; empty if somebody else did.
        origin: the number that `Monitor.one_change` gave to that command; 0 if somebody else
            did it.
    """

    number: int
    when: float
    loaded: tuple[LoadedModule, ...] = ()
    unloaded: tuple[LoadedModule, ...] = ()
    reloaded: tuple[LoadedModule, ...] = ()
    cycles: Mapping[str, int] = field(default_factory=dict)
    symbols: SymbolDelta = field(default_factory=SymbolDelta)
    took: float = 0.0
    symbols_missing: str = ""
    cause: str = ""
    origin: int = 0

    @property
    def memory(self) -> int:
        """Bytes that the modules hold more (or less, negative) than before."""
        return sum(m.size for m in self.loaded) - sum(m.size for m in self.unloaded)

    @property
    def cycled(self) -> tuple[str, ...]:
        """Modules that were loaded and unloaded in between and do not count as reloaded."""
        reloaded = {module.name for module in self.reloaded}
        return tuple(sorted(self.cycles.keys() - reloaded))

    def with_times(self, name: str) -> str:
        """Return a module's name, with `(12 times)` if it was loaded and unloaded repeatedly."""
        count = self.cycles.get(name, 1)
        return f"{name} ({count:,} times)" if count > 1 else name

    @property
    def took_words(self) -> str:
        """How long it took, for a person: `0.43 s`, `12 min`, `3 days`."""
        for seconds, unit in ((86400, "days"), (3600, "h"), (60, "min")):
            if self.took >= 2 * seconds:
                return f"{self.took / seconds:.0f} {unit}"
        return f"{self.took:.0f} s" if self.took >= 10 else f"{self.took:.2f} s"

    @property
    def rows_kept(self) -> bool:
        """Whether the symbols themselves are kept, and not only their number."""
        rows = (rows for owner in self.symbols.owners for rows in (owner.added, owner.removed))
        return not any(isinstance(one, CountedRows) for one in rows)


@dataclass(frozen=True)
class CountedRows(SymbolRows):
    """The number of rows of each symbol type, where the rows themselves are no longer kept.

    Attributes:
        counts: numbers by symbol type, the most frequent first.
    """

    counts: tuple[tuple[str, int], ...] = ()

    def __len__(self) -> int:
        return sum(count for _, count in self.counts)

    @cached_property
    def types(self) -> Mapping[str, int]:
        """The number of rows of each symbol type, the most frequent first."""
        return dict(self.counts)


@dataclass(frozen=True, slots=True)
class Totals:
    """The number of modules and symbols at one point.

    Attributes:
        modules: how many are in /proc/modules.
        memory: bytes of all of them.
        symbols: rows of the kernel and its modules; None where they could not be read.
    """

    modules: int = 0
    memory: int = 0
    symbols: int | None = None

    @classmethod
    def of(cls, table: ModuleTable, symbols: SymbolTable | None) -> Totals:
        """Return the totals of two readings, without the rows of BPF and trampolines."""
        rows = None
        if symbols is not None:
            rows = len(symbols.core) + sum(map(len, symbols.modules.values()))
        return cls(len(table), table.total_size, rows)


@dataclass(frozen=True, slots=True)
class Event:
    """A change, and the totals after it.

    Attributes:
        change: the change.
        totals: the totals after it.
        still_loaded: modules that belong to those that went and stayed, with the reason.
    """

    change: Change
    totals: Totals
    still_loaded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Timeline:
    """Every event since the start.

    A *point* is a place between events: 0 is the start, `n` is right after event `n`
    of those that are kept.

    Attributes:
        began: seconds since the epoch at the start.
        modules: those that were loaded then, newest first.
        totals: what there was then.
        events: the oldest first.
        forgotten: how many events before these are part of the start by now.
        bare: how many of the events, from the oldest, have lost their rows.
    """

    began: float = 0.0
    modules: tuple[LoadedModule, ...] = ()
    totals: Totals = field(default_factory=Totals)
    events: tuple[Event, ...] = ()
    forgotten: int = 0
    bare: int = 0

    @classmethod
    def begin(cls, when: float, table: ModuleTable, symbols: SymbolTable | None) -> Timeline:
        """Return the timeline that starts with the first reading of a machine."""
        return cls(when, table.modules, Totals.of(table, symbols))

    def __len__(self) -> int:
        return len(self.events)

    def with_event(
        self,
        change: Change,
        table: ModuleTable,
        symbols: SymbolTable | None,
        stays: Mapping[str, str] | None = None,
    ) -> Timeline:
        """Return the timeline with one more event, and with less of the oldest if needed."""
        event = Event(change, Totals.of(table, symbols), dict(stays or {}))
        events = [*self.events, event]
        began, modules, totals, forgotten = self.began, self.modules, self.totals, self.forgotten
        bare = self.bare
        if len(events) > EVENTS_LIMIT:
            oldest = events.pop(0)
            began, totals, forgotten = oldest.change.when, oldest.totals, forgotten + 1
            modules = tuple(_after(oldest.change, _by_name(modules)).values())
            bare = max(0, bare - 1)
        size = sum(_rows_size(event.change) for event in events[bare:])
        while size > ROWS_LIMIT and bare < len(events) - 1:
            size -= _rows_size(events[bare].change)
            events[bare] = replace(events[bare], change=without_rows(events[bare].change))
            bare += 1
        return Timeline(began, modules, totals, tuple(events), forgotten, bare)

    def totals_at(self, point: int) -> Totals:
        """Return the totals at a point."""
        return self.events[point - 1].totals if point else self.totals

    def when(self, point: int) -> float:
        """Return the time of a point, in seconds since the epoch."""
        return self.events[point - 1].change.when if point else self.began

    def modules_at(self, point: int) -> dict[str, LoadedModule]:
        """Return the modules that were Live at a point, by name, newest first."""
        modules = _by_name(self.modules)
        for event in self.events[:point]:
            modules = _after(event.change, modules)
        return modules

    def between(self, first: int, second: int) -> Change:
        """Return what changed from one point to the other, as one change.

        `took` is the time between them. Modules that were loaded at both points and not all
        the time count as reloaded, those that were loaded at neither as loaded and unloaded.
        """
        first, second = sorted((first, second))
        before, after = self.modules_at(first), self.modules_at(second)
        changes = [event.change for event in self.events[first:second]]
        loads, unloads = Counter[str](), Counter[str]()
        for change in changes:
            loads.update(m.name for m in change.loaded)
            unloads.update(m.name for m in change.unloaded)
            loads.update(change.cycles)
            unloads.update(change.cycles)
        cycles = dict(sorted((loads & unloads).items()))
        missing = next((change.symbols_missing for change in changes if change.symbols_missing), "")
        return Change(
            number=0,
            when=self.when(second),
            loaded=tuple(m for name, m in after.items() if name not in before),
            unloaded=tuple(m for name, m in before.items() if name not in after),
            reloaded=tuple(m for name, m in after.items() if name in before and name in cycles),
            cycles=cycles,
            symbols=SymbolDelta() if missing else composed(change.symbols for change in changes),
            took=self.when(second) - self.when(first),
            symbols_missing=missing,
        )


def composed(deltas: Iterable[SymbolDelta]) -> SymbolDelta:
    """Return several differences, one after the other, as one.

    Symbols that were added and removed again cancel out. Where rows are no longer kept,
    their numbers are added, which is exact for modules that are loaded and unloaded.
    """
    net: dict[str, OwnerDelta] = {}
    for delta in deltas:
        for step in delta.owners:
            so_far = net.get(step.owner, OwnerDelta(step.owner))
            net[step.owner] = OwnerDelta(
                step.owner,
                _sum(_less(so_far.added, step.removed), _less(step.added, so_far.removed)),
                _sum(_less(so_far.removed, step.added), _less(step.removed, so_far.added)),
            )
    owners = [owner for owner in net.values() if owner.added or owner.removed]
    owners.sort(key=lambda owner: (-len(owner.added) - len(owner.removed), owner.owner))
    return SymbolDelta(tuple(owners))


def _less(rows: SymbolRows, other: SymbolRows) -> SymbolRows:
    """Return the rows that `other` does not have, or not as often."""
    if not rows or not other:
        return rows
    if isinstance(rows, CountedRows) or isinstance(other, CountedRows):
        return _counted(Counter(rows.types) - Counter(other.types))
    if rows.raw == other.raw:
        return NO_ROWS
    delta = difference(SymbolTable(modules={"": other}), SymbolTable(modules={"": rows}))
    return delta.owners[0].added if delta.owners else NO_ROWS


def _sum(one: SymbolRows, other: SymbolRows) -> SymbolRows:
    if not one or not other:
        return one or other
    if isinstance(one, CountedRows) or isinstance(other, CountedRows):
        return _counted(Counter(one.types) + Counter(other.types))
    return SymbolRows(one.raw + other.raw)


def _counted(counts: Mapping[str, int]) -> SymbolRows:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return CountedRows(counts=tuple(ordered))


def _by_name(modules: Iterable[LoadedModule]) -> dict[str, LoadedModule]:
    return {module.name: module for module in modules}


def _after(change: Change, modules: Mapping[str, LoadedModule]) -> dict[str, LoadedModule]:
    """Return the modules after a change, newest first."""
    gone = {module.name for module in change.unloaded}
    new = _by_name((*change.loaded, *change.reloaded))
    return {**new, **{n: m for n, m in modules.items() if n not in gone and n not in new}}


def _rows_size(change: Change) -> int:
    return sum(len(owner.added.raw) + len(owner.removed.raw) for owner in change.symbols.owners)


def without_rows(change: Change) -> Change:
    """Return a change with the numbers of its symbols instead of the symbols."""
    owners = tuple(
        OwnerDelta(
            owner.owner,
            _counted(owner.added.types) if owner.added else NO_ROWS,
            _counted(owner.removed.types) if owner.removed else NO_ROWS,
        )
        for owner in change.symbols.owners
    )
    return replace(change, symbols=SymbolDelta(owners))
