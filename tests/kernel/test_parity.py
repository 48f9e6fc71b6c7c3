"""The readers of module files and indexes against kmod's tools and nm, on Debian's kernel."""

from __future__ import annotations

import gzip
import lzma
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import find_module, read_index
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.module_file.symbols import read_module_symbols
from kmodtui.model.module_info import modinfo_lines
from tests.kernel.image import Image, kmod

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

AT_A_TIME = 500

WITHOUT_SIGNED_TAIL = 40  # bytes: the tail's record and magic line


@pytest.fixture(scope="module")
def index(debian: Image) -> ModuleIndex:
    return read_index(LocalHost(debian.tree), debian.release)


def sample(everything: Sequence[str], size: int) -> list[str]:
    """The same ones each time."""
    return random.Random(42).sample(list(everything), size)


def modinfo(debian: Image, *arguments: str) -> bytes:
    return subprocess.run(
        [
            *kmod("modinfo"),
            "--basedir",
            str(debian.tree),
            "--set-version",
            debian.release,
            *arguments,
        ],
        capture_output=True,
        check=False,
    ).stdout


def ours(debian: Image, *names: str) -> bytes:
    index = read_index(LocalHost(debian.tree), debian.release)
    infos = [index.read_info(found) for name in names for found in index.resolve(name)]
    return b"".join(
        line + b"\n" for info in infos for line in modinfo_lines(info, str(debian.tree))
    )


def test_by_name_a_few_hundred(debian: Image, index: ModuleIndex) -> None:
    names = sample(index.names, 300)
    assert ours(debian, *names) == modinfo(debian, *names)


@pytest.mark.full
def test_by_name_all(debian: Image, index: ModuleIndex) -> None:
    assert len(index.names) > 3000
    assert ours(debian, *index.names) == modinfo(debian, *index.names)


def test_builtin_modules_all(debian: Image, index: ModuleIndex) -> None:
    assert len(index.builtin_names) > 100
    assert ours(debian, *index.builtin_names) == modinfo(debian, *index.builtin_names)


def test_a_few_thousand_aliases(debian: Image, index: ModuleIndex) -> None:
    check_aliases(debian, index, sample(aliases(index), 3000))


@pytest.mark.full
def test_aliases_all(debian: Image, index: ModuleIndex) -> None:
    check_aliases(debian, index, aliases(index))


def aliases(index: ModuleIndex) -> list[str]:
    """One text for each pattern that the kernel's modules have, and some that fit nothing."""
    patterns = []
    for name in ("modules.alias", "modules.symbols"):
        lines = index.host.read(f"{index.folder}/{name}").decode().splitlines()
        patterns += [line.split(" ")[1] for line in lines if not line.startswith("#")]
    for name in index.builtin_names:
        patterns += index.builtin_info(name).aliases
    fillings = ["", "0", "00000000", "x"]
    texts = []
    for number, pattern in enumerate(patterns):
        text = re.sub(r"\[(.)[^\]]*\]", r"\1", pattern)
        texts.append(text.replace("*", fillings[number % 4]).replace("?", "1"))
    return [*texts, "nosuch", "open[bracket", "closed]", "snd-hda-intel", "btrfs.ko", "x[a-b]"]


def check_aliases(debian: Image, index: ModuleIndex, texts: list[str]) -> None:
    """Compare the files that each text stands for, a separator between any two texts."""
    separator = "xor"
    line = f"{debian.tree}{index.path_of(separator)}"
    texts = [text for text in texts if index.resolve(text) != (separator,)]
    for start in range(0, len(texts), AT_A_TIME):
        some = texts[start : start + AT_A_TIME]
        arguments = [argument for text in some for argument in (text, separator)]
        printed = modinfo(debian, "--field", "filename", *arguments).decode().splitlines()
        groups: list[list[str]] = [[]]
        for file in printed:
            if file == line:
                groups.append([])
            else:
                groups[-1].append(file)
        assert len(groups) == len(some) + 1
        for text, group in zip(some, groups, strict=False):
            found = [index.path_of(name) for name in index.resolve(text)]
            files = [f"{debian.tree}{path}" if path else "(builtin)" for path in found]
            # modinfo repeats a module for each of its patterns that fits.
            assert files == list(dict.fromkeys(group)), text


