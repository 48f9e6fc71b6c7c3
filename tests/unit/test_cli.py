"""The verbs print what there is, as text and as JSON, and report clearly what is missing."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kmodtui import __version__
from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.simulated import make_simulated
from tests.support.small_recording import PARTS, RELEASE

SYMBOLS_AT_BOOT = {name: part.symbols for name, part in PARTS.items() if part.boot}


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


@pytest.fixture
def root(kernel: SimulatedKernel) -> str:
    return str(kernel.folder.root)


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system that no test changes, for those that start a process."""
    return str(make_simulated(tmp_path_factory.mktemp("shared")).folder.root)


def process(
    arguments: Sequence[str],
    *,
    environment: dict[str, str] | None = None,
    shell: str = "",
    stdout: Any = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run kmodtui in a process of its own; `shell` is what a shell does to its output."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "bash", sys.executable, "-m", "kmodtui", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
    )


Output = pytest.CaptureFixture[str]


def printed(capsys: Output, *arguments: str) -> str:
    """What a run that goes well prints."""
    assert run(list(arguments)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def printed_json(capsys: Output, *arguments: str) -> Any:
    return json.loads(printed(capsys, *arguments, "--json"))


def complaint(capsys: Output, *arguments: str, status: int = 1) -> str:
    """What a run that fails says, with nothing on the standard output."""
    assert run(list(arguments)) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kmodtui: ")
    return captured.err


# what nobody foresaw


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "kmodtui: Out of memory.\n"),
        (RuntimeError("deep\x1b[2J"), "kmodtui: Internal error (a bug in kmodtui).\n"),
    ],
)
def test_whatever_happens_is_told_in_a_sentence(
    root: str,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: Exception,
    told: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    log = logging.getLogger("kmodtui")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "level", log.level)
    monkeypatch.setattr(log, "propagate", log.propagate)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("kmodtui.verbs.list.run", fail)
    words = complaint(capsys, "list", "--root", root)
    for handler in log.handlers:
        handler.close()
    assert words.startswith(told)
    assert "Traceback" not in words
    kept = [path for path in (tmp_path / "state").rglob("*.log") if path.is_file()]
    if isinstance(error, MemoryError):
        assert not kept
    else:
        (path,) = kept
        assert f"See the log file {path}." in words
        assert "RuntimeError: deep\\x1b[2J" in path.read_text("utf-8")


def test_without_a_terminal_the_way_to_the_verbs_is_named(root: str) -> None:
    ended = process(["--root", root])
    assert ended.returncode == 2
    assert b"The verbs need no terminal: see kmodtui --help." in ended.stderr


# list


