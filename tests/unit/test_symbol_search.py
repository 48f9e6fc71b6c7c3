"""Searching symbols finds the same rows as checking every row would."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.model.symbols import list as symbol_list
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.query import Facet, Query, QueryError, parse_query
from kmodtui.model.symbols.search import Matches, find_all

TABLE = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t do_one_initcall
ffffffff81000200 T kfree
ffffffff81000300 t kfree_skb
ffffffff81000400 W arch_init
ffffffff81000500 r __ksymtab_kfree
ffffffff82000000 D jiffies
ffffffffc0000000 t xor_sse_2\t[xor]
ffffffffc0000040 T xor_blocks\t[xor]
ffffffffc0000080 r __ksymtab_xor_blocks\t[xor]
ffffffffc0000100 t raid6_init\t[raid6_pq]
ffffffffc0000140 d raid6_call\t[raid6_pq]
ffffffffc0000180 t raid6_gpl\t[raid6_pq]
ffffffffc00001c0 r __ksymtab_raid6_gpl\t[raid6_pq]
ffffffffc0001000 t bpf_prog_1\t[bpf]
"""


def listed(data: bytes = TABLE) -> SymbolList:
    return SymbolList.of_table(parse_symbols(data))


def names(text: str, facet: Facet = Facet.ALL, data: bytes = TABLE) -> list[str]:
    symbols = listed(data)
    hits = find_all(symbols, parse_query(text, facet))
    return [row.symbol.name for row in map(symbols.row, hits) if row.symbol]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("xor !ksymtab !sse", "xor_blocks"),
        ("/^raid6_.*l$/", "raid6_call raid6_gpl"),
        ("!/_/ !module:bpf", "kfree jiffies"),
        ("module:raid6-pq type:t", "raid6_init raid6_gpl"),
        ("!m:raid6 !m:kernel !type:t !ksymtab", "xor_blocks"),
        ("@quiet !gpl", "raid6_init"),
    ],
)
def test_the_language_of_filters_is_that_of_symbols_too(text: str, expected: str) -> None:
    symbols = listed()
    query = parse_query(text, named={"quiet": "m:raid6 t:t"})
    found = {row.symbol.name for row in map(symbols.row, find_all(symbols, query)) if row.symbol}
    assert found == set(expected.split())


def test_every_row_has_its_number_in_the_kernels_order() -> None:
    symbols = listed()
    assert len(symbols) == TABLE.count(b"\n")
    assert [symbols.row(n).line for n in range(len(symbols))] == TABLE.split(b"\n")[:-1]
    assert [symbols.row(n).owner for n in (0, 8, 11, 15)] == ["", "xor", "raid6_pq", "bpf"]
    for outside in (-1, len(symbols)):
        with pytest.raises(IndexError):
            symbols.row(outside)


