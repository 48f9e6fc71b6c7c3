"""A torn read of the symbols never counts, and each load and unload is counted once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import UnreadableError
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.modules import ModuleTable
from kmodtui.model.reading import Reading, count_cycles, is_consistent
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.services import reading as reading_module
from kmodtui.services.reading import BracketedRead, Judge, read_both
from tests.support.simulated import make_simulated

OWNERS = {"": 12, "newest": 5, "middle": 7, "oldest": 4}
"""Rows by owner, of what stays loaded; the kernel's own first."""


def rows(owners: dict[str, int]) -> list[bytes]:
    """The rows of /proc/kallsyms; names repeat within a module as static ones do."""
    lines = []
    for owner, count in owners.items():
        suffix = f"\t[{owner}]" if owner else ""
        names = [f"{owner or 'core'}_{n}" if n % 3 else "__func__.1" for n in range(count)]
        lines += [f"0000000000000000 t {name}{suffix}\n".encode() for name in names]
    return lines


def with_module(size: int) -> dict[str, int]:
    """Owners while a further module is loaded; the newest is listed first."""
    kernel, *others = OWNERS.items()
    return dict([kernel, ("passing", size), *others])


def table(names: Sequence[str]) -> ModuleTable:
    return parse_modules(b"".join(b"%b 4096 0 - Live 0x0\n" % name.encode() for name in names))


STABLE = table(list(OWNERS)[1:])
TRUTH = parse_symbols(b"".join(rows(OWNERS)))
BASE = Reading(STABLE, TRUTH)


def torn_reads(size: int) -> Iterator[SymbolTable]:
    """Every read during which a module of `size` symbols is loaded and unloaded again.

    The kernel hands out the row at a position of whatever there is at that moment.
    """
    without, there = rows(OWNERS), rows(with_module(size))
    for first in range(len(without) + 1):
        for last in range(first, len(there) + 1):
            yield parse_symbols(b"".join([*without[:first], *there[first:last], *without[last:]]))


@pytest.mark.parametrize("size", [1, 3, 7, 30])
def test_a_read_torn_at_any_two_positions_counts_only_if_it_is_right(size: int) -> None:
    counted = [s for s in torn_reads(size) if is_consistent(STABLE, s, BASE, {"passing"})]
    assert counted, "a read that ends before the module is loaded is right"
    for symbols in counted:
        assert symbols.core.raw == TRUTH.core.raw
        assert dict(symbols.modules) == dict(TRUTH.modules)


@pytest.mark.parametrize("size", [1, 3, 7, 30])
def test_what_a_torn_read_shows_is_never_reported_of_what_stayed_loaded(size: int) -> None:
    for symbols in torn_reads(size):
        owners = Reading(STABLE, symbols).since(BASE, {"passing": 1}).symbols.owners
        assert {owner.owner for owner in owners} <= {"passing"}


def read(symbols: SymbolTable, *, after: ModuleTable = STABLE) -> BracketedRead:
    return BracketedRead(STABLE, symbols, "", after, 7, 7)


def test_a_read_that_contradicts_the_last_one_counts_only_if_the_next_is_equal() -> None:
    changed = parse_symbols(b"".join(rows(OWNERS | {"oldest": 9})))
    judge = Judge(BASE)
    assert not judge.accepts(read(changed), proven=True)
    assert judge.accepts(read(changed), proven=True)
    judge = Judge(BASE)
    assert not judge.accepts(read(changed), proven=True)
    assert judge.accepts(read(TRUTH), proven=True)


def test_a_read_of_which_nothing_is_known_counts_if_the_next_is_equal() -> None:
    judge = Judge(None)
    assert not judge.accepts(read(TRUTH), proven=False)
    assert judge.accepts(read(TRUTH), proven=False)


def test_a_read_during_which_a_module_moved_never_counts() -> None:
    judge = Judge(BASE)
    for _ in range(3):
        assert not judge.accepts(read(TRUTH), proven=True, disturbed=True)
    assert not judge.accepts(read(TRUTH, after=table(["newest"])), proven=True)


def test_a_captured_tree_is_read_once_whatever_it_holds() -> None:
    assert Judge(None, static=True).accepts(read(TRUTH), proven=False)


# Loads and unloads between two readings


@given(
    toggles=st.lists(st.sampled_from(["dummy", "tun"]), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=8),
    lags=st.lists(st.integers(0, 1), min_size=9, max_size=9),
)
def test_each_load_and_unload_is_counted_once_however_late_its_uevent(
    toggles: list[str], cuts: list[int], lags: list[int]
) -> None:
    live: set[str] = set()
    events, states = [], [frozenset(live)]
    for name in toggles:
        action = "remove" if name in live else "add"
        live ^= {name}
        events.append((action, name))
        states.append(frozenset(live))
    ends = [*sorted(min(cut, len(events)) for cut in cuts), len(events)]
    loads, unloads = Counter[str](), Counter[str]()
    before, seen = states[0], 0
    for end, lag in zip(ends, [*lags[: len(ends) - 1], 0], strict=False):
        arrived = max(seen, end - lag)  # the last uevent comes after the reading
        after = states[end]
        cycles = count_cycles(before, after, events[seen:arrived])
        for name in ("dummy", "tun"):
            loads[name] += cycles.get(name, 0) + (name in after - before)
            unloads[name] += cycles.get(name, 0) + (name in before - after)
        before, seen = after, arrived
    for name in ("dummy", "tun"):
        assert loads[name] == events.count(("add", name))
        assert unloads[name] == events.count(("remove", name))


# Whoever looks once


def test_one_look_gives_what_belongs_together(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    reading = read_both(kernel.host)
    assert [module.name for module in reading.table] == list(kernel.loaded)
    assert reading.symbols is not None
    assert list(reading.symbols.modules) == list(kernel.loaded)


class Busy:
    """A host on which a module is loaded and unloaded during every read of the symbols."""

    def __init__(self, kernel: SimulatedKernel, times: int) -> None:
        self._kernel, self._times = kernel, times

    def open(self, path: str) -> object:
        if path == "/proc/kallsyms" and self._times:
            self._times -= 1
            self._kernel.load("dummy")
            self._kernel.unload("dummy")
        return self._kernel.host.open(path)

    def __getattr__(self, name: str) -> object:
        return getattr(self._kernel.host, name)


def test_one_look_waits_until_it_is_undisturbed(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    reading = read_both(Busy(kernel, times=3))  # type: ignore[arg-type]
    assert reading.symbols is not None
    assert list(reading.symbols.modules) == list(kernel.loaded)


def test_one_look_says_so_where_modules_never_stand_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "PATIENCE", 0.0)
    kernel = make_simulated(tmp_path)

    class Swapping(Busy):
        """Rows differ each time, as in reads that are torn each at another position."""

        def open(self, path: str) -> object:
            if path == "/proc/kallsyms":
                kernel.append("/proc/kallsyms", b"0 t more\n")
            return super().open(path)

    with pytest.raises(UnreadableError, match="too fast"):
        read_both(Swapping(kernel, times=100))  # type: ignore[arg-type]
    assert threading.active_count() == 1
