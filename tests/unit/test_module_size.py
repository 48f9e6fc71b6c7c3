"""The estimated memory of a module; tests/kernel compares it with a real kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kmodtui.errors import ModuleFileError, UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.size import read_module_size
from tests.support.elf import make_module

PAGE = 4096
THIS = {".gnu.linkonce.this_module": bytes(832)}


def size(tmp_path: Path, sections: Mapping[str, bytes], exports: int = 0) -> int | None:
    file = tmp_path / "a.ko"
    names = {f"a_symbol_{number}": "__ksymtab" for number in range(exports)}
    file.write_bytes(make_module(extra=sections, exports=names))
    return read_module_size(LocalHost(), str(file))


def test_each_group_of_sections_starts_on_its_own_page(tmp_path: Path) -> None:
    empty = size(tmp_path, THIS)
    assert empty is not None
    text = size(tmp_path, THIS | {".text": bytes(10), ".text.unlikely": bytes(PAGE)})
    assert text == empty + 2 * PAGE
    assert size(tmp_path, THIS | {".data": bytes(PAGE)}) == empty + PAGE
    assert size(tmp_path, THIS | {".data..ro_after_init": bytes(1)}) == empty + PAGE


@pytest.mark.parametrize(
    "name", [".init.text", ".init.data", ".modinfo2", ".comment", ".debug_info", "__versions"]
)
def test_init_and_unallocated_sections_do_not_count(tmp_path: Path, name: str) -> None:
    name = name.replace("2", "_more")
    assert size(tmp_path, THIS | {name: bytes(9 * PAGE)}) == size(tmp_path, THIS)


def test_symbols_in_kept_sections_count(tmp_path: Path) -> None:
    few, many = size(tmp_path, THIS, 1), size(tmp_path, THIS, 400)
    assert few is not None
    assert many is not None
    assert many >= few + 2 * PAGE


def test_a_file_without_code_has_no_size(tmp_path: Path) -> None:
    assert size(tmp_path, {}) is None


def test_an_invalid_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(ModuleFileError):
        read_module_size(LocalHost(), str(tmp_path / "a.ko"))
    with pytest.raises(UnreadableError):
        read_module_size(LocalHost(), str(tmp_path / "none.ko"))
