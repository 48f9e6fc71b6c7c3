"""Snapshots: written, read back unchanged, compared; invalid files are refused."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.cli import run
from kmodtui.demo.moments import Point
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import KmodtuiError, SnapshotError, UnreadableError
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.model.snapshot import MAX_MODULES, Origin, Snapshot, compare, header_line
from kmodtui.model.symbols.table import difference
from kmodtui.services import reading, snapshots
from kmodtui.services.snapshots import default_path, load, save, take
from tests.support.simulated import make_simulated

MAGIC = b"kmodtui-snapshot 1\n"
Output = pytest.CaptureFixture[str]


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    kernel = make_simulated(tmp_path)
    kernel.load("btrfs")
    return kernel


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.kmodtui"


def packed(body: bytes) -> bytes:
    return MAGIC + zstd.compress(body)


def unpacked(path: Path) -> bytes:
    return zstd.decompress(path.read_bytes().split(b"\n", 1)[1])


# Contents


def test_a_snapshot_is_read_back_unchanged(kernel: SimulatedKernel, path: Path) -> None:
    taken = take(kernel.host, clock=lambda: 1_764_504_000.0)
    size = save(taken, path)
    assert size == path.stat().st_size
    back = load(path)
    assert back.origin == taken.origin
    assert back.origin.taken == 1_764_504_000.0
    assert back.origin.release == kernel.release
    assert back.origin.command_line.startswith("BOOT_IMAGE=")
    assert [m._replace(address=0) for m in taken.modules] == list(back.modules)
    assert back.totals == taken.totals
    assert not difference(back.symbols, read_symbols(kernel.host))
    assert back.symbols.pseudo.keys() == {"__builtin__ftrace", "bpf"}
    assert compare(back, taken).nothing_differs


def test_addresses_are_not_saved_by_default(kernel: SimulatedKernel, path: Path) -> None:
    rows = kernel.host.read("/proc/kallsyms")
    assert b"ffffffff81000000 T _stext" in rows
    save(take(kernel.host), path)
    body = unpacked(path)
    assert b"ffffffff" not in body
    assert b"T _stext\n" in body
    assert b'"address"' not in body
    assert load(path).symbols.addresses_hidden


def test_addresses_are_saved_on_request(kernel: SimulatedKernel, path: Path) -> None:
    save(take(kernel.host, addresses=True), path)
    back = load(path)
    assert back.origin.addresses
    assert back.symbols.core == read_symbols(kernel.host).core
    assert compare(back, take(kernel.host)).nothing_differs


def test_hidden_addresses_are_refused(kernel: SimulatedKernel) -> None:
    rows = kernel.host.read("/proc/kallsyms").splitlines(keepends=True)
    hidden = (b"0" * 16 + row[16:] for row in rows)
    kernel.folder.write("/proc/kallsyms", b"".join(hidden))
    with pytest.raises(UnreadableError, match="hides addresses from this user") as refused:
        take(kernel.host, addresses=True)
    assert "omit --addresses" in refused.value.hint


def test_a_module_that_is_loading_is_waited_for(kernel: SimulatedKernel) -> None:
    steps = kernel.modprobe.load("vfat")
    next(steps)
    readings = 0
    read = kernel.host.read

    def finishing(path: str, limit: int = -1) -> bytes:
        nonlocal readings
        readings += path == "/proc/modules"
        if readings == 4:
            for _ in steps:
                pass
        return read(path, limit)

    kernel.host.read = finishing  # type: ignore[method-assign]
    taken = take(kernel.host)
    assert {"vfat", "fat"} <= {module.name for module in taken.modules}
    assert len(taken.symbols.of("fat")) == 50


def test_a_live_module_with_its_init_section_is_waited_for(
    kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = kernel.modprobe.load("dummy")
    while next(steps).point is not Point.LIVE:
        pass
    rows = read_symbols(kernel.host).of("dummy")

    def trim(_: float) -> None:
        for _moment in steps:
            pass

    monkeypatch.setattr(reading.time, "sleep", trim)
    assert len(take(kernel.host).symbols.of("dummy")) == 20 < len(rows)


def test_a_kernel_without_modules_has_symbols(kernel: SimulatedKernel, path: Path) -> None:
    kernel.folder.remove("/proc/modules")
    save(take(kernel.host), path)
    assert load(path).modules == ()
    assert len(load(path).symbols.core) > 400


# The file


def test_only_the_owner_may_read_the_file_and_no_temporary_file_is_left(
    kernel: SimulatedKernel, path: Path
) -> None:
    old = os.umask(0)
    try:
        save(take(kernel.host), path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]


def test_an_existing_file_is_kept_unless_forced(kernel: SimulatedKernel, path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(KmodtuiError, match="already exists") as refused:
        save(take(kernel.host), path)
    assert "--force" in refused.value.hint
    assert path.read_text() == "mine"
    save(take(kernel.host), path, force=True)
    assert load(path).modules


def test_what_is_not_a_regular_file_is_never_replaced(kernel: SimulatedKernel, path: Path) -> None:
    os.mkfifo(path)
    link = path.with_name("link.kmodtui")
    link.symlink_to(path)
    for unsuitable in (path, link, path.parent):
        with pytest.raises(KmodtuiError, match="not a regular file"):
            save(take(kernel.host), unsuitable, force=True)
    assert path.is_fifo()
    assert link.is_symlink()
    names = {each.name for each in path.parent.iterdir() if not each.is_dir()}
    assert names == {link.name, path.name}


def test_a_file_created_meanwhile_is_kept(
    kernel: SimulatedKernel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    path.write_text("mine")
    with pytest.raises(KmodtuiError, match="already exists"):
        save(take(kernel.host), path)
    assert path.read_text() == "mine"
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]


def test_it_is_written_without_hard_links(
    kernel: SimulatedKernel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    save(take(kernel.host), path)
    assert load(path).modules
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    with pytest.raises(KmodtuiError, match="already exists"):
        save(take(kernel.host), path)


def test_a_missing_directory_is_named(kernel: SimulatedKernel, tmp_path: Path) -> None:
    with pytest.raises(KmodtuiError, match="No such file or directory"):
        save(take(kernel.host), tmp_path / "nowhere" / "one.kmodtui")


def test_the_default_name_has_host_and_time_and_is_unused(
    kernel: SimulatedKernel, tmp_path: Path
) -> None:
    taken = take(kernel.host, clock=lambda: 1_764_504_000.0)
    first = default_path(taken, tmp_path)
    assert first.name.startswith("debian-202")
    save(taken, first)
    second = default_path(taken, tmp_path)
    assert second.name == first.name.replace(".kmodtui", "-2.kmodtui")
    odd = replace(taken, origin=replace(taken.origin, hostname="../../etc/x y\x1b"))
    assert default_path(odd, tmp_path).parent == tmp_path
    assert default_path(odd, tmp_path).name.startswith("etc-x-y-")


# Invalid files


def head(**changes: Any) -> bytes:
    fields = json.loads(header_line(Origin(1.0, "vm", "6.1"), ()))
    return json.dumps(fields | changes).encode()


MODULE = {
    "name": "x",
    "size": 1,
    "refcount": 0,
    "holders": [],
    "state": "Live",
    "taint": "",
    "permanent": False,
}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not a kmodtui snapshot"),
        (b"\x7fELF\x02\x01\x01", "is not a kmodtui snapshot"),
        (b"kmodtui-snapshot", "is not a kmodtui snapshot"),
        (b"kmodtui-snapshot x\n", "is not a kmodtui snapshot"),
        (b"kmodtui-snapshot 0\nwhatever", "another kmodtui: its schema is 0, .* reads schema 1"),
        (b"kmodtui-snapshot 2\nwhatever", "newer kmodtui: its schema is 2, .* reads schema 1"),
        (b"kmodtui-snapshot 99\n", "newer kmodtui: its schema is 99"),
        (MAGIC, "damaged"),
        (MAGIC + b"garbage", "it cannot be decompressed"),
        (packed(head())[:-6], "its end is missing"),
        (packed(head()) + b"more", "there is data after its end"),
        (packed(b""), "is malformed"),
        (packed(b"not json\n"), "is malformed"),
        (packed(b"[]\n"), "is malformed"),
        (packed(b"[" * 100_000 + b"\n"), "is malformed"),
        (packed(b'{"taken": ' + b"9" * 5000 + b"}\n"), "is malformed"),
        (packed(head(taken="yesterday")), "is malformed"),
        (packed(head(taken=1e300)), "is malformed"),
        (packed(head(taken=float("nan"))), "is malformed"),
        (packed(head(tainted=True)), "is malformed"),
        (packed(head(tainted=-1)), "is malformed"),
        (packed(head(tainted=2**64)), "is malformed"),
        (packed(head(modules=[MODULE | {"size": 10**400}])), "is malformed"),
        (packed(head(modules=[MODULE | {"size": 10**4000}])), "is malformed"),
        (packed(head(modules=[MODULE | {"size": -1}])), "is malformed"),
        (packed(head(modules=[MODULE | {"refcount": -2}])), "is malformed"),
        (packed(head(modules=[MODULE | {"address": 2**64}])), "is malformed"),
        (packed(head(modules=None)), "is malformed"),
        (packed(head(modules=[{}])), "is malformed"),
        (packed(head(modules=[MODULE | {"state": "Zombie"}])), "is malformed"),
        (packed(head(modules=[MODULE | {"holders": [1]}])), "is malformed"),
        (packed(head(hostname="x" * 5 * 1024 * 1024)), "too long"),
        (packed(head() + b"\n" + b"\n" * 2_100_000), "more symbols than any kernel"),
        (
            packed(head() + b"\n" + b"".join(b"t x\t[m%d]\n" % n for n in range(MAX_MODULES + 1))),
            "more modules than any kernel",
        ),
        (packed(b"0" * (snapshots.UNPACKED_LIMIT + 1)), "decompresses to more than 64.0 MiB"),
    ],
)
def test_an_invalid_file_is_refused(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match=words) as refused:
        load(path)
    assert str(path) in refused.value.message


def test_the_largest_numbers_that_a_kernel_can_have_are_read(path: Path) -> None:
    module = MODULE | {"size": 2**64 - 1, "refcount": -1, "state": "Unloading"}
    path.write_bytes(packed(head(tainted=2**64 - 1, modules=[module])))
    back = load(path)
    assert (back.modules[0].size, back.modules[0].refcount) == (2**64 - 1, -1)
    assert back.origin.tainted == 2**64 - 1


def test_one_wrong_bit_is_noticed(kernel: SimulatedKernel, path: Path) -> None:
    save(take(kernel.host), path)
    whole = load(path)
    data = bytearray(path.read_bytes())
    noticed = 0
    places = range(len(MAGIC), len(data), 97)
    for place in places:
        data[place] ^= 4
        path.write_bytes(data)
        try:
            # Some bits of zstd have no meaning; a file that is accepted must be equal.
            assert load(path) == whole
        except SnapshotError:
            noticed += 1
        data[place] ^= 4
    assert noticed > len(places) * 0.9


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    for body in (data, MAGIC + data, packed(data), packed(head() + b"\n" + data)):
        with NamedTemporaryFile() as file, suppress(SnapshotError):
            file.write(body)
            file.flush()
            load(Path(file.name))


def test_a_pipe_is_refused_without_waiting(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SnapshotError, match="not a regular file"):
        load(path)


def test_a_directory_and_a_too_large_file_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="not a regular file"):
        load(tmp_path)
    with path.open("wb") as file:
        file.truncate(snapshots.PACKED_LIMIT + 1)
    with pytest.raises(SnapshotError, match="larger than any snapshot"):
        load(path)


def test_alternating_owners_are_read_in_linear_time(path: Path) -> None:
    # A reader that searches for the end of each run would scan the whole file for each row.
    rows = b"t x\t[a]\nt x\t[b]\n" * 100_000
    path.write_bytes(packed(head() + b"\n" + rows))
    assert len(load(path).symbols.of("a")) == 100_000


def test_text_of_a_file_is_safe_to_show(path: Path) -> None:
    evil = "\x1b[2J"
    body = head(hostname=evil, modules=[MODULE | {"name": evil, "holders": [evil]}])
    path.write_bytes(packed(body + f"\nt {evil}\t[{evil}]\n".encode()))
    back = load(path)
    assert "\x1b" not in repr((back.origin, back.modules))
    assert list(back.symbols.modules) == ["\\x1b[2J"]
    assert [symbol.name for symbol in back.symbols.of("\\x1b[2J")] == ["\\x1b[2J"]


# Comparison


def machine(**origin: Any) -> Snapshot:
    return Snapshot(replace(Origin(1.0, "vm", "6.1.0-55", "x86_64"), **origin), (), NO_SYMBOLS)


NO_SYMBOLS = snapshots.SymbolTable()


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({}, {}, ""),
        ({}, {"release": "6.1.0-56"}, "Different kernels, 6.1.0-55 and 6.1.0-56"),
        ({}, {"machine": "aarch64"}, "Different architectures"),
        ({}, {"hostname": "other"}, "Different machines: vm and other"),
        ({"boot": "a"}, {"boot": "b"}, "was rebooted between them"),
        ({"boot": "a"}, {"boot": ""}, ""),
    ],
)
def test_different_origins_are_pointed_out(
    one: dict[str, str], other: dict[str, str], words: str
) -> None:
    caution = compare(machine(**one), machine(**other)).warning
    assert words in caution
    assert bool(words) == bool(caution)


def test_command_line_and_taint_are_compared() -> None:
    one = machine(command_line="quiet splash ro", tainted=1 << 12)
    other = machine(command_line="ro debug quiet quiet", tainted=1 << 13)
    found = compare(one, other)
    assert found.words_added == ("debug", "quiet")
    assert found.words_removed == ("splash",)
    assert (found.taints_added, found.taints_removed) == ("E", "O")
    assert not found.nothing_differs


# The verbs


def printed(capsys: Output, *arguments: str) -> str:
    assert run(list(arguments)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.fixture
def root(kernel: SimulatedKernel) -> str:
    return str(kernel.folder.root)


@pytest.fixture
def taken(root: str, path: Path, capsys: Output) -> str:
    printed(capsys, "snapshot", "--root", root, "-o", str(path))
    return str(path)


def test_the_verb_takes_a_snapshot_and_summarizes_it(root: str, path: Path, capsys: Output) -> None:
    told = printed(capsys, "snapshot", "--root", root, "-o", str(path))
    rows = (Path(root) / "proc/kallsyms").read_text().splitlines()
    symbols = [row for row in rows if not row.endswith(("[bpf]", "[__builtin__ftrace]"))]
    assert told.startswith(f"{path}: 16 modules, {len(symbols):,} symbols, ")
    assert "KASLR" not in told
    assert run(["snapshot", "--root", root, "-o", str(path)]) == 1
    assert "already exists" in capsys.readouterr().err
    told = printed(capsys, "snapshot", "--root", root, "-o", str(path), "--force", "--addresses")
    assert "defeat KASLR" in told


def test_the_verb_chooses_a_name_in_the_current_directory(
    root: str, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = json.loads(printed(capsys, "snapshot", "--root", root, "--json"))
    assert (tmp_path / answer["path"]).stat().st_size == answer["size"]
    assert (answer["module_count"], answer["addresses"]) == (16, False)


def test_diff_shows_modules_loaded_and_unloaded_since(
    kernel: SimulatedKernel, root: str, taken: str, capsys: Output
) -> None:
    assert "are the same" in printed(capsys, "diff", taken, "--root", root)
    kernel.unload("btrfs")
    kernel.load("dummy")
    told = printed(capsys, "diff", taken, "--root", root)
    assert "modules       +1 -6" in told
    assert "symbols       +20 -369" in told
    assert "  - btrfs" in told
    assert "dummy_" not in told
    rows = printed(capsys, "diff", taken, "--root", root, "--symbols").splitlines()
    named = [row.split()[2] for row in rows if row.startswith("      + ")]
    assert named == sorted(symbol.name for symbol in read_symbols(kernel.host).of("dummy"))


def test_diff_of_two_files_as_json(
    kernel: SimulatedKernel, root: str, taken: str, tmp_path: Path, capsys: Output
) -> None:
    kernel.load("tun")
    other = str(tmp_path / "two.kmodtui")
    printed(capsys, "snapshot", "--root", root, "-o", other)
    forth = json.loads(printed(capsys, "diff", taken, other, "--json", "--symbols"))
    assert [module["name"] for module in forth["modules"]["loaded"]] == ["tun"]
    assert forth["symbols"]["added"] == 35
    (tun,) = forth["symbols"]["by_module"]
    assert (tun["module"], tun["removed"]["count"]) == ("tun", 0)
    assert len(tun["added"]["symbols"]) == 35
    assert forth["same_release"] is True
    back = json.loads(printed(capsys, "diff", other, taken, "--json"))
    assert [module["name"] for module in back["modules"]["unloaded"]] == ["tun"]
    assert back["symbols"]["removed"] == 35


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"x"), "is not a kmodtui snapshot"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
        (lambda path: path.unlink(), "There is no file"),
    ],
)
def test_diff_refuses_with_a_message(
    root: str, taken: str, capsys: Output, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(Path(taken))
    assert run(["diff", taken, "--root", root]) == 1
    assert words in capsys.readouterr().err
