"""The demo's recording is unpacked as it was packed, and only inside of its directory."""

from __future__ import annotations

import io
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from kmodtui.demo.recording import read_recording
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.demo.workplace import new_workplace
from tests.support.small_recording import small_recording


def archive(*members: tarfile.TarInfo, data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for member in members:
            member.size = len(data) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def test_a_packed_recording_is_read_back_unchanged(tmp_path: Path) -> None:
    made = small_recording()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        everything = {f"root/{path}": file for path, file in made.root.items()} | {
            f"modules/{name}/{path}": file
            for name, files in made.modules.items()
            for path, file in files.items()
        }
        for path, file in everything.items():
            info = member(path, tarfile.SYMTYPE if file.target else tarfile.REGTYPE, file.target)
            info.mode, info.size = file.mode, len(file.data)
            tar.addfile(info, io.BytesIO(file.data))
    read = read_recording(out.getvalue())
    links = {path for path, file in everything.items() if file.target}
    assert links, "there are links to compare"
    assert read.modules == made.modules
    assert read.root.keys() == made.root.keys()
    assert all(read.root[path][::2] == made.root[path][::2] for path in made.root)
    kernel = SimulatedKernel(read, tmp_path)
    assert kernel.load("btrfs").exit == 0
    assert kernel.host.readlink("/sys/module/xor/holders/btrfs") == "../../btrfs"


@pytest.mark.parametrize(
    "bad",
    [
        member("../escaped"),
        member("/etc/escaped"),
        member("root/../../escaped"),
        member("root/link", tarfile.SYMTYPE, "/etc"),
        member("root/link", tarfile.SYMTYPE, "../../escaped"),
        member("root/hard", tarfile.LNKTYPE, "../escaped"),
        member("root/fifo", tarfile.FIFOTYPE),
        member("root/null", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_paths_that_lead_outside_are_refused(bad: tarfile.TarInfo) -> None:
    with pytest.raises(tarfile.TarError):
        read_recording(archive(bad, data=b"x"))


def test_a_truncated_archive_is_an_error() -> None:
    whole = archive(member("root/file"), data=bytes(100_000))
    for part in (whole[: len(whole) // 2], b"", b"nothing of the kind"):
        with pytest.raises((tarfile.TarError, lzma.LZMAError, EOFError)):
            read_recording(part)


def test_the_directory_of_a_killed_demo_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os; from kmodtui.demo.workplace import *; new_workplace(); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    (left,) = tmp_path.glob("kmodtui-demo-*")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    new_workplace()
    assert left.exists(), "it could be of one that is only just starting"
    os.utime(left, (0, 0))
    in_use = new_workplace()
    assert not left.exists()
    os.utime(in_use, (0, 0))
    new_workplace()
    assert in_use.exists(), "its program still runs"
