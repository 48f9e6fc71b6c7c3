"""Looking up addresses, sizes of symbols, and why addresses are hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.model.symbols.address import Hiding, NoSymbolError, look_up, size_of, sizes
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.table import SymbolRows

CORE = """\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t do_one_initcall
ffffffff81000200 T kfree
ffffffff81000240 D _end
"""
MODULES = """\
ffffffffc0000040 T xor_blocks\t[xor]
ffffffffc0000000 t xor_sse_2\t[xor]
ffffffffc0000080 t copy\t[xor]
ffffffffc0100000 t copy\t[tun]
ffffffffc0100100 d tun_data\t[tun]
"""


def listed(text: str = CORE + MODULES) -> SymbolList:
    return SymbolList.of_table(parse_symbols(text.encode()))


def found(text: str, symbols: SymbolList | None = None) -> list[tuple[str, str, int, int | None]]:
    symbols = symbols or listed()
    result = []
    for located in look_up(symbols, text):
        row = symbols.row(located.row)
        assert row.symbol
        result.append((row.owner, row.symbol.name, located.offset, located.size))
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ffffffff81000100", [("", "do_one_initcall", 0, 0x100)]),
        ("ffffffff810001ff", [("", "do_one_initcall", 0xFF, 0x100)]),
        # Two symbols begin at the same address: both contain it.
        ("ffffffff81000010", [("", "_stext", 0x10, 0x100), ("", "_text", 0x10, 0x100)]),
        # A module's rows are not sorted by address.
        ("0xffffffffc0000005", [("xor", "xor_sse_2", 5, 0x40)]),
        ("0xffffffffc0000041", [("xor", "xor_blocks", 1, 0x40)]),
        # The last symbol: its end is unknown.
        ("ffffffffc0000084", [("xor", "copy", 4, None)]),
        ("ffffffffc0100104", [("tun", "tun_data", 4, None)]),
        ("xor_blocks+0x1f/0x40", [("xor", "xor_blocks", 0x1F, 0x40)]),
        ("copy+0x1/0x100", [("xor", "copy", 1, None), ("tun", "copy", 1, 0x100)]),
        ("copy+0x1/0x100 [tun]", [("tun", "copy", 1, 0x100)]),
    ],
)
def test_the_symbol_that_contains_it(
    text: str, expected: list[tuple[str, str, int, int | None]]
) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0xffffffffbfffffff", "is not in a symbol: the nearest one below it, _end"),
        ("0xfffffffff0000000", "is not in a symbol: the nearest one below it, tun_data"),
        ("0x10", "No symbol begins at or below 0x10"),
        ("1f", "No symbol begins at or below 0x1f"),
        ("0x1234", "No symbol begins at or below 0x1234"),
        ("nothing+0x1/0x2", "There is no symbol nothing in this kernel"),
        ("kfree+0x1/0x2 [tun]", "There is no symbol kfree of tun"),
        ("kfree", "kfree is not an address"),
    ],
)
def test_no_symbol_contains_it(text: str, words: str) -> None:
    with pytest.raises(NoSymbolError, match=words.replace("+", r"\+")):
        look_up(listed(), text)


def test_doubtful_results_say_why() -> None:
    symbols = listed()
    assert "a different build" in look_up(symbols, "kfree+0x1/0x99")[0].warning
    assert "beyond its end" in look_up(symbols, "kfree+0x40/0x40")[0].warning
    assert "its end is unknown" in look_up(symbols, "ffffffffc0000084")[0].warning
    assert not look_up(symbols, "kfree+0x3f/0x40")[0].warning


def test_with_hidden_addresses_only_symbol_and_offset_can_be_looked_up() -> None:
    hidden = "".join("0" * 16 + line[16:] + "\n" for line in (CORE + MODULES).splitlines())
    symbols = listed(hidden)
    with pytest.raises(NoSymbolError, match="Addresses are hidden"):
        look_up(symbols, "ffffffff81000100")
    assert found("kfree+0x3/0x40", symbols) == [("", "kfree", 3, None)]
    assert size_of(symbols, 3) is None


@pytest.mark.parametrize("text", ["", "nonsense\n"])
def test_a_table_without_rows_finds_nothing(text: str) -> None:
    with pytest.raises(NoSymbolError):
        look_up(listed(text), "ffffffff81000100")


_addresses = st.lists(st.integers(1, 4000), min_size=1, max_size=60)


@given(st.dictionaries(st.sampled_from(["", "m", "n"]), _addresses), st.integers(0, 5000))
def test_it_is_the_nearest_symbol_below(owners: dict[str, list[int]], address: int) -> None:
    text = "".join(
        f"{begin:016x} t s{number}" + (f"\t[{owner}]\n" if owner else "\n")
        for owner, begins in sorted(owners.items())
        for number, begin in enumerate(begins)
    )
    symbols = listed(text)
    every = sorted((begin, owner) for owner, begins in owners.items() for begin in begins)
    below = [begin for begin, _ in every if begin <= address]
    if not below:
        with pytest.raises(NoSymbolError):
            look_up(symbols, f"{address:#06x}")
        return
    for located in look_up(symbols, f"{address:#06x}"):
        row = symbols.row(located.row)
        assert row.symbol
        assert row.symbol.address == below[-1]
        assert located.offset == address - below[-1]
        same = sorted(set(owners[row.owner]))
        follower = next((begin for begin in same if begin > below[-1]), None)
        other = next((begin for begin, _ in every if begin > below[-1]), None)
        if located.size is not None:
            assert below[-1] + located.size == follower == other


def test_sizes_are_distances_to_the_next_symbol() -> None:
    rows = SymbolRows(b"40 t b\t[m]\n10 t a\t[m]\n10 t alias\t[m]\n0 u none\t[m]\nzz t odd\t[m]\n")
    assert sizes(rows) == [None, 0x30, 0x30, None, None]


@pytest.mark.parametrize(
    ("hiding", "words"),
    [
        (Hiding(0, 3, False), "kernel.kptr_restrict=0 with kernel.perf_event_paranoid=3"),
        (Hiding(0, 3, False), "processes without CAP_SYSLOG"),
        (Hiding(1, 0, False), "kernel.kptr_restrict=1 from processes without CAP_SYSLOG"),
        (Hiding(2, 0, True), "from all users by kernel.kptr_restrict=2"),
        (Hiding(), "see kernel.kptr_restrict"),
        (Hiding(0, 1, False), "although kernel.kptr_restrict is 0"),
    ],
)
def test_what_hides_addresses(hiding: Hiding, words: str) -> None:
    assert words in hiding.sentence
    assert "symbols are compared by name" in hiding.sentence
