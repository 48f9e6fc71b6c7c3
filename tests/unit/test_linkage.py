"""Imports and exports: from module files, the index, and the kernel's symbol table."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.release import read_index
from kmodtui.model.linkage import ProviderKind, exports_in_kallsyms, kernel_exports
from kmodtui.model.symbols.table import SymbolRows
from kmodtui.services.linkage import KEPT, Linkage
from tests.support.elf import make_module
from tests.support.tiny_system import RELEASE, modinfo, tiny_system, write

KALLSYMS = """\
ffffffff81000000 T _stext
ffffffff81000010 T printk
ffffffff81000020 T core_gpl
ffffffff81000030 t core_static
ffffffff82000000 r __ksymtab_aaa
ffffffff82000000 R __start___ksymtab
ffffffff8200000c r __ksymtab_printk
ffffffff82000018 r __ksymtab_core_gpl
ffffffff82000018 R __start___ksymtab_gpl
ffffffff82000018 R __stop___ksymtab
ffffffff82000024 r __ksymtab_other_gpl
ffffffff82000030 R __stop___ksymtab_gpl
ffffffffc0000000 T give\t[giver]
ffffffffc0000000 t give_gpl\t[giver]
ffffffffc0000000 r __ksymtab_give\t[giver]
ffffffffc0000000 r __ksymtab_give_gpl\t[giver]
ffffffffc0000000 t stray_gives\t[stray]
ffffffffc0000000 r __ksymtab_stray_gives\t[stray]
"""


def system(folder: Path, kallsyms: str = KALLSYMS) -> LocalHost:
    return tiny_system(
        folder,
        {
            "giver": make_module(
                modinfo("giver"),
                exports={"give": "__ksymtab", "give_gpl": "__ksymtab_gpl", "spare": "__ksymtab"},
                namespaces={"give_gpl": "SPACE"},
                defined={"give": (".text", 40)},
            ),
            "taker": make_module(
                modinfo("taker"),
                imports=["give", "give_gpl", "printk", "core_gpl", "stray_gives", "lost"],
                weak_imports=["maybe"],
            ),
        },
        depends={"taker": ["giver"]},
        symbols={"give": "giver", "give_gpl": "giver", "spare": "giver"},
        loaded={"stray": [], "taker": [], "giver": ["taker"]},
        kallsyms=kallsyms,
    )


def look(host: LocalHost, *, running: bool = True) -> Linkage:
    return Linkage(host, read_index(host, RELEASE), running=running)


def test_each_import_has_its_provider(tmp_path: Path) -> None:
    found = look(system(tmp_path)).of("taker")
    assert {t.wanted.name: (t.provider, t.module) for t in found.imports} == {
        "core_gpl": (ProviderKind.KERNEL, ""),
        "give": (ProviderKind.MODULE, "giver"),
        "give_gpl": (ProviderKind.MODULE, "giver"),
        "lost": (ProviderKind.UNRESOLVED, ""),
        "maybe": (ProviderKind.UNRESOLVED, ""),
        "printk": (ProviderKind.KERNEL, ""),
        "stray_gives": (ProviderKind.MODULE, "stray"),
    }
    words = {t.wanted.name: t.export.words for t in found.imports if t.export}
    assert words == {
        "core_gpl": "EXPORT_SYMBOL_GPL",
        "give": "EXPORT_SYMBOL",
        "give_gpl": "EXPORT_SYMBOL_NS_GPL, namespace SPACE",
        "printk": "EXPORT_SYMBOL",
        "stray_gives": "EXPORT_SYMBOL_GPL",
    }
    assert [t.wanted.name for t in found.taken_from(ProviderKind.UNRESOLVED)] == ["lost", "maybe"]
    assert list(found.providers) == ["giver", "stray"]
    assert found.loaded
    assert found.path.endswith("/kernel/taker.ko")
    assert found.problems == ()


def test_each_export_has_its_importers(tmp_path: Path) -> None:
    found = look(system(tmp_path)).of("giver")
    assert {g.export.name: g.users for g in found.exports} == {
        "give": ("taker",),
        "give_gpl": ("taker",),
        "spare": (),
    }
    assert found.users == {"taker": 2}


def test_the_imports_of_one_module_from_another(tmp_path: Path) -> None:
    linkage = look(system(tmp_path))
    edge = linkage.edge("taker", "giver")
    assert [taken.wanted.name for taken in edge.symbols] == ["give", "give_gpl"]
    assert linkage.edge("giver", "taker").symbols == ()


def test_if_the_file_is_missing_the_kernel_still_shows_exports(tmp_path: Path) -> None:
    host = system(tmp_path)
    os.unlink(host.locate(f"/lib/modules/{RELEASE}/kernel/giver.ko"))
    linkage = look(host)
    found = linkage.of("giver")
    assert [g.export.macro for g in found.exports] == ["EXPORT_SYMBOL", "EXPORT_SYMBOL_GPL"]
    assert "There is no file" in found.problems[0]
    assert [t.wanted.name for t in linkage.edge("taker", "giver").symbols] == ["give", "give_gpl"]
    os.unlink(host.locate(f"/lib/modules/{RELEASE}/kernel/taker.ko"))
    edge = look(host).edge("taker", "giver")
    assert (edge.symbols, len(edge.problems)) == ((), 1)


def test_a_module_not_in_the_index_has_what_the_kernel_shows(tmp_path: Path) -> None:
    found = look(system(tmp_path)).of("stray")
    assert [g.export.name for g in found.exports] == ["stray_gives"]
    assert "The file of stray is unknown" in found.problems[0]


def test_a_file_that_differs_from_the_loaded_module_is_reported(tmp_path: Path) -> None:
    host = system(tmp_path)
    write(host, "/sys/module/taker/srcversion", "AAAA\n")
    file = make_module(modinfo("taker", b"srcversion=BBBB"), imports=["give"])
    write(host, f"/lib/modules/{RELEASE}/kernel/taker.ko", file)
    assert "built from other sources" in look(host).of("taker").problems[0]
    write(host, "/sys/module/taker/srcversion", "BBBB\n")
    assert look(host).of("taker").problems == ()


def test_for_another_release_only_files_are_used(tmp_path: Path) -> None:
    linkage = look(system(tmp_path), running=False)
    found = linkage.of("taker")
    assert not found.loaded
    assert {t.provider for t in found.imports if not t.module} == {ProviderKind.UNKNOWN}
    assert linkage.of("giver").users == {}


def test_without_kallsyms_all_the_kernels_exports_are_unknown(tmp_path: Path) -> None:
    bare = "".join(f"{row}\n" for row in KALLSYMS.split("\n") if row and "__ksymtab" not in row)
    found = look(system(tmp_path, bare)).of("taker")
    givers = {t.wanted.name: t.provider for t in found.imports}
    assert (givers["printk"], givers["lost"]) == (ProviderKind.KERNEL, ProviderKind.UNKNOWN)
    assert next(t for t in found.imports if t.wanted.name == "printk").export is None


def test_modules_loaded_by_others_appear_in_the_next_result(tmp_path: Path) -> None:
    host = system(tmp_path)
    linkage = look(host)
    assert linkage.of("taker").providers.keys() == {"giver", "stray"}
    write(host, "/proc/modules", "taker 4096 0 - Live 0x0\n")
    write(host, "/proc/kallsyms", KALLSYMS.partition("ffffffffc0000000 t stray")[0])
    assert linkage.of("taker").providers.keys() == {"giver"}


def test_details_of_one_symbol(tmp_path: Path) -> None:
    linkage = look(system(tmp_path))
    details = linkage.details("giver", "give")
    assert details.export
    assert (details.export.macro, details.importers) == ("EXPORT_SYMBOL", ("taker",))
    assert (".text", 40) in [(place.section, place.size) for place in details.places]
    kernel = linkage.details("", "printk")
    assert kernel.export
    assert kernel.importers == ("taker",)
    assert "The imports of 1 loaded module" in kernel.problems[0]
    assert linkage.details("", "core_static").export is None


def test_exports_of_the_kernel_itself(tmp_path: Path) -> None:
    linkage = look(system(tmp_path))
    exports = {
        name: export.gpl_only
        for name in ("aaa", "printk", "core_gpl", "other_gpl", "core_static")
        if (export := linkage.details("", name).export)
    }
    assert exports == {"aaa": False, "printk": False, "core_gpl": True, "other_gpl": True}


def test_the_file_cache_is_bounded(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(KEPT * 2)]
    host = tiny_system(tmp_path, {name: make_module(modinfo(name)) for name in names})
    linkage = look(host)
    for name in names:
        linkage.of(name)
    assert len(linkage._files) == KEPT


class CountingHost(LocalHost):
    """A system that counts how often each file is opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: Counter[str] = Counter()

    def open(self, path: str) -> BinaryIO:
        self.opened[path] += 1
        return super().open(path)


