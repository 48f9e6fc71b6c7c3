"""Reading the symbols of a .ko file: exports, imports, checksums, definitions."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file import elf_file
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.module_file.symbols import read_module_symbols, read_places
from kmodtui.model.linkage import Definition, Export, Import, ModuleSymbols
from tests.support.elf import S390, make_module


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path)


def write(host: LocalHost, data: bytes) -> str:
    (host.root / "hello.ko").write_bytes(data)
    return "/hello.ko"


def symbols(host: LocalHost, data: bytes) -> ModuleSymbols:
    return read_module_symbols(host, write(host, data))


def test_exports_have_license_and_namespace(host: LocalHost) -> None:
    data = make_module(
        exports={"free": "__ksymtab", "gpl": "__ksymtab_gpl", "spaced": "__ksymtab_gpl"},
        namespaces={"spaced": "CRYPTO_INTERNAL", "free": ""},
    )
    found = symbols(host, data).exports
    assert [(e.name, e.gpl_only, e.namespace, e.macro) for e in found] == [
        ("free", False, "", "EXPORT_SYMBOL"),
        ("gpl", True, "", "EXPORT_SYMBOL_GPL"),
        ("spaced", True, "CRYPTO_INTERNAL", "EXPORT_SYMBOL_NS_GPL"),
    ]


def test_exports_of_linux_7_1_have_an_unknown_license(host: LocalHost) -> None:
    data = make_module(exports={"a": "__ksymtab", "b": "__kflagstab"})
    (found,) = symbols(host, data).exports
    assert found.gpl_only is None
    assert "unknown" in found.words


def test_exports_have_section_and_size(host: LocalHost) -> None:
    data = make_module(exports={"add": "__ksymtab"}, defined={"add": (".text", 48)})
    found = symbols(host, data).exported["add"]
    assert (found.section, found.size) == (".text", 48)


@pytest.mark.parametrize(
    ("bits", "order", "machine"), [(64, "<", 62), (32, "<", 3), (64, ">", S390)]
)
def test_checksums_of_exports_and_imports(
    host: LocalHost, bits: int, order: str, machine: int
) -> None:
    data = make_module(
        exports={"a": "__ksymtab", "b": "__ksymtab"},
        crcs={"b": 0xFFFFFFFF, "a": 0xCAFE0001},
        imports=["printk", "late"],
        versions={"module_layout": 7, "printk": 0x92997ED8},
        bits=bits,
        order=order,
        machine=machine,
    )
    found = symbols(host, data)
    assert {export.name: export.crc for export in found.exports} == {
        "a": 0xCAFE0001,
        "b": 0xFFFFFFFF,
    }
    assert found.imports == (Import("late", False), Import("printk", False, 0x92997ED8))
    assert found.versions == {"module_layout": 7, "printk": 0x92997ED8}


def test_checksums_of_older_kernels_are_symbol_values(host: LocalHost) -> None:
    data = make_module(exports={"a": "__ksymtab"}, absolute_crcs={"a": 0x1234ABCD})
    assert symbols(host, data).exported["a"].crc == 0x1234ABCD


def test_checksums_of_newer_kernels_have_names_of_any_length(host: LocalHost) -> None:
    name = "a" * 200
    data = make_module(
        imports=[name],
        versions={"x": 1},
        extra={
            "__version_ext_crcs": struct.pack("<2I", 5, 6),
            "__version_ext_names": b"module_layout\0" + name.encode() + b"\0",
        },
    )
    assert symbols(host, data).versions == {"module_layout": 5, name: 6}


def test_a_truncated_checksum_table_has_its_complete_records(host: LocalHost) -> None:
    record = struct.pack("<Q56s", 3, b"printk")
    data = make_module(imports=["printk"], extra={"__versions": record + record[:20]})
    assert symbols(host, data).versions == {"printk": 3}


def test_weak_imports_are_marked(host: LocalHost) -> None:
    found = symbols(host, make_module(imports=["printk"], weak_imports=["maybe"]))
    assert found.imports == (Import("maybe", weak=True), Import("printk", weak=False))


def test_places_of_a_symbol(host: LocalHost) -> None:
    path = write(host, make_module(defined={"add": (".text", 48), "other": (".bss", 8)}))
    assert read_places(host, path, "add") == (Definition(".text", 0, 48),)
    assert read_places(host, path, "printk") == ()


def test_a_stripped_module_has_modinfo_but_no_symbols(host: LocalHost) -> None:
    path = write(host, make_module(stripped=True))
    assert read_module_file(host, path).license == "GPL"
    with pytest.raises(ModuleFileError, match="stripped"):
        read_module_symbols(host, path)
    with pytest.raises(ModuleFileError, match="stripped"):
        read_places(host, path, "x")


def test_names_are_safe_for_a_terminal(host: LocalHost) -> None:
    found = symbols(host, make_module(imports=["\x1b[31m"], exports={"\x07": "__ksymtab"}))
    assert found.imports[0].name == r"\x1b[31m"
    assert found.exports == (Export(r"\x07", False, section="__ksymtab"),)


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        ("_MAX_STRING", 6, "its names are too long"),
        # Names may overlap, so a small file can have any number of long ones.
        ("_MAX_STRINGS", 12, "its names are too long"),
        ("_MAX_SYMBOLS", 2, "has 3 symbols; kmodtui reads at most 2"),
    ],
)
def test_names_that_would_exhaust_the_memory_are_not_read(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, told: str
) -> None:
    monkeypatch.setattr(elf_file, limit, value)
    with pytest.raises(ModuleFileError, match=told):
        symbols(host, make_module(imports=["a_symbol", "another"]))


def test_a_name_without_an_end_is_damage(host: LocalHost) -> None:
    assert symbols(host, make_module(imports=["a" * 4095])).imports[0].name == "a" * 4095
    with pytest.raises(ModuleFileError, match="damaged: its names are too long"):
        symbols(host, make_module(imports=["a" * 4096]))