@pytest.mark.parametrize("name", ["nosuch", "snd_pmc", "btrfs.ko", "open["])
def test_what_modinfo_does_not_find_is_not_found(debian: Image, name: str) -> None:
    assert modinfo(debian, name) == b""
    with pytest.raises(UnknownModuleError):
        find_module(LocalHost(debian.tree), debian.release, name)


@pytest.mark.parametrize(
    ("extension", "pack"),
    [(".ko.xz", lzma.compress), (".ko.zst", zstd.compress), (".ko.gz", gzip.compress)],
)
def test_packed_files(
    debian: Image,
    index: ModuleIndex,
    tmp_path: Path,
    extension: str,
    pack: Callable[[bytes], bytes],
) -> None:
    for name in ["btrfs", *sample(index.names, 20)]:
        path = index.path_of(name)
        assert path
        plain = index.host.read(path)
        packed = tmp_path / f"{name}{extension}"
        packed.write_bytes(pack(plain))
        info = read_module_file(LocalHost(), str(packed))
        lines = modinfo_lines(info)
        assert lines[1:] == modinfo_lines(index.read_info(name))[1:]
        if extension != ".ko.gz":  # Debian's kmod is built without zlib
            expected = subprocess.run(
                [*kmod("modinfo"), packed], capture_output=True, check=True
            ).stdout
            assert b"\n".join(lines) + b"\n" == expected


def test_a_module_whose_signature_was_cut_off(
    debian: Image, index: ModuleIndex, tmp_path: Path
) -> None:
    path = index.path_of("dummy")
    assert path
    unsigned = tmp_path / "dummy.ko"
    unsigned.write_bytes(index.host.read(path)[:-WITHOUT_SIGNED_TAIL])
    info = read_module_file(LocalHost(), str(unsigned))
    assert info.signature is None
    expected = subprocess.run([*kmod("modinfo"), unsigned], capture_output=True, check=True).stdout
    assert b"\n".join(modinfo_lines(info)) + b"\n" == expected


def test_exports_are_those_that_depmod_found(index: ModuleIndex) -> None:
    expected: dict[str, set[str]] = {}
    for line in index.host.read(f"{index.folder}/modules.symbols").decode().splitlines():
        if line.startswith("alias symbol:"):
            symbol, name = line.removeprefix("alias symbol:").split(" ")
            expected.setdefault(name, set()).add(symbol)
    assert len(expected) > 500
    for name in [*sample(sorted(expected), 150), "btrfs", "dummy", "drm", "usbcore"]:
        path = index.path_of(name)
        assert path
        found = {export.name for export in read_module_symbols(index.host, path).exports}
        assert found == expected.get(name, set())


def test_exports_and_imports_are_those_that_nm_lists(debian: Image, index: ModuleIndex) -> None:
    for name in [*sample(index.names, 60), "btrfs", "kvm", "xor", "virtio"]:
        path = index.path_of(name)
        assert path
        # Of a weak symbol that is undefined nm says `w`.
        rows = subprocess.run(
            ["nm", "--format=sysv", f"{debian.tree}{path}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        table = [[cell.strip() for cell in row.split("|")] for row in rows if row.count("|") == 6]
        undefined = {row[0]: row[2] == "w" for row in table if row[6] == "*UND*"}
        symbols = read_module_symbols(index.host, path)
        assert {i.name: i.weak for i in symbols.imports} == undefined
        exported = {
            row[0].removeprefix("__ksymtab_"): row[6] == "__ksymtab_gpl"
            for row in table
            if row[0].startswith("__ksymtab_")
        }
        assert {e.name: e.gpl_only for e in symbols.exports} == exported


def test_namespaces_are_told(index: ModuleIndex) -> None:
    path = index.path_of("firmware_loader") or index.path_of("usb_storage")
    assert path
    exports = read_module_symbols(index.host, path).exports
    namespaces = {export.namespace for export in exports}
    assert namespaces == {"USB_STORAGE"}
