"""The demo's archive is unpacked as it was packed, and nothing in it reaches out of its folder."""

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

from kmodtui.demo import recording
from kmodtui.demo.recording import unpack
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.small_recording import write_small_recording


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


def test_a_packed_recording_boots_and_loads(tmp_path: Path) -> None:
    write_small_recording(tmp_path / "made")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        tar.add(tmp_path / "made/root", "root")
        tar.add(tmp_path / "made/modules", "modules")
    system = tmp_path / "unpacked"
    system.mkdir()
    unpack(out.getvalue(), system)
    packed = {path.relative_to(tmp_path / "made") for path in (tmp_path / "made").rglob("*")}
    assert {path.relative_to(system) for path in system.rglob("*")} == packed
    kernel = SimulatedKernel(system)
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
def test_nothing_reaches_out(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(tarfile.TarError):
        unpack(archive(bad, data=b"x"), folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_cut_archive_is_an_error(tmp_path: Path) -> None:
    whole = archive(member("root/file"), data=bytes(100_000))
    for part in (whole[: len(whole) // 2], b"", b"nothing of the kind"):
        with pytest.raises((tarfile.TarError, lzma.LZMAError, EOFError)):
            unpack(part, tmp_path)


def test_what_a_killed_demo_has_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import os, signal; from kmodtui.demo import recording as r; r._new_folder();" + (
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    (left,) = tmp_path.glob("kmodtui-demo-*")
    in_use = recording._new_folder()
    assert not left.exists()
    recording._new_folder()
    assert in_use.exists(), "its program still runs"
