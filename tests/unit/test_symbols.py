"""Two readings of the symbol table differ by exactly the rows that came and went."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model.symbols.table import (
    NO_ROWS,
    Symbol,
    SymbolDelta,
    SymbolRows,
    SymbolTable,
    counted_types,
    difference,
    type_word,
    type_words,
)


def rows(*texts: str) -> SymbolRows:
    return SymbolRows("".join(f"{text}\n" for text in texts).encode())


def keys(found: SymbolRows) -> Counter[tuple[str, str]]:
    """The rows as a multiset, addresses disregarded."""
    return Counter((symbol.type, symbol.name) for symbol in found)


# Rows


def test_rows_are_parsed_when_they_are_looked_at() -> None:
    found = rows("ffffffffc0442000 t xor_blocks\t[xor]", "0000000000000000 T xor_get\t[xor]")
    assert len(found) == 2
    assert list(found) == [
        Symbol(0xFFFFFFFFC0442000, "t", "xor_blocks"),
        Symbol(0, "T", "xor_get"),
    ]
    assert vars(found).keys() == {"raw", "_lines"}, "parsed symbols are kept"


def test_a_row_that_makes_no_sense_is_left_out() -> None:
    assert list(rows("nonsense", "xyz t name", "0 t", "", "10 t real")) == [Symbol(16, "t", "real")]


def test_a_carriage_return_does_not_end_a_row() -> None:
    found = SymbolRows(b"10 t one\rtwo\n20 t three\r\n")
    assert [symbol.name for symbol in found] == ["one\\x0dtwo", "three\\x0d"]
    assert sum(found.types.values()) == len(found) == 2


def test_nothing_a_terminal_could_obey_comes_through() -> None:
    found = SymbolRows(b"10 \x1b \x1b[2J\xff\t[m]\n")
    (symbol,) = found
    assert symbol == Symbol(16, "\\x1b", "\\x1b[2J\\xff")
    assert list(found.types) == ["\\x1b"]


def test_types_are_counted_the_most_frequent_first() -> None:
    found = rows("0 t a", "0 d b", "0 t c", "0 T d", "0 b e", "0 b f", "0 b g")
    assert list(found.types.items()) == [("b", 3), ("t", 2), ("T", 1), ("d", 1)]


def test_type_letters_in_words() -> None:
    assert type_words("t") == "functions"
    assert type_words("T") == "functions, exported"
    assert type_words("?") == "unknown"
    assert type_words("Z") == "type Z, exported"


def test_one_symbol_is_told_in_the_singular() -> None:
    assert [type_word(letter) for letter in "tTrwvdb"] == [
        "function",
        "function, exported",
        "read-only data",
        "weak function",
        "weak object",
        "data",
        "bss",
    ]
    assert type_word("T", core=True) == "function, global"


def test_types_are_counted_in_words_both_cases_together() -> None:
    assert counted_types({"t": 3909, "d": 301, "T": 12, "r": 1, "v": 1, "X": 2}) == [
        "3,921 functions",
        "301 data",
        "2 of type X",
        "1 read-only data",
        "1 weak object",
    ]
    assert counted_types({"T": 1}) == ["1 function"]
    assert counted_types({}) == []


@given(st.lists(st.sampled_from([b"t", b"T", b"d", b"tt", b"", b"t x", b"?"]), max_size=20))
def test_types_are_those_between_the_blanks(letters: list[bytes]) -> None:
    found = SymbolRows(b"".join(b"10 %b name\n" % letter for letter in letters))
    expected = Counter(letter.split(b" ")[0].decode() for letter in letters)
    assert found.types == expected


# Tables


def test_counts_are_the_largest_first_and_leave_out_what_is_no_module() -> None:
    table = SymbolTable(
        rows("1 t a"),
        {"b": rows("0 t x"), "a": rows("0 t x"), "c": rows("0 t x", "0 t y")},
        {"bpf": rows("0 t p")},
    )
    assert list(table.counts().items()) == [("c", 2), ("a", 1), ("b", 1)]
    assert len(table) == 6
    assert table.of("absent") is NO_ROWS


def test_a_module_that_is_not_live_can_be_left_out() -> None:
    table = SymbolTable(rows("1 t a"), {"a": rows("0 t x"), "b": rows("0 t y")})
    assert list(table.without(frozenset({"a"})).modules) == ["b"]
    assert table.without(frozenset({"other"})) is table


X86_HEAD = ("0000000000000000 A fixed_percpu_data", "0000000000000000 A __per_cpu_start")


def test_zeros_at_the_head_do_not_mean_that_addresses_are_hidden() -> None:
    shown = rows(*X86_HEAD, "ffffffff81000000 T _stext", "ffffffff82000000 D jiffies")
    assert not SymbolTable(shown).addresses_hidden


def test_a_zero_stext_means_that_addresses_are_hidden() -> None:
    hidden = rows(*X86_HEAD, "0000000000000000 T _stext", "0000000000000000 D jiffies")
    assert SymbolTable(hidden).addresses_hidden


def test_stext_is_found_as_a_whole_name_only() -> None:
    table = SymbolTable(
        rows("0000000000000000 T not_stext", "00ff T _stextual", "ff T _stext", "0 D last")
    )
    assert not table.addresses_hidden


@pytest.mark.parametrize(("last", "hidden"), [("0000", True), ("ffffffff82000000", False)])
def test_without_stext_the_last_row_decides(last: str, hidden: bool) -> None:
    assert SymbolTable(rows(*X86_HEAD, f"{last} D jiffies")).addresses_hidden is hidden


def test_an_empty_table_shows_no_addresses() -> None:
    assert SymbolTable().addresses_hidden


# Differences


def test_equal_tables_do_not_differ() -> None:
    table = SymbolTable(rows("1 t a"), {"m": rows("0 t x", "0 t x")})
    same = SymbolTable(rows("1 t a"), {"m": rows("0 t x", "0 t x")})
    assert not difference(table, same)


def test_a_module_that_came_gained_all_its_rows() -> None:
    module = rows("0 t x\t[m]", "0 T y\t[m]")
    delta = difference(SymbolTable(rows("1 t a")), SymbolTable(rows("1 t a"), {"m": module}))
    (owner,) = delta.owners
    assert (owner.owner, owner.added, owner.removed) == ("m", module, NO_ROWS)
    assert (delta.added, delta.removed) == (2, 0)


def test_a_module_that_moved_has_the_same_symbols() -> None:
    before = SymbolTable(modules={"m": rows("c0001000 t x\t[m]", "c0001010 d y\t[m]")})
    after = SymbolTable(modules={"m": rows("c0009000 t x\t[m]", "c0009010 d y\t[m]")})
    assert not difference(before, after)


def test_a_name_that_stands_there_more_often_counts_as_often() -> None:
    before = SymbolTable(modules={"m": rows("0 r __func__.7", "0 t a")})
    after = SymbolTable(modules={"m": rows("0 r __func__.7", "0 r __func__.7", "0 r __func__.7")})
    (owner,) = difference(before, after).owners
    assert keys(owner.added) == {("r", "__func__.7"): 2}
    assert keys(owner.removed) == {("t", "a"): 1}


def test_a_type_that_changed_is_one_lost_and_one_gained() -> None:
    before = SymbolTable(modules={"m": rows("0 t a")})
    after = SymbolTable(modules={"m": rows("0 T a")})
    delta = difference(before, after)
    assert (delta.added, delta.removed) == (1, 1)


def test_bpf_programs_and_trampolines_belong_to_no_difference() -> None:
    before = SymbolTable(pseudo={"bpf": rows("0 t bpf_prog_1")})
    after = SymbolTable(pseudo={"__builtin__ftrace": rows("0 t ftrace_trampoline")})
    assert not difference(before, after)


def test_owners_stand_with_the_largest_difference_first() -> None:
    after = SymbolTable(
        rows("0 t core"),
        {"b": rows("0 t 1"), "a": rows("0 t 1"), "big": rows("0 t 1", "0 t 2", "0 t 3")},
    )
    assert [owner.owner for owner in difference(SymbolTable(), after).owners] == [
        "big",
        "",
        "a",
        "b",
    ]


_row = st.tuples(
    st.integers(0, 3), st.sampled_from("tTdrb?"), st.sampled_from(["a", "b", "__func__.7", "c\r"])
)
_rows = st.lists(_row, max_size=12).map(
    lambda found: SymbolRows("".join(f"{a:x} {t} {n}\n" for a, t, n in found).encode())
)
_owners = st.dictionaries(st.sampled_from(["m", "n", "o"]), _rows, max_size=3)
_tables = st.builds(SymbolTable, _rows, _owners, st.fixed_dictionaries({"bpf": _rows}))


def everything(table: SymbolTable) -> Counter[tuple[str, str, str]]:
    owned = [("", table.core), *table.modules.items()]
    return Counter((owner, row.type, row.name) for owner, found in owned for row in found)


def one_side(delta: SymbolDelta, side: str) -> Counter[tuple[str, str, str]]:
    return Counter(
        (owner.owner, row.type, row.name) for owner in delta.owners for row in getattr(owner, side)
    )


@given(_tables, _tables)
def test_the_difference_is_that_of_two_multisets(before: SymbolTable, after: SymbolTable) -> None:
    delta = difference(before, after)
    assert one_side(delta, "added") == everything(after) - everything(before)
    assert one_side(delta, "removed") == everything(before) - everything(after)
    assert delta.added == sum(one_side(delta, "added").values())
    assert delta.removed == sum(one_side(delta, "removed").values())
    assert bool(delta) == (everything(before) != everything(after))
    assert all(owner.added or owner.removed for owner in delta.owners)


@given(_tables, _tables)
def test_back_again_the_difference_is_turned_round(before: SymbolTable, after: SymbolTable) -> None:
    there, back = difference(before, after), difference(after, before)
    assert one_side(there, "added") == one_side(back, "removed")
    assert one_side(there, "removed") == one_side(back, "added")
