"""Links of a captured tree lead to files of that tree, never to files of this machine."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodtui.cli import run
from kmodtui.kernel import in_root
from kmodtui.kernel.host import LocalHost
from tests.support.elf import make_module
from tests.support.tiny_system import RELEASE, modinfo, tiny_system

SECRET = b"a secret of this machine"

_PARTS = st.sampled_from(["a", "b", "c", "..", ".", ""])
_PATHS = st.lists(_PARTS, max_size=6).map("/".join)
_TARGETS = st.builds(
    "{}{}".format, st.sampled_from(["", "/", "../../../../..", "OUTSIDE/"]), _PATHS
).filter(lambda target: target not in ("", "."))
_ENTRIES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
        st.one_of(st.just(None), _TARGETS),
    ),
    min_size=1,
    max_size=10,
)


@contextmanager
def random_tree(entries: list[tuple[list[str], str | None]]) -> Iterator[Path]:
    """Yield a directory with files and links; beside it is a directory with secrets."""
    base = Path(tempfile.mkdtemp())
    try:
        outside = base / "outside"
        for folder in (outside, outside / "a", outside / "b"):
            folder.mkdir()
            (folder / "c").write_bytes(SECRET)
        root = base / "root"
        root.mkdir()
        for names, target in entries:
            place = root.joinpath(*names)
            inside = os.path.realpath(place).startswith(os.path.realpath(root))
            if inside and not os.path.lexists(place):
                try:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    if target is None:
                        place.write_bytes(b"inside")
                    else:
                        place.symlink_to(target.replace("OUTSIDE", str(outside)))
                except OSError:
                    continue  # a parent is a file, or links lead in a circle
        yield root
    finally:
        shutil.rmtree(base)


def outcomes(host: LocalHost, paths: list[str]) -> list[list[object]]:
    """Return what each way to look at each path gives: what was read, or the errno."""

    def outcome(path: str, way: str) -> object:
        try:
            if way == "stat":
                return host.stat(path).st_ino
            found = getattr(host, way)(path)
            return found.decode() if isinstance(found, bytes) else found
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    ways = ("read", "listdir", "readlink", "stat", "exists")
    return [[outcome(path, way) for way in ways] for path in paths]


def in_chroot(root: Path, paths: list[str]) -> list[list[object]]:
    """Return what a process sees whose root directory it is."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chroot(root)
            os.write(writing, json.dumps(outcomes(LocalHost(), paths)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        found: list[list[object]] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def unavailable(*_arguments: object) -> NoReturn:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


@settings(max_examples=30, deadline=None)
@given(_ENTRIES, st.lists(_PATHS.map("/{}".format), min_size=1, max_size=8))
def test_random_links_lead_to_the_same_files_as_in_a_root_directory(
    entries: list[tuple[list[str], str | None]], paths: list[str]
) -> None:
    with random_tree(entries) as root, pytest.MonkeyPatch.context() as patch:
        seen = outcomes(LocalHost(root), paths)
        patch.setattr(in_root, "_openat2", unavailable)
        walked = outcomes(LocalHost(root), paths)
        assert walked == seen
        assert SECRET.decode() not in str(seen)
        for path in paths:
            assert LocalHost(root).locate(path).startswith(str(root))
        if os.geteuid() == 0:
            assert seen == in_chroot(root, paths)


@pytest.mark.parametrize("openat2", [True, False])
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("etc", "/OUTSIDE"),
        ("etc/modules", "/OUTSIDE/modules"),
        ("etc/modules", "../../../../../../../../../OUTSIDE/modules"),
        ("etc/modules", "/proc/self/root/OUTSIDE/modules"),
    ],
)
def test_a_link_out_of_the_tree_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openat2: bool, link: str, target: str
) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (outside / "modules").write_bytes(SECRET)
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(target.replace("/OUTSIDE", str(outside)))
    if not openat2:
        monkeypatch.setattr(in_root, "_openat2", unavailable)
    host = LocalHost(root)
    with pytest.raises(FileNotFoundError):
        host.read("/etc/modules")
    assert not host.exists("/etc/modules")
    assert host.locate("/etc/modules").startswith(f"{root}/")


def test_links_that_lead_in_a_circle_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").symlink_to("/b")
    (tmp_path / "b").symlink_to("a")
    for openat2 in (in_root._openat2, unavailable):
        monkeypatch.setattr(in_root, "_openat2", openat2)
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            LocalHost(tmp_path).read("/a")


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_or_a_filter_without_openat2_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_arguments: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/x").write_bytes(b"inside")
    (tmp_path / "lib").symlink_to("/usr/lib")
    monkeypatch.setattr(in_root, "_openat2", refuse)
    assert LocalHost(tmp_path).read("/lib/x") == b"inside"


def test_no_descriptor_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "l").symlink_to("/a/b/../b/./nothing")
    before = os.listdir("/proc/self/fd")
    for openat2 in (in_root._openat2, unavailable):
        monkeypatch.setattr(in_root, "_openat2", openat2)
        outcomes(LocalHost(tmp_path), ["/a/b", "/l", "/a/b/c", "/l/x", "/"])
    assert os.listdir("/proc/self/fd") == before


# The verbs


def tree_with_absolute_links(folder: Path) -> LocalHost:
    """Return a captured system whose /lib is an absolute link, and one of whose files is."""
    host = tiny_system(folder, {name: make_module(modinfo(name)) for name in ("loop", "leak")})
    (folder / "usr").mkdir()
    (folder / "lib").rename(folder / "usr/lib")
    (folder / "lib").symlink_to("/usr/lib")
    leak = folder / f"usr/lib/modules/{RELEASE}/kernel/leak.ko"
    leak.unlink()
    leak.symlink_to("/OUTSIDE")
    return host


def test_verbs_follow_absolute_links_inside_the_tree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree_with_absolute_links(tmp_path)
    for words in (["info", "loop"], ["plan", "load", "loop"], ["check", "loop"]):
        run(["--root", str(tmp_path), *words])
        assert "loop.ko" in capsys.readouterr().out


def test_verbs_never_show_a_file_outside_the_tree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    root = tmp_path / "root"
    tree_with_absolute_links(root)
    leak = root / f"usr/lib/modules/{RELEASE}/kernel/leak.ko"
    for link in (leak, *(root / "proc" / name for name in ("modules", "kallsyms", "cmdline"))):
        link.unlink(missing_ok=True)
        link.symlink_to(secret)
    for words in (
        ["list"], ["info", "leak"], ["plan", "load", "leak"], ["check", "leak"], ["catalog"],
        ["symbols"], ["linkage", "leak"], ["tree", "leak"],
    ):  # fmt: skip
        run(["--root", str(root), *words])
        captured = capsys.readouterr()
        assert SECRET.decode() not in captured.out + captured.err, words


def test_a_path_that_exists_in_the_tree_is_one_of_the_tree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "x.ko"
    here.write_bytes(make_module(modinfo("x", b"description=on this machine")))
    inside = tmp_path / f"root{here}"
    inside.parent.mkdir(parents=True)
    assert run(["--root", str(tmp_path / "root"), "info", str(here)]) == 0
    assert "on this machine" in capsys.readouterr().out
    inside.write_bytes(make_module(modinfo("x", b"description=in the tree")))
    assert run(["--root", str(tmp_path / "root"), "info", str(here)]) == 0
    assert "in the tree" in capsys.readouterr().out
