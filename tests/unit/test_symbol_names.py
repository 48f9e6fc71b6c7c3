"""Names as other kernels and compilers write them: suffixes, dots, mapping symbols."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodtui import cli
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.model.symbols.address import NoSymbolError, look_up, sizes
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.query import parse_query
from kmodtui.model.symbols.search import find_all
from tests.support.elf import make_module
from tests.support.tiny_system import STRUCT, modinfo, tiny_system, write

Output = pytest.CaptureFixture[str]

LTO = b"""\
ffffffff81000000 T _stext
ffffffff81000010 t read_iter.llvm.3433979326929198294
ffffffff81000020 t __cfi_read_iter
ffffffff81000030 t split.isra.0
ffffffff81000040 t split.isra.0.cold
ffffffff81000050 t plain
ffffffff81000060 t plain.cold
ffffffff81000070 t once.__uniq.1234.llvm.99
ffffffff81000080 t plain_more
ffffffff81000090 t file.c
"""


def names(table: bytes, query: str) -> list[str]:
    symbols = SymbolList.of_table(parse_symbols(table))
    rows = (symbols.row(number).symbol for number in find_all(symbols, parse_query(query)))
    return [row.name for row in rows if row]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("=read_iter", ["read_iter.llvm.3433979326929198294"]),
        ("=split", ["split.isra.0", "split.isra.0.cold"]),
        ("=split.isra.0", ["split.isra.0"]),
        ("=plain", ["plain"]),  # an exact name wins
        ("=once", ["once.__uniq.1234.llvm.99"]),
        ("=file", []),  # .c is no suffix of a compiler
        ("=rea", []),
    ],
)
def test_a_plain_name_finds_what_the_compiler_made_of_it(query: str, found: list[str]) -> None:
    assert names(LTO, query) == found


def test_a_place_of_an_oops_finds_the_suffixed_symbol() -> None:
    symbols = SymbolList.of_table(parse_symbols(LTO))
    (located,) = look_up(symbols, "read_iter+0x1/0x10")
    assert symbols.row(located.row).line.endswith(b"read_iter.llvm.3433979326929198294")
    assert (located.size, located.warning) == (0x10, "")
    assert len(look_up(symbols, "split+0x1")) == 2
    with pytest.raises(NoSymbolError):
        look_up(symbols, "file+0x1")


@pytest.mark.parametrize("width", [8, 16])
def test_null_pointers_are_hidden_addresses(width: int) -> None:
    null = b"(null)".rjust(width)
    table = parse_symbols(b"%b T _text\n%b t do_one\n%b T open\t[btrfs]\n" % (null, null, null))
    zeros = "0" * width
    assert table.core.raw.decode() == f"{zeros} T _text\n{zeros} t do_one\n"
    assert table.addresses_hidden
    assert table.counts() == {"btrfs": 1}
    assert [symbol.name for symbol in table.of("btrfs")] == ["open"]


ARM = b"""\
c0008000 T _stext
bf000000 t $a\t[drv]
bf000000 t probe\t[drv]
bf000010 d $d.12\t[drv]
bf000020 t $t\t[drv]
bf000020 t remove\t[drv]
bf000030 r .LANCHOR0\t[drv]
bf000040 t end\t[drv]
"""


def test_mapping_symbols_are_never_an_answer() -> None:
    table = parse_symbols(ARM)
    symbols = SymbolList.of_table(table)
    for address, name in (("bf000004", b"probe"), ("bf000018", b"probe"), ("bf000034", b"remove")):
        (located,) = look_up(symbols, address)
        assert name in symbols.row(located.row).line, address
        assert located.size == 0x20
    assert list(sizes(table.of("drv")))[1] == 0x20


def test_risc_v_names_its_extensions_in_mapping_symbols() -> None:
    rows = b"ffffffff80000000 T _stext\nffffffff80000010 t $xrv64i2p1\nffffffff80000020 t next\n"
    symbols = SymbolList.of_table(parse_symbols(rows))
    (located,) = look_up(symbols, "ffffffff80000018")
    assert (located.offset, located.size) == (0x18, 0x20)


def test_lines_that_are_malformed_are_counted(tmp_path: Path, capsys: Output) -> None:
    host = tiny_system(tmp_path, {}, kallsyms="ffff T _stext\nnonsense\nzz t x\nffff t y\n")
    assert cli.run(["symbols", "--root", str(host.root)]) == 0
    out, errors = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "2 malformed lines of /proc/kallsyms skipped." in errors


# A dot in a module's name: the kernel allows it, kmod cuts the name there

DOTTED = "kpatch_3.10.0_1"


@pytest.fixture
def dotted(tmp_path: Path) -> LocalHost:
    host = tiny_system(
        tmp_path,
        {"other": make_module(modinfo("other"), extra=STRUCT)},
        loaded={DOTTED: (), "other": (DOTTED,)},
        kallsyms=f"ffffffff81000000 T _stext\nffffffffc0001000 t patched\t[{DOTTED}]\n",
    )
    write(host, f"/sys/module/{DOTTED}/srcversion", "ABC\n")
    return host


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["symbols", "--module", DOTTED], "patched"),
        (["symbols", "--module", "kpatch-3.10.0-1"], "patched"),
        (["tree", DOTTED], f"{DOTTED}\n"),
        (["tree", "--reverse", "other"], f"other\n└─ {DOTTED}"),
        (["linkage", DOTTED], f"{DOTTED} imports"),
        (["info", DOTTED], DOTTED),
    ],
)
def test_a_loaded_module_with_a_dot_in_its_name_is_found(
    dotted: LocalHost, capsys: Output, words: list[str], shown: str
) -> None:
    cli.run([*words, "--root", str(dotted.root), *(["--json"] if words[0] == "info" else [])])
    assert shown in capsys.readouterr().out


def test_it_is_unloaded_by_its_whole_name_and_not_with_rmmod(
    dotted: LocalHost, capsys: Output
) -> None:
    assert cli.run(["plan", "unload", DOTTED, "--json", "--root", str(dotted.root)]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["refused"] is None
    assert plan["commands"] == [f"delete_module -- {DOTTED}"]
    assert any("cut the name" in warning for warning in plan["warnings"])
    assert plan["steps"][0]["command"] == f"delete_module {DOTTED}"
