"""Symbols of built-in modules have the names of their modules, by modules.builtin.ranges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.cli import run
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.model.symbols.builtin import (
    BuiltinMap,
    Range,
    builtin_map,
    builtin_words,
    parse_ranges,
)
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.query import parse_query
from kmodtui.model.symbols.search import find_all
from tests.support.tiny_system import RELEASE, tiny_system, write

RANGES = b"""\
.text 00000000-00000000 = _text
.text 00000100-00000180 ext4
.text 00000180-00000200 intel-soc iosf_mbi
.data 00000040-00000040 = first_data
.data 00000080-000000c0 ext4
.bss 00000000-00000000 = twice
.bss 00000000-00000100 lost
malformed
.text 00000300-00000200 reversed
"""
KALLSYMS = """\
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000100 t ext4_open
ffffffff81000140 T ext4_read
ffffffff81000180 t soc_read
ffffffff81000200 T vfs_read
ffffffff82000040 d first_data
ffffffff82000080 d ext4_table
ffffffff820000c0 d other
ffffffff82001000 b twice
ffffffff82001010 b twice
ffffffffc0000000 t vfs_ext4\t[ext4_loaded]
"""
TABLE = parse_symbols(KALLSYMS.encode())


@pytest.fixture
def found() -> BuiltinMap:
    ranges = builtin_map(parse_ranges(RANGES), TABLE)
    assert ranges is not None
    return ranges


@pytest.fixture
def root(tmp_path: Path) -> str:
    host = tiny_system(tmp_path, {}, kallsyms=KALLSYMS)
    write(host, f"/lib/modules/{RELEASE}/modules.builtin.ranges", RANGES)
    return str(tmp_path)


def test_the_file_is_read_as_the_kernels_build_writes_it() -> None:
    ranges = parse_ranges(RANGES)
    assert ranges.anchors[".data"] == (b"first_data", 0x40)
    assert ranges.ranges[1] == Range(".text", 0x180, 0x200, ("intel_soc", "iosf_mbi"))
    assert len(ranges.ranges) == 4


@pytest.mark.parametrize(
    ("address", "modules"),
    [
        (0xFFFFFFFF810000FF, ()),
        (0xFFFFFFFF81000100, ("ext4",)),
        (0xFFFFFFFF8100017F, ("ext4",)),
        (0xFFFFFFFF81000180, ("intel_soc", "iosf_mbi")),
        (0xFFFFFFFF81000200, ()),
        (0xFFFFFFFF82000080, ("ext4",)),  # the section begins 0x40 before its first symbol
        (0xFFFFFFFF82001000, ()),  # it is unknown which of the two the section begins with
        (0, ()),
    ],
)
def test_offsets_count_from_the_symbol_at_the_start_of_the_section(
    found: BuiltinMap, address: int, modules: tuple[str, ...]
) -> None:
    assert found.at(address) == modules


def test_where_addresses_are_hidden_nothing_is_attributed() -> None:
    hidden = parse_symbols(b"0000000000000000 T _text\n0000000000000000 T _stext\n")
    assert builtin_map(parse_ranges(RANGES), hidden) is None


def test_a_row_names_its_module_and_that_it_is_built_in(found: BuiltinMap) -> None:
    symbols = SymbolList.of_table(TABLE, found)
    words = {row.symbol.name: row.owner_words for row in map(symbols.row, range(12)) if row.symbol}
    assert words["ext4_read"] == "ext4 (built in)"
    assert words["soc_read"] == "intel_soc, iosf_mbi (built in)"
    assert words["vfs_read"] == ""
    assert words["vfs_ext4"] == "ext4_loaded"
    assert builtin_words(()) == ""


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("m:ext4", ["ext4_open", "ext4_read", "ext4_table"]),
        ("m:ext4 open", ["ext4_open"]),
        ("m:iosf", ["soc_read"]),
        ("m:ext", ["ext4_open", "ext4_read", "ext4_table", "vfs_ext4"]),
        ("m:ext4_loaded", ["vfs_ext4"]),
        ("m:kernel read", ["ext4_read", "soc_read", "vfs_read"]),
        ("m:none", []),
    ],
)
def test_a_search_by_module_finds_built_in_code(
    found: BuiltinMap, query: str, names: list[str]
) -> None:
    matches = find_all(SymbolList.of_table(TABLE, found), parse_query(query))
    rows = (matches.row(number) for number in range(len(matches)))
    assert [row.symbol.name for row in rows if row.symbol] == names


def test_the_verb_attributes_addresses_and_counts(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["symbols", "--address", "ffffffff81000150", "--root", root]) == 0
    assert capsys.readouterr().out == "ext4_read+0x10/0x40 [ext4 (built in)]\n"
    assert run(["symbols", "--counts", "--root", root]) == 0
    assert "      3 ext4 (built in)\n" in capsys.readouterr().out
    assert run(["symbols", "--module", "iosf-mbi", "--counts", "--json", "--root", root]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["counts"], answer["builtin_counts"]) == ({}, {"iosf_mbi": 1})


def test_the_verb_lists_the_symbols_of_a_built_in_module(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["symbols", "--module", "ext4", "--match", "read", "--root", root]) == 0
    assert capsys.readouterr().out == "ffffffff81000140 T ext4_read\t[ext4 (built in)]\n"
    assert run(["symbols", "--module", "ext4", "--json", "--root", root]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["builtin"] for each in answer["symbols"]] == [["ext4"]] * 3
    assert run(["symbols", "--module", "lost", "--root", root]) == 1


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    builtin_map(parse_ranges(RANGES + data), TABLE)
