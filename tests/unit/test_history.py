"""The timeline: any two of its points compare as two readings would, and its memory is bounded."""

from __future__ import annotations

import functools
import gc
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model import history
from kmodtui.model.history import Change, Timeline, Totals, composed
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable
from kmodtui.model.symbols.table import SymbolDelta, SymbolRows, SymbolTable, difference

BEGAN = 1_764_504_000.0


def module(name: str, size: int = 4096) -> LoadedModule:
    return LoadedModule(name, size, 0, (), ModuleState.LIVE, "", False, 0)


def rows(name: str, count: int, *, generation: int = 0) -> SymbolRows:
    """Rows of a module, in memory of their own, as each reading's are."""
    return SymbolRows(bytes(bytearray(_raw(name, count, generation))))


@functools.cache
def _raw(name: str, count: int, generation: int) -> bytes:
    return b"".join(
        f"0000000000000000 {'tdrb'[n % 4]} {name}_{generation}_{n}\t[{name}]\n".encode()
        for n in range(count)
    )


class Machine:
    """Modules that come and go, and the timeline of it."""

    def __init__(self, **modules: int) -> None:
        self.table = ModuleTable(tuple(map(module, modules)))
        self.symbols = SymbolTable(
            SymbolRows(b"ffffffff81000000 T _stext\n"),
            {name: rows(name, count) for name, count in modules.items()},
        )
        self.timeline = Timeline.begin(BEGAN, self.table, self.symbols)
        self.tables = [self.symbols]

    def turn(
        self,
        *,
        unloaded: tuple[str, ...] = (),
        cycles: Mapping[str, int] | None = None,
        **came: int,
    ) -> None:
        """One change: modules with a number of symbols come, others go."""
        gone = tuple(m for m in self.table if m.name in unloaded)
        new = tuple(module(name, 4096 + count) for name, count in came.items())
        reloaded = tuple(m for m in new if m.name in self.table.live)
        names = {m.name for m in new} | set(unloaded)
        kept = {n: r for n, r in self.symbols.modules.items() if n not in names}
        symbols = replace(
            self.symbols,
            modules={
                **{name: rows(name, count, generation=count) for name, count in came.items()},
                **kept,
            },
        )
        change = Change(
            number=len(self.timeline) + self.timeline.forgotten + 1,
            when=BEGAN + 10 * (len(self.timeline) + 1),
            loaded=tuple(m for m in new if m not in reloaded),
            unloaded=gone,
            reloaded=reloaded,
            cycles=dict(cycles or {}) | {m.name: 1 for m in reloaded},
            symbols=difference(self.symbols, symbols),
        )
        self.table = ModuleTable((*new, *(m for m in self.table if m.name not in names)))
        self.symbols = symbols
        self.timeline = self.timeline.with_event(change, self.table, symbols)
        self.tables.append(symbols)


def as_counter(delta: SymbolDelta) -> Counter[tuple[str, str, str, str]]:
    return Counter(
        (sign, owner.owner, symbol.type, symbol.name)
        for owner in delta.owners
        for sign, found in (("+", owner.added), ("-", owner.removed))
        for symbol in found
    )


def names(modules: tuple[LoadedModule, ...]) -> list[str]:
    return [m.name for m in modules]


def test_two_points_compare_by_what_came_and_went_between_them() -> None:
    machine = Machine(ext4=3)
    machine.turn(btrfs=5, xor=2)
    machine.turn(unloaded=("btrfs",))
    machine.turn(dummy=4)
    change = machine.timeline.between(0, 3)
    assert names(change.loaded) == ["dummy", "xor"]
    assert change.unloaded == ()
    assert change.cycles == {"btrfs": 1}
    assert change.symbols.added == 6
    assert change.took == 30
    assert machine.timeline.between(3, 0) == change
    assert names(machine.timeline.between(1, 3).unloaded) == ["btrfs"]


def test_a_module_that_came_again_has_been_reloaded() -> None:
    machine = Machine(ext4=3, loop=2)
    machine.turn(unloaded=("loop",))
    machine.turn(loop=7)
    change = machine.timeline.between(0, 2)
    assert (change.loaded, change.unloaded, names(change.reloaded)) == ((), (), ["loop"])
    assert (change.symbols.added, change.symbols.removed) == (7, 2)


def test_what_nobody_saw_loaded_is_told_of_every_span_that_holds_it() -> None:
    machine = Machine(ext4=3)
    machine.turn(cycles={"crc8": 3})
    machine.turn(dummy=1)
    assert machine.timeline.between(0, 2).cycles == {"crc8": 3}
    assert machine.timeline.between(1, 2).cycles == {}


def test_symbols_that_could_not_be_read_once_are_not_made_up_for_the_span() -> None:
    machine = Machine(ext4=3)
    machine.turn(dummy=4)
    blind = Change(2, BEGAN + 99, symbols_missing="This user may not read /proc/kallsyms.")
    timeline = machine.timeline.with_event(blind, machine.table, None)
    change = timeline.between(0, 2)
    assert change.symbols_missing == blind.symbols_missing
    assert not change.symbols
    assert names(change.loaded) == ["dummy"]
    assert timeline.totals_at(2) == Totals(2, 4096 + 4100, None)