def test_each_file_is_read_once(tmp_path: Path) -> None:
    names = [f"giver{number}" for number in range(KEPT * 2)]
    given = {f"{letter}_{name}": name for letter in "abc" for name in names}
    modules = {
        name: make_module(
            modinfo(name), exports={s: "__ksymtab" for s, owner in given.items() if owner == name}
        )
        for name in names
    }
    modules["taker"] = make_module(modinfo("taker"), imports=list(given))
    tiny_system(tmp_path, modules, depends={"taker": names}, symbols=given)
    host = CountingHost(tmp_path)
    found = look(host).of("taker")
    assert {taken.wanted.name: taken.module for taken in found.imports} == given
    assert all(taken.export for taken in found.imports)
    files = {path: times for path, times in host.opened.items() if path.endswith(".ko")}
    assert set(files.values()) == {1}
    assert len(files) == len(modules)


@pytest.mark.parametrize("first_is_ahead", [True, False])
def test_exports_of_the_kernel_are_split_at_the_second_table(
    first_is_ahead: bool,
) -> None:
    """The linker's symbol is the last row with its address; other rows may be in between."""
    plain, gpl = b"0 r __ksymtab_%b\n", b"0 R __start___ksymtab%b\n"
    start = [plain % b"a", gpl % b""] if first_is_ahead else [gpl % b"", plain % b"a"]
    middle = [plain % b"b"]
    second = [plain % b"c", gpl % b"_gpl"] if first_is_ahead else [gpl % b"_gpl", plain % b"c"]
    rows = b"".join([b"0 T _stext\n", *start, *middle, *second, plain % b"d"])
    exports = kernel_exports(SymbolRows(rows))
    assert exports.names == {"a", "b", "c", "d"}
    assert exports.gpl_only == {"c", "d"}


def test_with_a_single_table_the_license_of_exports_is_unknown() -> None:
    exports = kernel_exports(SymbolRows(b"0 R __start___ksymtab\n0 r __ksymtab_a\n"))
    found = exports.find("a")
    assert found
    assert found.gpl_only is None
    assert exports.find("b") is None


def test_exports_of_a_loaded_module_are_in_its_rows() -> None:
    rows = b"0 T a\t[m]\n0 t b\t[m]\n0 r __ksymtab_b\t[m]\n0 r __ksymtab_a\t[m]\n0 t c\t[m]\n"
    found = exports_in_kallsyms(SymbolRows(rows))
    assert [(export.name, export.gpl_only) for export in found] == [("a", False), ("b", True)]
