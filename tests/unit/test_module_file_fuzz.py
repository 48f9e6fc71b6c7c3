"""Any bytes in a .ko file give a result or an error message, never another exception."""

from __future__ import annotations

import gzip
import lzma
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.checked import read_file_facts
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.module_file.symbols import read_module_symbols, read_places
from kmodtui.model.check.check import FileFacts
from kmodtui.model.check.module import check_module
from kmodtui.model.linkage import ModuleSymbols
from kmodtui.model.module_info import ModuleInfo, modinfo_lines, modinfo_text
from tests.support.elf import make_module, sign
from tests.unit.test_check_model import KERNEL
from tests.unit.test_module_file import pkcs7

SIGNED = make_module(
    (b"license=GPL", b"parm=a:b", b"parmtype=a:int", b"alias=x*"),
    exports={"a": "__ksymtab", "b": "__ksymtab_gpl"},
    namespaces={"b": "SPACE"},
    imports=["printk"],
    versions={"printk": 0x12345678, "module_layout": 1},
    crcs={"a": 0xABCDEF},
    build_id=bytes(20),
    signature=sign(pkcs7()),
)
NARROW = make_module(exports={"a": "__ksymtab_gpl"}, imports=["f"], bits=32, order=">", machine=3)
SEEDS = [
    SIGNED,
    NARROW,
    gzip.compress(SIGNED, mtime=0),
    lzma.compress(NARROW),
]


def read_everything(path: Path) -> None:
    """Read and format everything; only KmodtuiError may be raised."""
    host = LocalHost()
    readers = (
        read_module_file,
        read_module_symbols,
        lambda *where: read_places(*where, "a"),
        read_file_facts,
    )
    for read in readers:
        try:
            found = read(host, str(path))
        except KmodtuiError as error:
            sentence = str(error)
            assert sentence.isprintable()
            continue
        if isinstance(found, ModuleInfo):
            modinfo_lines(found)
            assert all(line.replace("\t", "").isprintable() for line in modinfo_text(found))
            assert all(parameter.name.isprintable() for parameter in found.parameters)
        elif isinstance(found, ModuleSymbols):
            for symbol in (*found.exports, *found.imports):
                assert symbol.name.isprintable()
            for export in found.exports:
                assert (export.words + export.section).isprintable()
        elif isinstance(found, FileFacts):
            check = check_module(found, KERNEL)
            assert check.sentence.isprintable()
            assert all(finding.text.isprintable() for finding in check.findings)
        else:
            assert all(place.section.isprintable() for place in found)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=8),
    st.integers(0, 1 << 16),
)
def test_changed_and_truncated_files_raise_no_other_exception(
    tmp_path: Path, seed: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    path = tmp_path / "x.ko"
    path.write_bytes(data[: len(data) - cut % len(data)] if cut % 2 else data)
    read_everything(path)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.full)])
def test_every_byte_of_the_headers_set_to_extremes(tmp_path: Path, step: int) -> None:
    path = tmp_path / "x.ko"
    for seed in (SIGNED, NARROW):
        table = len(seed) - 64 * 14 if seed is SIGNED else len(seed) - 40 * 8
        for position in [*range(64), *range(max(0, table), len(seed))][::step]:
            for value in (0, 0xFF):
                data = bytearray(seed)
                data[position] = value
                path.write_bytes(data)
                read_everything(path)


def test_noise_after_each_magic_number(tmp_path: Path) -> None:
    noise = random.Random(1)
    path = tmp_path / "x.ko"
    for magic in (b"\x7fELF\2\1\1", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"):
        for length in (0, 1, 10, 60, 64, 300, 5000):
            for _ in range(10):
                path.write_bytes(magic + noise.randbytes(length))
                read_everything(path)
