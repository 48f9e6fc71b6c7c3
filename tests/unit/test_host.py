"""A Host reads below its root directory, and nothing else of this machine."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/modules").write_bytes(b"xor 1 0 - Live 0x0\n")
    (tmp_path / "proc/zzz").write_bytes(b"")
    (tmp_path / "proc/link").symlink_to("modules")
    return tmp_path


def test_paths_are_those_of_the_observed_system(tree: Path) -> None:
    host = LocalHost(tree)
    assert host.read("/proc/modules") == b"xor 1 0 - Live 0x0\n"
    assert host.read("/proc/modules", limit=3) == b"xor"
    assert host.read("/proc/modules", limit=0) == b""
    assert host.listdir("/proc") == ["link", "modules", "zzz"]
    assert host.readlink("/proc/link") == "modules"
    assert host.stat("/proc/modules").st_size == 19
    assert host.exists("/proc/link")
    assert not host.exists("/proc/version")
    with host.open("/proc/modules") as file:
        assert file.read(3) == b"xor"


def test_a_trailing_slash_of_the_root_makes_no_difference(tree: Path) -> None:
    assert LocalHost(f"{tree}/").read("/proc/zzz") == b""
    assert LocalHost(f"{tree}/").badge == str(tree)


def test_a_missing_file_raises_the_systems_error(tree: Path) -> None:
    host = LocalHost(tree)
    with pytest.raises(FileNotFoundError):
        host.read("/proc/nothing")
    with pytest.raises(NotADirectoryError):
        host.listdir("/proc/modules")
    with pytest.raises(IsADirectoryError):
        host.read("/proc")


def test_a_large_file_is_read_completely(tree: Path) -> None:
    data = os.urandom(3_000_000)
    (tree / "large").write_bytes(data)
    assert LocalHost(tree).read("/large") == data


@pytest.mark.parametrize("name", ["pipe", "link", "proc/pipe"])
def test_only_regular_files_are_read(tree: Path, name: str) -> None:
    os.mkfifo(tree / "pipe")
    os.mkfifo(tree / "proc/pipe")
    (tree / "link").symlink_to("pipe")
    host = LocalHost(tree)
    for look in (host.read, lambda path: host.read(path, 4), host.open):
        with pytest.raises(OSError, match="Not a regular file") as caught:
            look(f"/{name}")
        assert caught.value.filename == f"/{name}"


def test_a_named_pipe_does_not_block(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        LocalHost().read(str(tree / "pipe"))


def test_the_null_device_is_an_empty_file(tree: Path) -> None:
    (tree / "off.conf").symlink_to("/dev/null")
    assert LocalHost(tree).read("/off.conf") == b""


def test_a_link_to_what_is_missing_in_the_tree_is_no_null_device(tree: Path) -> None:
    (tree / "off.conf").symlink_to("/dev/zero")
    with pytest.raises(FileNotFoundError):
        LocalHost(tree).read("/off.conf")


def test_a_too_large_file_is_not_read(tree: Path) -> None:
    for name in ("modules", "kallsyms"):
        with open(tree / "proc" / name, "wb") as file:
            file.truncate(20_000_000_000)
    host = LocalHost(tree)
    for look in (host.read, host.open):
        with pytest.raises(OSError, match="File too large") as caught:
            look("/proc/kallsyms")
        assert caught.value.errno == errno.EFBIG
    assert host.read("/proc/modules", limit=3) == bytes(3)


def test_only_this_machine_is_live_and_has_no_badge(tree: Path) -> None:
    here, captured = LocalHost(), LocalHost(tree)
    assert (here.live, here.badge) == (True, "")
    assert (captured.live, captured.badge) == (False, str(tree))
    assert LocalHost(tree, badge="DEMO").badge == "DEMO"
    assert LocalHost().read("/proc/self/comm")
