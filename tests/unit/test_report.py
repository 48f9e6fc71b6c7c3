"""The bundle of a bug report: complete, readable, without addresses, over no other file."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.model.addresses import REPLACEMENT, without_addresses
from kmodtui.services.bundle import Bundle
from tests.support.simulated import make_simulated

Output = pytest.CaptureFixture[str]


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found = {}
        for member in archive.getmembers():
            assert member.isfile()
            assert member.mode == 0o600
            assert not member.name.startswith("/")
            assert ".." not in member.name.split("/")
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.split("/", 1)[1]] = file.read().decode()
        return found


def test_everything_is_in_it_and_the_index_says_so(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "a.tar.gz"
    assert run(["report", "ext4", "--demo", "-o", str(path)]) == 0
    found = contents(path)
    assert next(iter(found)) == "INDEX.txt"
    for name in ("versions.txt", "doctor.txt", "modules.json", "ext4/info.txt", "ext4/why.txt"):
        assert name in found["INDEX.txt"]
        assert found[name].strip()
    assert "rmmod" in found["ext4/plan-unload.txt"] or "in use" in found["ext4/plan-unload.txt"]
    assert "kernel-log.txt: Only root may read" in " ".join(found["INDEX.txt"].split())
    printed = capsys.readouterr().out
    assert "Not included: kernel-log.txt" in printed
    assert path.stat().st_mode & 0o077 == 0


def test_no_file_is_overwritten_without_being_asked_and_no_link_is_followed(
    tmp_path: Path, capsys: Output
) -> None:
    target, link = tmp_path / "target.tar.gz", tmp_path / "link.tar.gz"
    target.write_text("precious")
    link.symlink_to(target)
    dangling = tmp_path / "dangling.tar.gz"
    dangling.symlink_to(tmp_path / "absent")
    for path in (target, link, dangling):
        assert run(["report", "--demo", "-o", str(path)]) == 1
        assert "already exists" in capsys.readouterr().err
    assert run(["report", "--demo", "--force", "-o", str(link)]) == 0
    assert not link.is_symlink()
    assert target.read_text() == "precious"
    assert not (tmp_path / "absent").exists()


def test_what_cannot_be_read_is_listed_and_the_rest_is_written(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    kernel.folder.remove("/proc/version")
    kernel.folder.remove("/proc/modules")
    path = tmp_path / "a.tar.gz"
    root = str(kernel.folder.root)
    assert run(["report", "absent", "--root", root, "-o", str(path)]) == 0
    index = " ".join(contents(path)["INDEX.txt"].split())
    assert "/proc/version: No such file" in index
    assert "modules: This kernel shows no loadable modules" in index
    assert "absent/plan-load: Kernel 6.1.0-56-amd64 has no module" in index
    assert "doctor.txt" in index


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["-o", "a.zip"], "does not end in .tar.gz"), (["./a.ko"], "is not the name of a module")],
)
def test_wrong_arguments_are_refused(arguments: list[str], words: str, capsys: Output) -> None:
    assert run(["report", "--demo", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "wide", "expected"),
    [
        ("ffffffffc0a12000 t init\t[tun]", True, "(address) t init\t[tun]"),
        ('"address": "0xffffffffc0a12000"', True, '"address": "(address)"'),
        ("RIP: 0010:do_init+0x1f/0x200 RSP: 0018:ffffa1b2c3d4e5f6", True, None),
        ("0x0000000000000000 and 0000000000000000", True, None),
        ("usec 1764522671520000 srcversion 533BB7E5866E52F63B9ACCB", True, None),
        ("c0a12000 t init", False, "(address) t init"),
        ("[<c0a12000>] do_init", False, "[<(address)>] do_init"),
        ("deadbeef is a word", False, None),
    ],
)
def test_kernel_addresses_are_removed(text: str, wide: bool, expected: str | None) -> None:
    if "RSP" in text:
        expected = text.replace("ffffa1b2c3d4e5f6", REPLACEMENT)
    assert without_addresses(text, wide=wide)[0] == (text if expected is None else expected)


def test_addresses_are_kept_only_if_requested() -> None:
    line = "[    1.000000] err: BUG: unable to handle page fault for ffffffffc0a12000\n"
    without, with_them = Bundle("r"), Bundle("r", addresses=True)
    for bundle in (without, with_them):
        bundle.add("kernel-log.txt", "log", line)
    assert "ffffffffc0a12000" not in without.parts[0].text
    assert "1 number that can be one replaced" in without.address_words
    assert with_them.parts[0].text == line
    assert "as requested" in with_them.index(0.0)