def test_list_shows_what_is_loaded_newest_first(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.load("btrfs")
    head, *lines = printed(capsys, "list", "--root", root).splitlines()
    assert head.split() == ["Module", "Size", "Refs", "State", "Taint", "Used", "by"]
    assert [line.split()[0] for line in lines] == list(kernel.loaded)
    assert "btrfs               1806336     0  Live" in lines
    assert "xor                   24576     1  Live              btrfs" in lines
    assert "hello                 16384     0  Live       OE" in lines


def test_list_shows_mounts_beside_the_modules_that_use_a_module(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.folder.write("/proc/self/mountinfo", b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
    (line,) = (
        line for line in printed(capsys, "list", "--root", root).splitlines() if "ext4 " in line
    )
    assert line.endswith("mount / (ext4)")


def test_list_as_json_has_the_keys_of_the_kernels_line(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.load("binder_linux")
    first, second, *_ = printed_json(capsys, "list", "--root", root)["modules"]
    (line,) = (
        line
        for line in kernel.folder.read("/proc/modules").decode().splitlines()
        if line.startswith("binder_linux ")
    )
    assert first == {
        "name": "binder_linux",
        "size": 204800,
        "refcount": 0,
        "holders": [],
        "state": "Live",
        "taint": "",
        "permanent": True,
        "address": line.split()[5],
    }
    assert (second["name"], second["taint"]) == ("hello", "OE")


def test_list_as_json_has_null_where_the_kernel_hides_addresses(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.folder.write("/proc/modules", b"xor 24576 0 - Live 0x0000000000000000\n")
    (xor,) = printed_json(capsys, "list", "--root", root)["modules"]
    assert xor["address"] is None


def test_list_on_a_kernel_that_cannot_unload(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.folder.write("/proc/modules", b"xor 24576 - - Live 0x0\n")
    assert printed(capsys, "list", "--root", root).splitlines()[1].split() == [
        *("xor", "24576", "-", "Live"),
    ]
    assert printed_json(capsys, "list", "--root", root)["modules"][0]["refcount"] is None


def test_list_with_nothing_loaded_is_a_headline_and_an_empty_list(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.folder.write("/proc/modules", b"")
    assert run(["list", "--root", root]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert "No module is loaded" in captured.err
    assert printed_json(capsys, "list", "--root", root)["modules"] == []


def test_a_line_that_makes_no_sense_is_told_beside_the_others(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.append("/proc/modules", b"evil\x1b[2J line\n")
    assert run(["list", "--root", root, "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert len(answer["modules"]) == len(kernel.loaded)
    assert answer["malformed_lines"] == ["evil\\x1b[2J line"]
    assert "evil\\x1b[2J line" in captured.err
    assert "\x1b" not in captured.err


def test_a_kernel_without_modules_is_told_so(tmp_path: Path, capsys: Output) -> None:
    for form in ([], ["--json"]):
        words = complaint(capsys, "list", "--root", str(tmp_path), *form)
        assert "no /proc/modules" in words
        assert "--demo" in words


# info


def test_info_prints_modinfos_lines(root: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["info", "dummy", "--root", root]) == 0
    lines = capsysbinary.readouterr().out.decode().splitlines()
    path = f"{root}/lib/modules/{RELEASE}/kernel/drivers/net/dummy.ko"
    assert lines[0] == f"filename:       {path}"
    assert "license:        GPL" in lines
    assert "alias:          rtnl-link-dummy" in lines
    assert "parm:           numdummies:Number of dummy pseudo devices (int)" in lines


def test_info_as_json(root: str, capsys: Output) -> None:
    (info,) = printed_json(capsys, "info", "dummy", "--root", root)["modules"]
    assert info["name"] == "dummy"
    assert info["fields"]["license"] == ["GPL"]
    assert info["parameters"] == [
        {"name": "numdummies", "type": "int", "description": "Number of dummy pseudo devices"}
    ]
    assert info["signature"] is None


def test_info_takes_aliases_files_and_several_of_them(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    file = kernel.folder.root / f"lib/modules/{RELEASE}/kernel/drivers/net/tun.ko"
    found = printed_json(capsys, "info", "fs-btrfs", "net-failover", str(file), "--root", root)
    assert [info["name"] for info in found["modules"]] == ["btrfs", "net_failover", "tun"]


def test_info_goes_on_after_a_module_that_is_not_there(root: str, capsys: Output) -> None:
    assert run(["info", "btrsf", "xor", "--json", "--root", root]) == 1
    captured = capsys.readouterr()
    assert [info["name"] for info in json.loads(captured.out)["modules"]] == ["xor"]
    assert "no module or alias btrsf" in captured.err
    assert "Did you mean btrfs?" in captured.err


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no module at all", bytes(4096)])
def test_info_on_a_file_that_is_no_module(tmp_path: Path, content: bytes, capsys: Output) -> None:
    file = tmp_path / "bad.ko"
    file.write_bytes(content)
    assert run(["info", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(file) in captured.err


HOSTILE = "\x1b]0;owned\x07 \u202e \x9b2J \\x1b [bold]"


def test_what_a_module_says_cannot_command_a_terminal(tmp_path: Path, capsys: Output) -> None:
    evil = replace(
        PARTS["dummy"],
        description=HOSTILE,
        modinfo=(("author", b"J\xf6rg \xff"), ("parm", f"x:{HOSTILE}".encode())),
    )
    root = str(make_simulated(tmp_path, parts={"dummy": evil}).folder.root)
    assert run(["info", "dummy", "--json", "--root", root]) == 0
    text = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in text)
    (info,) = json.loads(text)["modules"]
    # JSON's escaping is the only one: what is read back is what stands in the file.
    assert info["fields"]["description"] == [HOSTILE]
    assert info["fields"]["author"] == ["J\\xf6rg \\xff"]
    assert {"name": "x", "type": None, "description": HOSTILE} in info["parameters"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_files_name_cannot_command_a_terminal_nor_break_the_json(
    kernel: SimulatedKernel, root: str, tmp_path: Path, encoding: str
) -> None:
    honest = kernel.folder.root / f"lib/modules/{RELEASE}/kernel/drivers/net/dummy.ko"
    file = tmp_path / "a\x9b31m\u202e\xfc.ko"
    file.write_bytes(honest.read_bytes())
    odd = os.fsencode(tmp_path) + b"/b\xff.ko"
    Path(os.fsdecode(odd)).write_bytes(honest.read_bytes())
    found = process(
        ["info", str(file), os.fsdecode(odd), "--json"], environment={"PYTHONIOENCODING": encoding}
    )
    assert found.stderr == b""
    assert all(char in b"\n" or 0x20 <= char < 0x7F for char in found.stdout)
    first, second = json.loads(found.stdout)["modules"]
    assert first["filename"] == str(file)
    assert first["name"] == "a\x9b31m\u202e\xfc"
    assert second["filename"] == f"{tmp_path}/b\\xff.ko"


# tree


def test_tree_shows_what_a_module_needs(root: str, capsys: Output) -> None:
    assert printed(capsys, "tree", "virtio-net", "--root", root).splitlines() == [
        "virtio_net",
        "└─ net_failover",
        "   └─ failover",
    ]


def test_tree_shows_what_needs_it(root: str, capsys: Output) -> None:
    assert printed(capsys, "tree", "failover", "--reverse", "--root", root).splitlines() == [
        "failover",
        "└─ net_failover",
        "   └─ virtio_net",
    ]


def test_tree_marks_what_is_not_loaded(root: str, capsys: Output) -> None:
    lines = printed(capsys, "tree", "vfat", "--root", root).splitlines()
    assert lines == ["vfat  (not loaded)", "└─ fat  (not loaded)"]


@pytest.mark.parametrize(
    ("names", "option", "direction"),
    [
        (["virtio_net", "net_failover", "failover"], [], "dependencies"),
        (["failover", "net_failover", "virtio_net"], ["--reverse"], "dependents"),
    ],
)
def test_tree_as_json_is_modules_in_modules(
    root: str, capsys: Output, names: list[str], option: list[str], direction: str
) -> None:
    nested: list[dict[str, Any]] = []
    for name in reversed(names):
        node = {"name": name, "loaded": True, "repeated": False, "truncated": False}
        nested = [{**node, direction: nested}]
    assert printed_json(capsys, "tree", names[0], *option, "--root", root) == {
        "schema": 1,
        **nested[0],
    }


def test_tree_of_a_module_that_nobody_knows(root: str, capsys: Output) -> None:
    words = complaint(capsys, "tree", "btrsf", "--root", root)
    assert "btrsf" in words
    assert "Did you mean btrfs?" in words


def test_tree_without_an_index_says_what_is_missing(root: str, capsys: Output) -> None:
    words = complaint(capsys, "tree", "btrfs", "--root", root, "--kernel", "9.9.9")
    assert "Kernel 9.9.9 has no directory in /lib/modules" in words
    assert RELEASE in words


# symbols


def test_symbols_prints_the_kernels_own_lines(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    assert (
        printed(capsys, "symbols", "--root", root) == kernel.folder.read("/proc/kallsyms").decode()
    )


def test_symbols_of_a_32_bit_kernel_are_its_own_lines_as_well(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    core, rows = "00000000 A nothing\nc0008000 T _stext\n", "bf000000 t init_xor\t[xor]\n"
    kernel.folder.write("/proc/kallsyms", (core + rows).encode())
    assert printed(capsys, "symbols", "--root", root) == core + rows
    assert printed(capsys, "symbols", "--module", "xor", "--root", root) == rows


def test_symbols_of_one_module(root: str, capsys: Output) -> None:
    lines = printed(capsys, "symbols", "--module", "virtio-net", "--root", root).splitlines()
    assert len(lines) == PARTS["virtio_net"].symbols
    assert all(line.endswith("\t[virtio_net]") for line in lines)


def test_symbol_counts_are_the_largest_first(root: str, capsys: Output) -> None:
    lines = printed(capsys, "symbols", "--counts", "--root", root).splitlines()
    counts = [(line.split()[1], int(line.split()[0])) for line in lines]
    assert dict(counts) == SYMBOLS_AT_BOOT
    assert [count for _, count in counts] == sorted(SYMBOLS_AT_BOOT.values(), reverse=True)
    found = printed_json(capsys, "symbols", "--counts", "--root", root)["counts"]
    assert list(found.items()) == counts
    one = printed_json(capsys, "symbols", "--counts", "--module", "ext4", "--root", root)
    assert one["counts"] == {"ext4": PARTS["ext4"].symbols}


def test_symbols_as_json(root: str, capsys: Output) -> None:
    found = printed_json(capsys, "symbols", "--root", root)["symbols"]
    assert found[0]["address"] == "0x0"
    assert found[3] == {
        "name": "_stext",
        "type": "T",
        "module": None,
        "builtin": [],
        "address": "0xffffffff81000000",
    }
    assert found[-1]["module"] == "bpf"
    assert sum(row["module"] == "ext4" for row in found) == PARTS["ext4"].symbols


def test_symbols_of_a_module_that_is_not_loaded(root: str, capsys: Output) -> None:
    words = complaint(capsys, "symbols", "--module", "btrfs", "--root", root)
    assert "no symbols of module btrfs" in words
    assert "kmodtui list" in words


def test_symbols_of_a_kernel_that_has_none(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.folder.write("/proc/kallsyms", b"")
    assert printed(capsys, "symbols", "--root", root) == ""
    assert printed_json(capsys, "symbols", "--root", root)["symbols"] == []
    assert printed(capsys, "symbols", "--counts", "--root", root) == ""
    assert printed_json(capsys, "symbols", "--counts", "--root", root)["counts"] == {}
    kernel.folder.remove("/proc/kallsyms")
    assert "no /proc/kallsyms" in complaint(capsys, "symbols", "--root", root)


def test_names_in_kallsyms_cannot_command_a_terminal(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.append("/proc/kallsyms", b"ffff \x1b \x1b[2J\xff\t[\x07mod]\n")
    for form in ([], ["--json"], ["--counts"], ["--counts", "--json"]):
        text = printed(capsys, "symbols", "--root", root, *form)
        assert not {char for char in text if not char.isprintable()} - {"\n", "\t"}
        assert "\\x07mod" in text or "\\\\x07mod" in text


# Options


def test_common_options_may_stand_before_and_after_the_verb(root: str, capsys: Output) -> None:
    after = printed(capsys, "list", "--root", root)
    assert printed(capsys, "--root", root, "list") == after
    assert "hello" in after
    before = printed(capsys, "--root", root, "--kernel", RELEASE, "tree", "vfat")
    assert before == printed(capsys, "tree", "vfat", "--kernel", RELEASE, "--root", root)


def test_a_root_that_is_not_a_directory(capsys: Output) -> None:
    words = complaint(capsys, "list", "--root", "/no/such\x1bdirectory", status=2)
    assert "/no/such\\x1bdirectory is not a directory" in words
    assert "proc, sys and lib" in words


def test_a_release_that_cannot_be_found_out(
    kernel: SimulatedKernel, root: str, capsys: Output
) -> None:
    kernel.folder.remove("/proc/sys/kernel/osrelease")
    kernel.folder.remove("/proc/version")
    assert run(["info", "xor", "--root", root]) == 2
    assert "--kernel" in capsys.readouterr().err
    assert printed_json(capsys, "info", "xor", "--root", root, "--kernel", RELEASE)


def test_the_demo_and_a_root_exclude_each_other(root: str, capsys: Output) -> None:
    for order in (["--demo", "list", "--root", root], ["--root", root, "list", "--demo"]):
        assert "cannot be combined" in complaint(capsys, *order, status=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["tree"],
        ["info"],
        ["list", "--nonsense"],
        ["--interval", "0.01"],
        ["--interval", "61"],
        ["--interval", "nan"],
        ["--interval", "soon"],
        ["--elevate", "su"],
    ],
)
def test_arguments_that_make_no_sense_end_with_2(arguments: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage: kmodtui" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "\x1b]0;pwn\x07"],
        ["\x1b]0;pwn\x07"],
        ["--interval", "\x1b[31mX"],
        ["--elevate", "\x9b31mX"],
        ["helper", "\x1b[31mX"],
        ["info", "xor", "--\u202etxt"],
    ],
)
def test_arguments_that_make_no_sense_cannot_command_a_terminal(
    arguments: list[str], capsys: Output
) -> None:
    with pytest.raises(SystemExit):
        run(arguments)
    text = capsys.readouterr().err
    assert "error: " in text
    assert all(char.isprintable() or char == "\n" for char in text)


def test_an_interval_that_is_not_a_number_is_told_so(capsys: Output) -> None:
    with pytest.raises(SystemExit):
        run(["--interval", "soon"])
    assert "argument --interval: soon is not a number" in capsys.readouterr().err


def test_version_and_help(capsys: Output) -> None:
    for arguments, words in (
        (["--version"], f"kmodtui {__version__}\n"),
        (["--help"], "compare two snapshots"),
        (["symbols", "--help"], "--counts"),
    ):
        with pytest.raises(SystemExit) as caught:
            run(arguments)
        assert caught.value.code == 0
        assert words in capsys.readouterr().out


def test_verbs_work_in_the_demo(capsys: Output) -> None:
    loaded = printed_json(capsys, "list", "--demo")["modules"]
    assert {module["state"] for module in loaded} == {"Live"}
    counts = printed_json(capsys, "--demo", "symbols", "--counts")["counts"]
    assert counts.keys() <= {module["name"] for module in loaded}
    (info,) = printed_json(capsys, "info", "btrfs", "--demo")["modules"]
    assert info["name"] == "btrfs"
    lines = printed(capsys, "tree", "btrfs", "--demo").splitlines()
    assert lines[0] == "btrfs  (not loaded)"
    assert any("raid6_pq" in line for line in lines)


# Where the output goes


def test_a_reader_that_has_seen_enough_ends_it_quietly(shared_root: str) -> None:
    found = process(["symbols", "--root", shared_root], shell="| head -n 1")
    assert found.stdout == b"0000000000000000 A fixed_percpu_data\n"
    assert found.stderr == b""


@pytest.mark.parametrize("verb", [["symbols"], ["symbols", "--json"], ["list"], ["info", "xor"]])
def test_a_reader_that_has_gone_ends_it_quietly(shared_root: str, verb: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = process([*verb, "--root", shared_root], stdout=writing)
    finally:
        os.close(writing)
    assert (found.returncode, found.stderr) == (141, b"")


@pytest.mark.parametrize(
    "verb", [["list"], ["symbols", "--json"], ["info", "xor"], ["tree", "xor"]]
)
def test_a_full_disk_is_told_in_a_line(shared_root: str, verb: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        found = process([*verb, "--root", shared_root], stdout=full)
    assert found.returncode == 1
    assert found.stderr == b"kmodtui: Cannot write the output: No space left on device.\n"


@pytest.mark.parametrize("verb", [["list"], ["list", "--json"], ["info", "xor"]])
def test_a_closed_output_is_told_in_a_line(shared_root: str, verb: list[str]) -> None:
    found = process([*verb, "--root", shared_root], shell=">&-")
    assert found.returncode == 2
    assert found.stderr.splitlines()[0].endswith(b"Standard output is closed.")


def test_a_complaint_without_a_place_to_go_does_not_get_into_the_output(tmp_path: Path) -> None:
    found = process(["list", "--json", "--root", str(tmp_path)], shell="2>&-")
    assert (found.returncode, found.stdout) == (1, b"")


def test_a_terminal_without_the_characters_gets_ascii_instead(shared_root: str) -> None:
    found = process(
        ["tree", "virtio_net", "--root", shared_root],
        environment={"PYTHONIOENCODING": "ascii"},
    )
    assert found.returncode == 0
    assert found.stdout.splitlines()[1] == b"+- net_failover"


@pytest.mark.parametrize(
    ("term", "words"), [("xterm", b"needs a terminal"), ("dumb", b"needs a terminal")]
)
def test_the_dashboard_refuses_what_is_no_terminal(term: str, words: bytes) -> None:
    found = process([], environment={"TERM": term})
    assert found.returncode == 2
    assert found.stdout == b""
    assert words in found.stderr
    assert b"ssh -t" in found.stderr


def test_the_helper_takes_no_options_for_another_system(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["helper", "--help"])
    text = capsys.readouterr().out
    assert not [word for word in ("--root", "--kernel", "--demo") if word in text]
    for option in (["--demo"], ["--root", "/"], ["--kernel", "6.1.0"]):
        assert run([*option, "helper", "status"]) == 2
        assert "installed on this machine only" in capsys.readouterr().err


def test_a_filter_of_the_list_selects_and_an_invalid_one_is_an_error(
    capsys: pytest.CaptureFixture[str], root: str
) -> None:
    found = printed_json(capsys, "list", "--root", root, "--filter", "/^ext4$/ !name:xfs")
    assert [each["name"] for each in found["modules"]] == ["ext4"]
    assert run(["list", "--root", root, "--filter", "name:=nosuch"]) == 1
    capsys.readouterr()
    assert run(["list", "--root", root, "--filter", "sise>1M"]) == 2
    assert "There is no field “sise”" in capsys.readouterr().err
