"""What the kernel shows is shown, whatever files there are."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.services.details import read_details
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from tests.support.layouts import captured, indexed, module

Output = pytest.CaptureFixture[str]

RELEASE = "6.1.0-test"
BUILD_ID = bytes(range(20))
NOTE = struct.pack("<III", 4, len(BUILD_ID), 3) + b"GNU\0" + BUILD_ID


def loaded_by_path(folder: Path, **more: bytes | str) -> str:
    """Return a tree with a module that was inserted from a file that is not there any more."""
    there = "/sys/module/vendor_drv"
    files: dict[str, bytes | str] = {
        f"{there}/initstate": "live\n",
        f"{there}/version": "2.4\n",
        f"{there}/srcversion": "ABCDEF\n",
        f"{there}/notes/.note.gnu.build-id": NOTE,
        f"{there}/sections/.text": "0x0\n",
        f"{there}/parameters/debug": "3\n",
        **more,
    }
    return captured(folder, RELEASE, files, ["vendor_drv 16384 1 user,", "user 4096 0 -"])


def test_info_comes_from_the_kernel_where_there_is_no_file(tmp_path: Path, capsys: Output) -> None:
    root = loaded_by_path(tmp_path)
    assert run(["--root", root, "info", "vendor-drv", "--json"]) == 0
    (info,) = json.loads(capsys.readouterr().out)["modules"]
    assert info["filename"] == "(loaded, no file found)"
    assert {key: value for key, (value,) in info["fields"].items()} == {
        "name": "vendor_drv",
        "version": "2.4",
        "srcversion": "ABCDEF",
        "build_id": BUILD_ID.hex(),
        "state": "Live",
        "size": "16384",
        "refcnt": "1",
        "holders": "user",
        "sections": ".text",
    }
    assert info["parameters"] == [{"name": "debug", "type": None, "description": "now 3"}]


def test_an_index_without_the_module_changes_nothing(tmp_path: Path, capsys: Output) -> None:
    index = indexed(f"/lib/modules/{RELEASE}", RELEASE, {"kernel/other.ko": ()})
    root = loaded_by_path(tmp_path, **index)
    assert run(["--root", root, "info", "vendor_drv"]) == 0
    assert "srcversion:     ABCDEF" in capsys.readouterr().out
    assert run(["--root", root, "info", "vendor_drw"]) == 1
    assert "no module or alias vendor_drw" in capsys.readouterr().err


def test_a_module_of_another_release_is_not_what_is_loaded(tmp_path: Path, capsys: Output) -> None:
    root = loaded_by_path(tmp_path, **indexed("/lib/modules/6.9", "6.9", {"kernel/a.ko": ()}))
    assert run(["--root", root, "--kernel", "6.9", "info", "vendor_drv"]) == 1
    assert "6.9 has no module" in capsys.readouterr().err


def test_the_file_of_another_name_is_found(tmp_path: Path, capsys: Output) -> None:
    index = indexed(f"/lib/modules/{RELEASE}", RELEASE, {"updates/vendor-dkms.ko": ()})
    index[f"/lib/modules/{RELEASE}/updates/vendor-dkms.ko"] = module("vendor_drv", RELEASE)
    root = loaded_by_path(tmp_path, **index)
    assert run(["--root", root, "info", "vendor_drv"]) == 0
    assert "updates/vendor-dkms.ko" in capsys.readouterr().out


async def test_the_pane_shows_what_the_kernel_shows_and_why_there_is_no_file(
    tmp_path: Path,
) -> None:
    host = LocalHost(loaded_by_path(tmp_path))
    machine = Machine(host, NoRoot("A captured tree."))
    row = read_modules(host).by_name["vendor_drv"]
    details = await read_details(machine, row, "vendor_drv")
    fields = dict(details.fields)
    assert fields["srcversion"] == ("ABCDEF",)
    assert fields["build_id"] == (BUILD_ID.hex(),)
    assert [(p.name, p.value, p.description) for p in details.parameters] == [("debug", "3", "")]
    assert "No module files are installed" in details.problem
    assert not details.builtin


# Oddities of the whole table


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("Linux version 6.1.0 (a@b) (gcc 12) #1 SMP Debian 1\n", "has loaded none"),
        ("Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n", "gVisor"),
        ("Linux version 6.1.0-gvisor #1 SMP x\n", "gVisor"),
        ("", "has loaded none"),
    ],
)
def test_an_empty_list_says_why(tmp_path: Path, capsys: Output, version: str, words: str) -> None:
    root = captured(tmp_path, RELEASE, {"/proc/version": version})
    assert run(["--root", root, "list"]) == 0
    captured_output = capsys.readouterr()
    assert len(captured_output.out.splitlines()) == 1
    assert words in captured_output.err
    assert run(["--root", root, "list", "--json"]) == 0
    assert words in json.loads(capsys.readouterr().out)["notes"][0]


def test_a_module_that_hides_in_sys_is_reported(tmp_path: Path, capsys: Output) -> None:
    rows = ["xor 1 0 -", "lkrg 1 0 -", "dm_mod 1 0 -"]
    shown = {f"/sys/module/{name}/initstate": "live\n" for name in ("xor", "dm_mod")}
    root = captured(tmp_path / "one", RELEASE, shown, rows)
    assert run(["--root", root, "list"]) == 0
    captured_output = capsys.readouterr()
    assert "lkrg has no directory in /sys/module" in captured_output.err
    assert "xor has" not in captured_output.err
    assert "lkrg" in captured_output.out
    root = captured(tmp_path / "none", RELEASE, {}, rows)
    assert run(["--root", root, "list"]) == 0
    assert capsys.readouterr().err == ""
