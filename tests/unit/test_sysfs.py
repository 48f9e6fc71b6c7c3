"""/sys/module, where any file can be missing, disappear, be unreadable or unusual."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.sysfs import initsize, read_live_module, read_parameters, read_sections
from kmodtui.model.live_module import LiveModule, ParameterValue


class Refusing(LocalHost):
    """A host that raises an error for some paths."""

    def __init__(self, root: Path, codes: dict[str, int]) -> None:
        super().__init__(root)
        self.codes = codes

    def read(self, path: str, limit: int = -1) -> bytes:
        for end, code in self.codes.items():
            if path.endswith(end):
                raise OSError(code, os.strerror(code))
        return super().read(path, limit)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "sys/module/btrfs"
    for name in ("holders/overlay", "drivers/pci:x", "parameters", "sections"):
        (folder / name).mkdir(parents=True)
    values = {
        "coresize": "1806336\n",
        "initsize": "0\n",
        "initstate": "live\n",
        "refcnt": "2\n",
        "taint": "OE\n",
        "srcversion": "ABC\n",
        "version": "1.0\x1b[31m\n",
        "sections/.text": "0xffffffffc0442000\n",
        "sections/.data": "no number\n",
    }
    for name, value in values.items():
        (folder / name).write_text(value)
    return folder


def parameter(module: Path, name: str, value: str, mode: int = 0o644) -> None:
    file = module / "parameters" / name
    file.write_text(value)
    file.chmod(mode)


def test_all_fields(module: Path, tmp_path: Path) -> None:
    parameter(module, "depth", "7\n")
    assert read_live_module(LocalHost(tmp_path), "btrfs") == LiveModule(
        name="btrfs",
        loadable=True,
        coresize=1806336,
        initsize=0,
        initstate="live",
        refcount=2,
        taint="OE",
        version=r"1.0\x1b[31m",
        srcversion="ABC",
        holders=("overlay",),
        drivers=("pci:x",),
        parameters=(ParameterValue("depth", "7", "", writable=True),),
    )


def test_a_builtin_module_has_a_directory_and_is_not_loadable(tmp_path: Path) -> None:
    (tmp_path / "sys/module/kernel/parameters").mkdir(parents=True)
    assert read_live_module(LocalHost(tmp_path), "kernel") == LiveModule("kernel", loadable=False)


@pytest.mark.parametrize("name", ["gone", "", ".", "..", "../module/btrfs", "btrfs/holders"])
def test_an_unknown_module_is_none(module: Path, tmp_path: Path, name: str) -> None:
    host = LocalHost(tmp_path)
    assert read_live_module(host, name) is None
    assert read_parameters(host, name) == ()
    assert read_sections(host, name) is None
    assert initsize(host, name) is None


@pytest.mark.parametrize(
    "code", [errno.ENOENT, errno.ENODEV, errno.EACCES, errno.EINVAL, errno.EIO]
)
def test_fields_are_missing_if_the_module_is_unloaded_meanwhile(
    module: Path, tmp_path: Path, code: int
) -> None:
    host = Refusing(tmp_path, {"refcnt": code, "initsize": code, "taint": code, ".text": code})
    live = read_live_module(host, "btrfs")
    assert live is not None
    assert (live.refcount, live.initsize, live.taint) == (None, None, "")
    assert live.coresize == 1806336
    assert initsize(host, "btrfs") is None
    assert read_sections(host, "btrfs") is None


def test_malformed_numbers_are_none(module: Path, tmp_path: Path) -> None:
    (module / "coresize").write_text("")
    (module / "refcnt").write_text("many\n")
    live = read_live_module(LocalHost(tmp_path), "btrfs")
    assert live is not None
    assert live.coresize is live.refcount is None


def test_parameters_without_a_value_have_the_reason(module: Path, tmp_path: Path) -> None:
    parameter(module, "fixed", "N\n", 0o444)
    parameter(module, "secret", "x\n", 0o600)
    parameter(module, "trigger", "", 0o200)
    parameter(module, "odd", "x\n", 0o644)
    parameter(module, "going", "x\n", 0o644)
    host = Refusing(
        tmp_path,
        {"/secret": errno.EACCES, "/odd": errno.EINVAL, "/going": errno.ENODEV},
    )
    assert read_parameters(host, "btrfs") == (
        ParameterValue("fixed", "N", "", writable=False),
        ParameterValue("odd", None, "cannot be read: Invalid argument", writable=True),
        ParameterValue("secret", None, "readable only by root", writable=True),
        ParameterValue("trigger", None, "write-only", writable=True),
    )


def test_values_are_safe_for_a_screen_and_keep_their_spaces(module: Path, tmp_path: Path) -> None:
    parameter(module, "text", " a\x1b[2J\n b \n")
    parameter(module, "empty", "\n")
    values = {p.name: p.value for p in read_parameters(LocalHost(tmp_path), "btrfs")}
    assert values == {"text": r" a\x1b[2J\n b ", "empty": ""}


def test_readable_sections(module: Path, tmp_path: Path) -> None:
    assert read_sections(LocalHost(tmp_path), "btrfs") == {".text": 0xFFFFFFFFC0442000}


def test_initsize(module: Path, tmp_path: Path) -> None:
    (module / "initsize").write_text("258048\n")
    assert initsize(LocalHost(tmp_path), "btrfs") == 258048


def test_this_machine_is_read_without_errors() -> None:
    host = LocalHost()
    for name in host.listdir("/sys/module"):
        assert read_live_module(host, name) is not None