def test_a_malformed_row_is_found_by_its_whole_line() -> None:
    data = b"10 t one\r\n20 t two \t[m]\n30 t three  four\n40  five\n"
    symbols = listed(data)
    lines = {symbols.row(number).line for number in range(len(symbols))}
    assert lines == set(data.split(b"\n")[:-1])
    assert names("=one", data=data) == []
    assert names("re:e.$", data=data) == ["one\\x0d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kfree", ["kfree", "kfree_skb", "__ksymtab_kfree"]),
        ("=kfree", ["kfree"]),
        ("=kfre", []),
        ("init one", ["do_one_initcall"]),
        ("re:^k", ["kfree", "kfree_skb"]),
        ("re:^raid6_(init|call)$", ["raid6_init", "raid6_call"]),
        ("re:", [row.split()[2].decode() for row in TABLE.split(b"\n")[:-1]]),
        ("m:xor", ["xor_sse_2", "xor_blocks", "__ksymtab_xor_blocks"]),
        ("m:raid init", ["raid6_init"]),
        ("m:raid6-pq t:d", ["raid6_call"]),
        ("m:kernel t:T", ["_stext", "kfree"]),
        ("m:nobody", []),
        ("t:DW", ["arch_init", "jiffies"]),
        ("zzz", []),
        # Address, type and owner are not part of the name.
        ("raid6_pq", []),
        ("A", []),
    ],
)
def test_queries_and_their_matches(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_facets_select_functions_and_exports() -> None:
    assert names("", Facet.FUNCTIONS) == [
        "_stext",
        "do_one_initcall",
        "kfree",
        "kfree_skb",
        "arch_init",
        "xor_sse_2",
        "xor_blocks",
        "raid6_init",
        "raid6_gpl",
        "bpf_prog_1",
    ]
    # Including GPL-only exports, whose type is lower case.
    assert names("", Facet.EXPORTED) == ["kfree", "xor_blocks", "raid6_gpl"]
    assert [Facet.ALL.next, Facet.EXPORTED.next] == [Facet.FUNCTIONS, Facet.ALL]


def test_without_an_export_table_the_symbol_types_decide() -> None:
    data = b"10 T core\n20 T shown\t[m]\n30 t hidden\t[m]\n"
    assert names("", Facet.EXPORTED, data) == ["shown"]


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{99999999999}", "(?P<x>a)(?P<x>b)", "\\"])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(QueryError, match="is not a valid regular expression: ") as caught:
        parse_query(f"re:{pattern}")
    assert caught.value.hint


@pytest.mark.filterwarnings("error")
def test_a_pattern_that_python_warns_about_prints_nothing() -> None:
    assert parse_query("re:[[a]").patterns


def test_a_too_long_query_is_refused() -> None:
    with pytest.raises(QueryError, match="search text is too long"):
        parse_query("x" * 513)


def test_bytes_that_are_not_utf8_can_be_searched_for() -> None:
    assert names("\udcff", data=b"10 t odd\xffname\n20 t other\n") == ["odd\\xffname"]


@pytest.mark.parametrize(
    ("text", "address", "name", "offset", "size", "owner"),
    [
        ("ffffffffc0442010", 0xFFFFFFFFC0442010, "", 0, 0, ""),
        ("0xC044", 0xC044, "", 0, 0, ""),
        ("[<ffffffff81000010>]", 0xFFFFFFFF81000010, "", 0, 0, ""),
        ("xor_blocks+0x1f/0x40", None, "xor_blocks", 0x1F, 0x40, ""),
        ("xor_blocks+0x1f/0x40 [xor]", None, "xor_blocks", 0x1F, 0x40, "xor"),
        ("RIP: 0010:a.part.0+0x1f/0x40 [snd-pcm]", None, "a.part.0", 0x1F, 0x40, "snd_pcm"),
        (" ? kfree+0x5", None, "kfree", 5, 0, ""),
    ],
)
def test_an_address_or_a_place_of_an_oops_is_recognized(
    text: str, address: int | None, name: str, offset: int, size: int, owner: str
) -> None:
    place = parse_query(text).place
    assert place is not None
    found = (place.address, place.name, place.offset, place.size, place.owner)
    assert found == (address, name, offset, size, owner)


@pytest.mark.parametrize("text", ["ffffffffg", "deadbeef_", "0x1", "abcdef", "re:a+0", "=a+0x1"])
def test_texts_that_only_resemble_an_address_are_names(text: str) -> None:
    assert parse_query(text).place is None


# Compared with checking every row

_name = st.sampled_from(
    [
        "a",
        "b",
        "aa",
        "ab",
        "aab",
        "b_a",
        "__ksymtab_a",
        "__ksymtab_ab",
        "_",
        "a.b",
        "x y",
        "c\r",
        "ü",
    ]
)
_row = st.tuples(st.integers(0, 9), st.sampled_from("tTdDrwW?"), _name)
_owner = st.sampled_from(["", "m", "mm", "bpf"])
_line = st.one_of(
    st.tuples(_owner, st.lists(_row, min_size=1, max_size=30)),
    st.just(("odd", [(0, "", "")])),
)
_word = st.sampled_from(
    [
        "a",
        "b",
        "_",
        "ab",
        "aa",
        "=a",
        "=aa",
        "m:m",
        "m:kernel",
        "t:t",
        "t:Tw",
        "re:^a",
        "re:b$",
        "ü",
    ]
)


def _printed(runs: list[tuple[str, list[tuple[int, str, str]]]]) -> bytes:
    lines = []
    for owner, rows in sorted(runs, key=lambda run: run[0] != ""):
        if owner == "odd":
            continue
        tail = f"\t[{owner}]" if owner else ""
        lines += [f"{address:016x} {letter} {name}{tail}\n" for address, letter, name in rows]
    return "".join(lines).encode()


def plainly(symbols: SymbolList, text: str, facet: Facet) -> list[int]:
    """The same search, simple and slow."""
    found = []
    rows = [symbols.row(number) for number in range(len(symbols))]
    exported = {
        (row.owner, row.line.split(b"\t")[0].split(b" ", 2)[2][10:])
        for row in rows
        if b" __ksymtab_" in row.line
    }
    owners = {owner for owner, _ in exported}
    present = {row.owner for row in rows}
    for number, row in enumerate(rows):
        _, letter, name = row.line.split(b"\t")[0].split(b" ", 2)
        good = True
        exact = owner = types = None
        for word in text.split():
            if word.startswith("m:"):
                owner = word[2:]
            elif word.startswith("t:"):
                types = word[2:]
            elif word.startswith("="):
                exact = word[1:]
            elif not word.startswith("re:"):
                good = good and word.encode() in name
        patterns = [word[3:] for word in text.split() if word.startswith("re:")]
        good = good and all(re.search(pattern.encode(), name) for pattern in patterns)
        if exact is not None:
            good = good and name == exact.encode()
        if types is not None:
            good = good and letter.decode() in types
        if owner in present:
            good = good and row.owner == owner
        elif owner == "kernel":
            good = good and not row.owner
        elif owner:
            good = good and owner in (row.owner or "kernel")
        if facet is Facet.FUNCTIONS:
            good = good and letter in (b"t", b"T", b"w", b"W")
        elif facet is Facet.EXPORTED:
            if row.owner in owners:
                good = good and (row.owner, name) in exported
            else:
                good = good and bool(row.owner) and letter.isupper()
        if good:
            found.append(number)
    return found


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_line, max_size=8),
    st.lists(_word, max_size=3),
    st.sampled_from(Facet),
    st.integers(20, 400),
)
def test_every_query_finds_what_checking_every_row_finds(
    runs: list[tuple[str, list[tuple[int, str, str]]]], words: list[str], facet: Facet, block: int
) -> None:
    symbol_list._BLOCK, usual = block, symbol_list._BLOCK
    try:
        symbols = listed(_printed(runs))
    finally:
        symbol_list._BLOCK = usual
    text = " ".join(words)
    query = parse_query(text, facet)
    hits = Matches(symbols, query)
    assert [symbols.row(n).line + b"\n" for n in range(len(symbols))] == [
        line + b"\n" for block in symbols.blocks for line in block.lines()
    ]
    seen: list[int] = []
    while not hits.done:
        hits.advance()
        seen = [*seen, *(hits[index] for index in range(len(seen), len(hits)))]
    assert seen == list(hits) == plainly(symbols, text, facet)
    rows = [symbols.row(number).symbol for number in seen]
    assert hits.types() == Counter(row.type for row in rows if row)
    for number in range(len(symbols) + 1):
        assert hits.at_or_behind(number) == sum(hit < number for hit in seen)


def test_an_empty_query_parses_no_row() -> None:
    symbols = listed()
    hits = find_all(symbols, Query())
    assert len(hits) == len(symbols)
    assert not any("_columns" in block.__dict__ for block in symbols.blocks)
