"""/proc/kallsyms is split into owners by leaps, and comes out as if read row by row."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kallsyms import _run_end, is_pseudo_owner, parse_symbols, read_symbols
from kmodtui.model.symbols.table import NO_ROWS, SymbolRows, SymbolTable, difference
from kmodtui.model.text import clean, decode


def row_by_row(data: bytes) -> SymbolTable:
    """What `parse_symbols` does, without any thought for speed."""
    owned: dict[str, list[bytes]] = {}
    for line in data.split(b"\n")[:-1]:
        _, tab, tail = line.rpartition(b"\t[")
        owner = tail[:-1] if tab and tail.endswith(b"]") else b""
        name = clean(decode(owner))
        owned.setdefault(name, []).append(line + b"\n")
    runs = {name: SymbolRows(b"".join(lines)) for name, lines in owned.items()}
    return SymbolTable(
        runs.pop("", NO_ROWS),
        {name: rows for name, rows in runs.items() if not is_pseudo_owner(name)},
        {name: rows for name, rows in runs.items() if is_pseudo_owner(name)},
    )


def assert_same(found: SymbolTable, expected: SymbolTable) -> None:
    assert found.core.raw == expected.core.raw
    assert list(found.modules.items()) == list(expected.modules.items())
    assert dict(found.pseudo) == dict(expected.pseudo)


def run(owner: str, count: int, width: int = 20, address: int = 0) -> bytes:
    """`count` rows of one owner, their names `width` characters long."""
    tail = f"\t[{owner}]" if owner else ""
    return "".join(
        f"{address and address + 16 * n:016x} t {f'f{n}_':x<{width}}{tail}\n" for n in range(count)
    ).encode()


CORE = b"0000000000000000 A fixed_percpu_data\nffffffff81000000 T _stext\n"


def test_owners_are_told_apart() -> None:
    table = parse_symbols(
        CORE
        + run("btrfs", 3)
        + run("xor", 2)
        + run("__builtin__ftrace", 2)
        + run("bpf", 1)
        + run("__builtin__kprobes", 1)
    )
    assert table.core.raw == CORE
    assert table.counts() == {"btrfs": 3, "xor": 2}
    assert list(table.modules) == ["btrfs", "xor"]
    assert set(table.pseudo) == {"__builtin__ftrace", "bpf", "__builtin__kprobes"}


def test_modules_that_only_sound_like_pseudo_owners_are_modules() -> None:
    table = parse_symbols(run("bpfilter", 1) + run("my__builtin__", 1))
    assert list(table.modules) == ["bpfilter", "my__builtin__"]


def test_a_last_row_that_was_cut_off_is_left_out() -> None:
    whole = CORE + run("xor", 2)
    for cut in range(1, len(run("xor", 1))):
        table = parse_symbols(whole[:-cut])
        assert table.counts() == {"xor": 1}, cut


@pytest.mark.parametrize("data", [b"", b"cut off", b"\n", b"\t", b"\t[\n", b"\t[]\n"])
def test_a_table_with_next_to_nothing_in_it_has_no_modules(data: bytes) -> None:
    assert not parse_symbols(data).modules


def test_rows_without_an_owner_behind_the_modules_are_the_kernels() -> None:
    table = parse_symbols(CORE + run("xor", 2) + b"ffff t stray\n" + run("tun", 1))
    assert table.core.raw == CORE + b"ffff t stray\n"
    assert table.counts() == {"xor": 2, "tun": 1}


def test_a_torn_reading_in_which_a_module_has_two_runs_gives_each_owner_its_own() -> None:
    table = parse_symbols(CORE + run("old", 4000) + run("new", 5) + run("old", 4000))
    assert table.counts() == {"old": 8000, "new": 5}


def test_what_has_not_changed_is_taken_from_the_reading_before() -> None:
    before = parse_symbols(CORE + run("xor", 50) + run("tun", 50))
    after = parse_symbols(CORE + run("btrfs", 9) + run("xor", 50) + run("tun", 51), before)
    assert after.core is before.core
    assert after.of("xor") is before.of("xor")
    assert after.counts() == {"btrfs": 9, "xor": 50, "tun": 51}


@pytest.mark.parametrize("now", [0, 1, 49, 50, 51, 200])
def test_a_module_that_has_fewer_or_more_rows_than_before_has_those_of_now(now: int) -> None:
    before = parse_symbols(CORE + run("xor", 50) + run("tun", 3))
    after = parse_symbols(CORE + run("xor", now) + run("tun", 3), before)
    assert len(after.of("xor")) == now
    assert len(after.of("tun")) == 3


# Where a run ends

LEAP = 4096


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 100, 101, 102, 103, 104, 204, 205, 206, 1000, 5000])
@pytest.mark.parametrize("follower", [0, 1, 2, 100, 3000])
def test_a_run_ends_where_the_next_owner_begins(rows: int, follower: int) -> None:
    head, own, rest = run("first", 7), run("mine", rows), run("next", follower)
    assert _run_end(head + own + rest, len(head), b"mine") == len(head) + len(own)


@pytest.mark.parametrize("power", [1, 2, 4, 8])
@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("rest", [b"", run("n", 1), run("next", 900)])
def test_a_run_ends_right_at_the_edge_of_a_leap(power: int, off: int, rest: bytes) -> None:
    row = len(run("mine", 1))
    rows = LEAP * power // row
    own = run("mine", rows - 1)
    missing = LEAP * power + off - len(own)
    own += run("mine", 1, 20 + missing - row if missing > row else 20)
    assert _run_end(own + rest, 0, b"mine") == len(own)


def test_a_name_longer_than_a_leap_does_not_hide_the_end() -> None:
    own = run("mine", 2, 9000) + run("mine", 300) + run("mine", 1, 20000)
    assert _run_end(own + run("next", 4, 9000), 0, b"mine") == len(own)
    assert _run_end(own, 0, b"mine") == len(own)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=60), st.integers(0, 50))
def test_a_run_of_rows_of_any_lengths_ends_where_it_ends(widths: list[int], after: int) -> None:
    own = b"".join(run("mine", 1, width) for width in widths * 3)
    assert _run_end(own + run("next", after, 333), 0, b"mine") == len(own)


# Against the plain way

_owner = st.sampled_from(
    ["btrfs", "xor", "raid6_pq", "x" * 55, "bpf", "__builtin__ftrace", "__builtin__kprobes", "tun"]
)
_address = st.sampled_from([0, 0xFFFFFFFFC0000000])
_width = st.sampled_from([1, 20, 20, 20, 511])


def _table(address: int, core: int, runs: list[tuple[str, int, int]]) -> bytes:
    return run("", core, address=address) + b"".join(
        run(owner, count, width, address) for owner, count, width in runs
    )


_contiguous = st.builds(
    _table,
    _address,
    st.sampled_from([0, 1, 3, 300]),
    st.lists(
        st.tuples(_owner, st.sampled_from([1, 2, 3, 60, 130, 700]), _width),
        max_size=6,
        unique_by=lambda found: found[0],
    ),
)
_lines = st.lists(
    st.sampled_from(
        [
            b"ffff t a\t[m]\n",
            b"ffff t a\t[n]\n",
            b"ffff t core\n",
            b"ffff t cr\t[m]\r\n",
            b"ffff t open\t[m\n",
            b"ffff t two\t[m]\t[n]\n",
            b"ffff t tab\tno owner\n",
            b"ffff t \xff\x1b\t[\x1b\xff]\n",
            b"ffff t none\t[]\n",
            b"]\n",
            b"\n",
            b"ffff t p\t[bpf]\n",
            b"cut off",
            b"ffff t " + b"x" * 5000 + b"\t[m]\n",
        ]
    ),
    max_size=40,
).map(b"".join)
_any = st.one_of(_contiguous, _contiguous, _lines, st.binary(max_size=300))


@settings(max_examples=250)
@given(_any)
def test_every_table_comes_out_as_if_read_row_by_row(data: bytes) -> None:
    assert_same(parse_symbols(data), row_by_row(data))


@settings(max_examples=250)
@given(_any, _any)
def test_the_reading_before_never_changes_the_result(data: bytes, before: bytes) -> None:
    previous = parse_symbols(before)
    assert_same(parse_symbols(data, previous), row_by_row(data))
    assert_same(parse_symbols(data, previous), parse_symbols(data))


@given(_contiguous, st.data())
def test_cut_anywhere_it_loses_the_last_row_and_nothing_else(
    data: bytes, draw: st.DataObject
) -> None:
    cut = data[: draw.draw(st.integers(0, len(data)))]
    assert_same(parse_symbols(cut, parse_symbols(data)), row_by_row(cut))


# The file


def test_the_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    data = CORE + run("btrfs", 5000)
    (tmp_path / "proc/kallsyms").write_bytes(data)
    assert_same(read_symbols(LocalHost(tmp_path)), row_by_row(data))


def test_a_kernel_without_kallsyms_is_told_so(tmp_path: Path) -> None:
    class Live(LocalHost):
        live = True

    with pytest.raises(UnreadableError, match="CONFIG_KALLSYMS"):
        read_symbols(Live(tmp_path))
    with pytest.raises(UnreadableError, match="captured tree has no /proc/kallsyms"):
        read_symbols(LocalHost(tmp_path))


def test_a_file_that_cannot_be_read_is_told_with_its_reason(tmp_path: Path) -> None:
    os.makedirs(tmp_path / "proc/kallsyms")
    with pytest.raises(UnreadableError, match="Is a directory"):
        read_symbols(LocalHost(tmp_path))


def test_a_file_for_others_only_is_told_as_that() -> None:
    class Forbidding(LocalHost):
        def open(self, path: str) -> object:  # type: ignore[override]
            raise PermissionError(13, "Permission denied", path)

    with pytest.raises(UnreadableError, match="This user may not read"):
        read_symbols(Forbidding())


@pytest.mark.skipif(not os.path.exists("/proc/kallsyms"), reason="no /proc/kallsyms here")
def test_this_machines_own_table_comes_out_as_if_read_row_by_row() -> None:
    data = Path("/proc/kallsyms").read_bytes()
    table = parse_symbols(data)
    assert_same(table, row_by_row(data))
    assert len(table) == data.count(b"\n")


# From what the kernel prints to what has changed


def _owned(data: bytes) -> Counter[tuple[str, bytes]]:
    """Rows without their addresses, by owner; those of pseudo-owners left out."""
    table = row_by_row(data)
    return Counter(
        (owner, line.split(b" ", 1)[-1])
        for owner, rows in [("", table.core), *table.modules.items()]
        for line in rows.raw.split(b"\n")[:-1]
    )


@settings(max_examples=250)
@given(_any, _any)
def test_the_change_of_two_readings_is_that_of_two_multisets_of_rows(
    first: bytes, second: bytes
) -> None:
    before = parse_symbols(first)
    after = parse_symbols(second, before)
    delta = difference(before, after)
    for side, expected in (
        ("added", _owned(second) - _owned(first)),
        ("removed", _owned(first) - _owned(second)),
    ):
        found = Counter(
            (owner.owner, line.split(b" ", 1)[-1])
            for owner in delta.owners
            for line in getattr(owner, side).raw.split(b"\n")[:-1]
        )
        assert found == expected
        assert getattr(delta, side) == sum(expected.values())
