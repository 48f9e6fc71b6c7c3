"""The source files that the debug information of a module names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.elf_file import opened
from kmodtui.kernel.module_file.source_files import source_files
from tests.support.elf import make_module

TOOLS = ("gcc", "ld", "objcopy")
BUILD_ID = "ab12cdef"

compiled = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")


def read(host: LocalHost, path: str, build_id: str = "") -> tuple[str, ...]:
    with opened(host, path) as elf:
        return source_files(host, elf, build_id)


@pytest.fixture
def module(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A relocatable file of two sources, with debug information of the version requested."""
    objects = []
    for name in ("first", "second", "both.mod"):
        source = tmp_path / f"{name}.c"
        source.write_text(f"int {name.partition('.')[0]}(int x) {{ return x * 3; }}\n")
        objects.append(tmp_path / f"{name}.o")
        command = ["gcc", "-g", f"-gdwarf-{request.param}", "-c", source, "-o", objects[-1]]
        subprocess.run(command, check=True)
    whole = tmp_path / "both.ko"
    subprocess.run(["ld", "-r", "-o", whole, *objects], check=True)
    return whole


@compiled
@pytest.mark.parametrize("module", [4, 5], indirect=True)
def test_each_source_is_named_once_without_what_the_build_made(
    module: Path, tmp_path: Path
) -> None:
    expected = tuple(str(tmp_path / name) for name in ("first.c", "second.c"))
    assert read(LocalHost(), str(module)) == expected


@compiled
@pytest.mark.parametrize("module", [5], indirect=True)
def test_debug_information_of_its_own_package_is_found_by_the_build_id(
    module: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    split = root / "usr/lib/debug/.build-id/ab/12cdef.debug"
    split.parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", module, split], check=True)
    subprocess.run(["objcopy", "--strip-debug", module, root / "both.ko"], check=True)
    host = LocalHost(root)
    found = read(host, "/both.ko", BUILD_ID)
    assert [Path(name).name for name in found] == ["first.c", "second.c"]
    assert read(host, "/both.ko") == ()


@pytest.mark.parametrize(
    "info",
    [b"", b"\xff" * 12, b"\x10\0\0\0\x05\0\x01\x08\0\0\0\0\x01", b"\0\0\0\0\x05\0" * 4000],
    ids=["empty", "64-bit", "cut off", "no length"],
)
def test_damaged_debug_information_names_nothing(tmp_path: Path, info: bytes) -> None:
    path = tmp_path / "hello.ko"
    path.write_bytes(make_module(extra={".debug_info": info, ".debug_abbrev": b"\x01"}))
    assert read(LocalHost(), str(path)) == ()
