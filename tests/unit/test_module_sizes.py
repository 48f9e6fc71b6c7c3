"""Sizes of a module file's symbols, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.errors import ModuleFileError, UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.symbol_sizes import read_sizes
from tests.support.elf import make_module


def test_symbols_with_a_size_are_returned(tmp_path: Path) -> None:
    (tmp_path / "m.ko").write_bytes(
        make_module(
            exports={"add": "__ksymtab"},
            defined={"add": (".text", 48), "table": (".rodata", 256), "label": (".text", 0)},
            imports=["printk"],
        )
    )
    sizes = read_sizes(LocalHost(tmp_path), "/m.ko")
    assert sizes[b"add"] == 48
    assert sizes[b"table"] == 256
    assert not {b"label", b"printk"} & sizes.keys()


def test_an_invalid_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.ko").write_bytes(b"nonsense")
    with pytest.raises(ModuleFileError):
        read_sizes(LocalHost(tmp_path), "/m.ko")
    with pytest.raises(UnreadableError):
        read_sizes(LocalHost(tmp_path), "/absent.ko")
