"""How a module was built: what its file shows, on the page about it and as JSON."""

from __future__ import annotations

import lzma
import struct
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.build import read_build
from kmodtui.model.build import BuildFacts, SizedName, build_lines
from tests.support.elf import make_module

GCC = b"GCC: (Debian 12.2.0-14) 12.2.0"


def build(folder: Path, content: bytes, name: str = "m.ko") -> BuildFacts:
    (folder / name).write_bytes(content)
    return read_build(LocalHost(folder), f"/{name}")


def module(*, stripped: bool = False, **sections: bytes) -> bytes:
    return make_module(
        defined={"small": (".text", 8), "large": (".rodata", 4096), "middle": (".data", 100)},
        extra={f".{name}": content for name, content in sections.items()},
        build_id=b"\x12\x34",
        stripped=stripped,
    )


def test_all_that_the_file_shows(tmp_path: Path) -> None:
    unit = struct.pack("<IHB", 100, 5, 1)
    content = module(comment=b"\0" + GCC + b"\0" + GCC + b"\0", debug_info=unit, BTF=b"\x9f\xeb")
    found = build(tmp_path, content)
    assert found.compilers == (GCC.decode(),)
    assert (found.build_id, found.debug) == ("1234", ("DWARF 5", "BTF"))
    assert found.sections[:2] == (SizedName(".rodata", 4096), SizedName(".data", 100))
    assert [symbol.name for symbol in found.symbols] == ["large", "middle", "small"]
    assert (found.disk, found.size, found.memory) == (len(content), len(content), None)
    assert [text for _, text in build_lines(found)][:3] == [
        "built by GCC: (Debian 12.2.0-14) 12.2.0",
        "build ID 1234",
        "debug information: DWARF 5 and BTF",
    ]


def test_a_compressed_file_has_two_sizes(tmp_path: Path) -> None:
    content = module()
    packed = lzma.compress(content, check=lzma.CHECK_CRC32)
    found = build(tmp_path, packed, "m.ko.xz")
    assert (found.disk, found.size) == (len(packed), len(content))
    assert any("decompressed" in text for _, text in build_lines(found))


@pytest.mark.parametrize(
    ("content", "debug"),
    [(b"", ("DWARF",)), (b"\1\0\0\0\0\0\0\0", ("DWARF",)), (b"\1\0\0\0\4\0", ("DWARF 4",))],
)
def test_a_version_of_dwarf_that_cannot_be_read(
    tmp_path: Path, content: bytes, debug: tuple[str, ...]
) -> None:
    assert build(tmp_path, module(debug_info=content)).debug == debug


def test_a_stripped_file_has_no_symbols(tmp_path: Path) -> None:
    found = build(tmp_path, module(stripped=True, **{"gnu.linkonce.this_module": bytes(900)}))
    assert (found.symbols, found.memory) == ((), None)
    assert ("debug information", "debug information: none") in list(build_lines(found))
