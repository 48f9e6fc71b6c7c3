"""Thirty modules come and go: each change is the `diff` of two sorted dumps, both ways."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.kernel.vm import VM

pytestmark = pytest.mark.full  # two minutes of emulation

MODULES = (
    "btrfs",
    "8021q",
    "bridge",
    "vfat",
    "xfs",
    "f2fs",
    "nilfs2",
    "jfs",
    "udf",
    "isofs",
    "exfat",
    "squashfs",
    "hfsplus",
    "dummy",
    "tun",
    "veth",
    "ifb",
    "macvlan",
    "vxlan",
    "wireguard",
    "loop",
    "nbd",
    "brd",
    "zram",
    "null_blk",
    "overlay",
    "dm_crypt",
    "raid456",
    "vcan",
    "snd_dummy",
)

HERE = Path(__file__).parent
FOLDER = "/tmp/thirty"
PYTHON = "/opt/kmodtui/bin/python"


@pytest.fixture(scope="module")
def records(session_vm: VM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guest has written down of loading and unloading them all."""
    vm, folder = session_vm, tmp_path_factory.mktemp("thirty")
    script = (HERE / "thirty_in_guest.py").read_bytes()
    before = _loaded(vm)
    vm.write("root", "/tmp/thirty.py", script)
    vm.run("root", [PYTHON, "/tmp/thirty.py", FOLDER, *MODULES], timeout=900, check=True)
    vm.run("root", ["tar", "-cf", "/tmp/thirty.tar", "-C", FOLDER, "."], check=True)
    with tarfile.open(fileobj=io.BytesIO(vm.read("root", "/tmp/thirty.tar"))) as archive:
        archive.extractall(folder, filter="data")
    # What a softdep has brought stays, and what nobody used went: as it was, for the next test.
    after = _loaded(vm)
    for name in [name for name in after if name not in before]:
        vm.run("root", ["modprobe", "-r", name])
    for name in reversed([name for name in before if name not in after]):
        vm.run("root", ["modprobe", name])
    vm.run("root", ["rm", "-r", FOLDER, "/tmp/thirty.tar", "/tmp/thirty.py"], check=True)
    return folder


def _loaded(vm: VM) -> list[str]:
    return [line.split()[0] for line in vm.read("root", "/proc/modules").decode().splitlines()]


def arranged(*files: Path) -> str:
    """Rows without their addresses and without those whose owner is no module, sorted."""
    script = r"cat -- {} | cut -d' ' -f2- | grep -v -e '\[bpf\]$' -e '\[__builtin__' | sort"
    words = " ".join(f"'{file}'" for file in files)
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        script.format(words), shell=True, text=True, capture_output=True, env=environment,
        encoding="utf-8", errors="surrogateescape", check=False,
    ).stdout  # fmt: skip


def differing(folder: Path, number: int) -> tuple[str, str]:
    """What `diff` says came and went at a step, sorted."""
    for place, step in (("before", number - 1), ("after", number)):
        text = arranged(folder / f"{step}.modules", folder / f"{step}.core")
        (folder / place).write_text(text, encoding="utf-8", errors="surrogateescape")
    found = subprocess.run(
        ["diff", folder / "before", folder / "after"],
        capture_output=True, encoding="utf-8", errors="surrogateescape", check=False,
    ).stdout.splitlines(keepends=True)  # fmt: skip
    return tuple("".join(line[2:] for line in found if line[0] == sign) for sign in "><")  # type: ignore[return-value]


@pytest.mark.parametrize("number", range(1, 2 * len(MODULES) + 1))
def test_each_change_is_the_diff_of_two_sorted_dumps(records: Path, number: int) -> None:
    module, loading = MODULES[(number - 1) // 2], number % 2
    told = json.loads((records / f"{number}.json").read_text())
    assert told["status"] == 0, told
    assert told["changes"] == 1, told
    assert module in told["came" if loading else "went"], told
    came, went = differing(records, number)
    assert arranged(records / f"{number}.added") == came
    assert arranged(records / f"{number}.removed") == went
    assert (came if loading else went).count("\n") > 5
    assert not (went if loading else came)