def test_totals_are_those_of_the_readings() -> None:
    machine = Machine(ext4=3)
    machine.turn(dummy=4)
    assert machine.timeline.totals_at(0) == Totals(1, 4096, 4)
    assert machine.timeline.totals_at(1) == Totals(2, 4096 + 4100, 8)


_TURN = st.tuples(
    st.sets(st.sampled_from("abcd"), max_size=3),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 4), max_size=3),
)


@given(st.lists(_TURN, max_size=7), st.data())
def test_any_two_points_compare_as_the_two_tables_of_that_time(
    turns: list[tuple[set[str], dict[str, int]]], data: st.DataObject
) -> None:
    machine = Machine(a=2, d=3)
    for unloaded, came in turns:
        gone = tuple(name for name in unloaded if name not in came and name in machine.table.live)
        machine.turn(unloaded=gone, **came)
    points = st.integers(0, len(turns))
    first, second = sorted((data.draw(points), data.draw(points)))
    expected = difference(machine.tables[first], machine.tables[second])
    change = machine.timeline.between(first, second)
    assert as_counter(change.symbols) == as_counter(expected)
    live_before = set(machine.timeline.modules_at(first))
    live_after = set(machine.timeline.modules_at(second))
    assert {m.name for m in change.loaded} == live_after - live_before
    assert {m.name for m in change.unloaded} == live_before - live_after


def test_where_rows_are_not_kept_the_numbers_still_compare() -> None:
    machine = Machine(ext4=3)
    machine.turn(btrfs=40)
    machine.turn(dummy=4)
    machine.turn(unloaded=("btrfs",))
    whole = machine.timeline
    bare = replace(
        whole,
        events=(
            replace(whole.events[0], change=history.without_rows(whole.events[0].change)),
            *whole.events[1:],
        ),
    )
    assert whole.events[0].change.rows_kept
    assert not bare.events[0].change.rows_kept
    (btrfs,) = bare.events[0].change.symbols.owners
    assert len(btrfs.added) == 40
    assert btrfs.added.types == {"b": 10, "d": 10, "r": 10, "t": 10}
    assert bare.between(0, 3).symbols.added == whole.between(0, 3).symbols.added == 4
    assert bare.between(0, 2).symbols.added == 44
    assert not bare.between(0, 2).rows_kept
    assert bare.between(1, 3).rows_kept


def test_the_oldest_events_lose_their_rows_first() -> None:
    machine = Machine(ext4=3)
    size = len(rows("m0", 4000, generation=4000).raw)
    for number in range(2 * history.ROWS_LIMIT // size):
        machine.turn(**{f"m{number}": 4000})
    kept = [event.change.rows_kept for event in machine.timeline.events]
    assert kept == sorted(kept)
    assert not kept[0]
    held = sum(
        len(owner.added.raw)
        for event in machine.timeline.events
        for owner in event.change.symbols.owners
    )
    assert history.ROWS_LIMIT - 2 * size < held <= history.ROWS_LIMIT
    assert [event.change.symbols.added for event in machine.timeline.events] == [4000] * len(kept)


def test_one_change_that_is_larger_than_the_limit_keeps_its_rows() -> None:
    machine = Machine(ext4=3)
    machine.turn(dummy=1)
    machine.turn(amdgpu=250_000)
    assert [e.change.rows_kept for e in machine.timeline.events] == [False, True]


def test_events_beyond_the_limit_become_part_of_the_start() -> None:
    machine = Machine(ext4=3)
    machine.turn(dummy=4)
    for _ in range(history.EVENTS_LIMIT // 2):
        machine.turn(tun=2)
        machine.turn(unloaded=("tun",))
    timeline = machine.timeline
    assert len(timeline) == history.EVENTS_LIMIT
    assert timeline.forgotten == 1
    assert timeline.totals == Totals(2, 4096 + 4100, 8)
    assert list(timeline.modules_at(0)) == ["dummy", "ext4"]
    assert timeline.began == BEGAN + 10
    assert timeline.events[0].change.number == 2


def test_a_thousand_events_keep_memory_flat() -> None:
    """Each change brings 2,000 rows, of which a thousand would be 90 MB."""
    machine = Machine(ext4=3)

    def turns(count: int) -> int:
        for _ in range(count // 2):
            machine.turn(btrfs=2_000)
            machine.turn(unloaded=("btrfs",))
            machine.tables.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        at_200, at_1000 = turns(200), turns(800)
    finally:
        tracemalloc.stop()
    assert at_200 < 2 * history.ROWS_LIMIT
    assert at_1000 - at_200 < 800 * 4096


def test_nothing_composed_is_nothing() -> None:
    assert composed([]) == SymbolDelta()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.434, "0.43 s"),
        (9.99, "9.99 s"),
        (66.2, "66 s"),
        (720, "12 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
    ],
)
def test_how_long_it_took_is_told_for_a_person(seconds: float, words: str) -> None:
    assert Change(1, BEGAN, took=seconds).took_words == words
