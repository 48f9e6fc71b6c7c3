"""The difference of two builds: symbols as nm lists them, functions first, and parameters."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.build_symbols import read_module_build
from kmodtui.model.module_info import Parameter
from kmodtui.model.watch.build import BuildSymbol, ModuleBuild, Moved, difference
from tests.support.elf import make_module

SOURCE = """
static const char modinfo[] __attribute__((section(".modinfo"), used)) =
    "license=GPL\\0name=mine\\0parmtype=loud:int";
char __this_module[1024] __attribute__((section(".gnu.linkonce.this_module")));
extern int printk(const char *, ...);
extern int printk(const char *, ...);
int counter; static int limit = 3; const int table[] = {1, 2, 3};
static int __attribute__((section(".init.text"), used)) start(void) { return printk("hello"); }
static void __attribute__((section(".exit.text"), used)) stop(void) { printk("bye"); }
__attribute__((weak)) int maybe(void) { return limit++; }
int greet(int times) { counter += times; return table[times % 3]; }
static int __attribute__((noinline, used)) helper(int x) { return x * counter; }
int common[4] __attribute__((weak));
"""
REBUILT = (
    SOURCE.replace("return x * counter;", 'counter++; printk("%d", x); return x * counter;')
    .replace("static int __attribute__((noinline, used)) helper", "int helper")
    .replace("__attribute__((weak)) int maybe(void) { return limit++; }", "int more = 7;")
    .replace("{1, 2, 3};", "{1, 2, 3, 4};")
    .replace("loud:int", "quiet:bool")
)

COMPILER = shutil.which("gcc") and shutil.which("nm")


def write(folder: Path, name: str, data: bytes) -> ModuleBuild:
    (folder / name).write_bytes(data)
    return read_module_build(LocalHost(), str(folder / name))


def compiled(folder: Path, name: str, source: str) -> Path:
    """Return a relocatable object that has what kmodtui expects of a module."""
    (folder / f"{name}.c").write_text(source)
    file = folder / f"{name}.ko"
    command = ["gcc", "-c", "-g", "-O2", "-fno-common", "-o", str(file), f"{folder}/{name}.c"]
    subprocess.run(command, check=True)
    return file


def nm(file: Path) -> list[tuple[str, int, str]]:
    lines = subprocess.check_output(["nm", "-S", file], text=True).splitlines()
    rows = [line.split() for line in lines if " U " not in line]
    sizes = [int(row[1], 16) if len(row) == 4 else 0 for row in rows]
    return sorted((row[-1], size, row[-2]) for row, size in zip(rows, sizes, strict=True))


@pytest.mark.skipif(not COMPILER, reason="needs gcc and nm")
def test_symbols_are_those_of_nm(tmp_path: Path) -> None:
    builds, files = [], []
    for name, source in (("old", SOURCE), ("new", REBUILT)):
        files.append(compiled(tmp_path, name, source))
        builds.append(read_module_build(LocalHost(), str(files[-1])))
        shown = sorted((each.name, each.size, each.type) for each in builds[-1].symbols)
        assert shown == nm(files[-1])
    found = difference(*builds)
    assert {"maybe", "limit"} <= {each.name for each in found.of(Moved.REMOVED)}
    assert "more" in {each.name for each in found.of(Moved.ADDED)}
    assert {"helper", "table"} <= {each.name for each in found.of(Moved.GROWN)}
    functions = [change.function for change in found.symbols]
    assert functions == sorted(functions, reverse=True)
    assert found.parameters_added == (Parameter("quiet", "bool", ""),)
    assert found.parameters_removed == (Parameter("loud", "int", ""),)
    assert ("printk", None) in builds[1].imports


def build(tmp_path: Path, name: str, **defined: tuple[str, int]) -> ModuleBuild:
    module = make_module(defined=defined, extra={".gnu.linkonce.this_module": bytes(64)})
    return write(tmp_path, name, module)


def test_symbols_are_added_removed_grown_and_shrunk(tmp_path: Path) -> None:
    old = build(
        tmp_path, "old.ko",
        same=(".text", 10), gone=(".text", 20), less=(".text", 30), more=(".data", 4),
    )  # fmt: skip
    new = build(
        tmp_path, "new.ko",
        same=(".text", 10), new=(".text", 7), less=(".text", 8), more=(".data", 400),
    )  # fmt: skip
    assert [(each.moved, each.name, each.bytes) for each in difference(old, new).symbols] == [
        (Moved.SHRUNK, "less", -22),
        (Moved.REMOVED, "gone", -20),
        (Moved.ADDED, "new", 7),
        (Moved.GROWN, "more", 396),
    ]
    assert difference(old, old).is_empty


def test_static_symbols_of_one_name_are_compared_one_by_one() -> None:
    def of(*sizes: int) -> ModuleBuild:
        return ModuleBuild("x", symbols=tuple(BuildSymbol("f", each, "t", True) for each in sizes))

    found = difference(of(8, 16, 16), of(16, 24)).symbols
    assert {(each.moved, each.before, each.after) for each in found} == {
        (Moved.GROWN, 8, 24),
        (Moved.REMOVED, 16, None),
    }
    assert [each.moved for each in difference(of(8), of(8, 8)).symbols] == [Moved.ADDED]


def test_a_file_that_is_not_written_completely_is_not_a_build(tmp_path: Path) -> None:
    whole = make_module(
        defined={"f": (".text", 64)}, extra={".gnu.linkonce.this_module": bytes(64)}
    )
    for size in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ModuleFileError):
            write(tmp_path, "part.ko", whole[:size])
    without = make_module(defined={"f": (".text", 64)})
    with pytest.raises(ModuleFileError, match="not a complete module"):
        write(tmp_path, "object.ko", without)


def test_a_build_to_which_btf_was_added_is_the_same_build() -> None:
    one = ModuleBuild("x", "a" * 64, build_id="1234")
    assert one.is_same_build(ModuleBuild("x", "b" * 64, build_id="1234"))
    assert not one.is_same_build(ModuleBuild("x", "b" * 64, build_id="5678"))
    assert not one.is_same_build(ModuleBuild("x", "b" * 64, build_id="1234", vermagic="5.10"))
    assert not ModuleBuild("x", "a" * 64).is_same_build(ModuleBuild("x", "b" * 64))
