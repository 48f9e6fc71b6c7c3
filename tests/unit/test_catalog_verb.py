"""`kmodtui catalog`: searching the modules of a release from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.simulated import make_simulated
from tests.support.small_recording import RELEASE
from tests.unit.test_import_hygiene import imported


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimulatedKernel:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_simulated(tmp_path)


Output = pytest.CaptureFixture[str]


def catalog(kernel: SimulatedKernel, *words: str) -> int:
    return run(["catalog", "--root", str(kernel.folder.root), *words])


def names(output: Output) -> list[str]:
    return [line.split()[0] for line in output.readouterr().out.splitlines()[1:]]


def test_all_modules_are_listed_by_name(kernel: SimulatedKernel, capsys: Output) -> None:
    assert catalog(kernel) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["Module", "Status", "Category", "Description"]
    assert len(rows) == 24
    assert [row.split()[0] for row in rows] == sorted(row.split()[0] for row in rows)
    ext4 = next(row for row in rows if row.startswith("ext4"))
    assert " ".join(ext4.split()) == "ext4 loaded file system Fourth Extended Filesystem"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["fa"], ["fat", "failover", "net_failover", "vfat"]),
        (["network", "block"], ["nbd"]),
        (["ext3"], ["ext4"]),
        (["virtio:d00000001v00001AF4"], ["virtio_net"]),
        (["--loaded", "fa"], ["failover", "net_failover"]),
        (["--external"], ["hello"]),
        (["--builtin"], ["virtio", "zlib_inflate"]),
        (["--builtin", "zlib"], ["zlib_inflate"]),
    ],
    ids=" ".join,
)
def test_matches_are_listed_best_first(
    kernel: SimulatedKernel, capsys: Output, words: list[str], found: list[str]
) -> None:
    assert catalog(kernel, *words) == 0
    assert names(capsys) == found


def test_a_device_finds_its_module(kernel: SimulatedKernel, capsys: Output) -> None:
    path = "/sys/bus/pci/devices/0000:00:03.0/modalias"
    kernel.folder.write(path, b"virtio:d00000001v00001AF4\n")
    assert catalog(kernel, "0000:00:03.0") == 0
    assert names(capsys) == ["virtio_net"]


def test_json_has_all_fields(kernel: SimulatedKernel, capsys: Output) -> None:
    assert catalog(kernel, "--json", "dummy") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["release"] == RELEASE
    [dummy] = answer["modules"]
    assert dummy == {
        "name": "dummy",
        "status": "available",
        "external": False,
        "reach": None,
        "path": "kernel/drivers/net/dummy.ko",
        "category": "network driver",
        "description": "Dummy netdevice driver which discards all packets sent to it",
        "license": "GPL",
        "version": None,
        "intree": True,
        "signer": None,
        "aliases": ["rtnl-link-dummy"],
        "firmware": [],
        "parameters": [
            {
                "name": "numdummies",
                "type": "int",
                "description": "Number of dummy pseudo devices",
            }
        ],
        "problem": None,
    }


def test_no_match_is_an_error_with_suggestions(kernel: SimulatedKernel, capsys: Output) -> None:
    assert catalog(kernel, "btfrs") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"Kernel {RELEASE} has no module that matches btfrs." in said.err
    assert "Did you mean btrfs?" in said.err
    assert catalog(kernel, "--json", "btfrs") == 1
    assert json.loads(capsys.readouterr().out)["modules"] == []


def test_a_filter_without_a_match_only_sets_the_exit_status(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    assert catalog(kernel, "--external", "btrfs") == 1
    assert capsys.readouterr().out == ""


def test_another_release_has_nothing_loaded(kernel: SimulatedKernel, capsys: Output) -> None:
    folder = kernel.folder.root / "lib/modules"
    (folder / "5.10-old").mkdir()
    (folder / "5.10-old/modules.dep").write_text("kernel/fs/ext4/ext4.ko:\n")
    assert catalog(kernel, "--kernel", "5.10-old") == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[:2] == ["ext4", "available"]
    assert "modules.dep still lists it" in row


def test_a_release_without_a_directory_is_reported(kernel: SimulatedKernel, capsys: Output) -> None:
    assert catalog(kernel, "--kernel", "6.0-upgraded") == 1
    said = capsys.readouterr().err
    assert "Kernel 6.0-upgraded has no directory in /lib/modules." in said
    assert f"Installed: {RELEASE}" in said


def test_it_does_not_import_the_dashboard(kernel: SimulatedKernel) -> None:
    found = imported("catalog", "btrfs", "--root", str(kernel.folder.root))
    assert not found & {"textual", "rich", "watchfiles", "asyncio", "ssl", "logging"}


def test_modules_are_filtered_by_who_can_have_them_loaded(capsys: Output) -> None:
    assert run(["catalog", "--demo", "--reach", "user"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "Who can have it loaded" in printed[0]
    assert all("any user" in line for line in printed[1:])
    assert any(line.startswith("sctp ") for line in printed)
    assert run(["catalog", "ext4", "--demo", "--reach", "any"]) == 0
    assert "any user, in a user namespace" in capsys.readouterr().out
