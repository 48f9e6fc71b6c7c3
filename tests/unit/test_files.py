"""Module files to be inserted: resolved in the observed system, and limited in size."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.content import MAX_FILE, resolved
from kmodtui.services.files import digest_of
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(LocalHost(tmp_path), NoRoot("A captured tree."))


def test_links_are_resolved_below_the_observed_root(tmp_path: Path) -> None:
    (tmp_path / "lib/modules").mkdir(parents=True)
    (tmp_path / "srv/built").mkdir(parents=True)
    (tmp_path / "srv/built/mine.ko").write_bytes(b"")
    (tmp_path / "lib/modules/new").symlink_to("/srv/built")
    (tmp_path / "home").symlink_to("lib/../srv")
    host = LocalHost(tmp_path)
    # On most machines /lib is a link; this machine's must not be used.
    assert resolved(host, "/lib/modules/plain.ko") == "/lib/modules/plain.ko"
    assert resolved(host, "/lib/modules/new/mine.ko") == "/srv/built/mine.ko"
    assert resolved(host, "/home//built/./mine.ko") == "/srv/built/mine.ko"
    assert resolved(host, "/../home/gone/x.ko") == "/srv/gone/x.ko"


def test_links_of_this_machine_are_resolved_as_by_the_system(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to("there")
    path = f"{tmp_path}/here/x.ko"
    assert resolved(LocalHost(), path) == os.path.realpath(path)


def test_a_loop_of_links_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UnreadableError, match="Too many levels of symbolic links"):
        resolved(LocalHost(tmp_path), "/a/x.ko")


async def test_the_digest_of_a_file(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "x.ko").write_bytes(b"module")
    assert await digest_of(machine, "/x.ko") == hashlib.sha256(b"module").hexdigest()


async def test_a_too_large_file_is_refused_without_reading(
    tmp_path: Path, machine: Machine
) -> None:
    (tmp_path / "huge.ko").touch()
    os.truncate(tmp_path / "huge.ko", MAX_FILE + 1)
    with pytest.raises(UnreadableError, match=r"is too large: .* 512\.0 MiB"):
        await digest_of(machine, "/huge.ko")


async def test_other_than_regular_files_are_refused_without_opening(
    tmp_path: Path, machine: Machine
) -> None:
    os.mkfifo(tmp_path / "pipe.ko")
    for path in ("/pipe.ko", "/"):
        with pytest.raises(UnreadableError, match="is not a regular file"):
            await digest_of(machine, path)
