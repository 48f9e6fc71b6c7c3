"""Experiment, snapshot and diff on Debian's kernel: the numbers are those of grep and diff."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.kernel.dashboard import PATIENCE, await_readings, give_password, open_dashboard
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM


def dump(vm: VM) -> Counter[str]:
    """The rows of /proc/kallsyms without addresses; of no pseudo-owner."""
    rows = vm.read("guest", "/proc/kallsyms").decode().splitlines()
    bare = (row.split(" ", 1)[1] for row in rows)
    return Counter(row for row in bare if not re.search(r"\t\[(bpf|__builtin__\w+)\]$", row))


def loaded(vm: VM) -> list[str]:
    lines = vm.read("guest", "/proc/modules").decode().splitlines()
    return sorted(line.split()[0] for line in lines)


def grep_counts(vm: VM, modules: list[str]) -> dict[str, int]:
    """What `grep -c` says of each module's symbols."""
    script = "; ".join(rf"grep -c '\[{name}\]' /proc/kallsyms" for name in modules)
    numbers = vm.run("guest", script).stdout.split()
    return dict(zip(modules, map(int, numbers), strict=True))


def experiment(vm: VM, *arguments: str) -> dict[str, Any]:
    """What the verb, as root, prints as JSON."""
    ran = vm.kmodtui("root", "experiment", *arguments, "--yes", "--json")
    assert ran.stdout, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    succeeded = report["restored"] and report["load_change"] is not None
    assert (ran.returncode == 0) == succeeded, report["differences"]
    return report


def test_btrfs_by_verb_has_the_numbers_of_grep_and_leaves_no_trace(vm: VM) -> None:
    symbols, modules = dump(vm), loaded(vm)
    report = experiment(vm, "btrfs")
    assert report["restored"] is True, report["differences"]
    assert dump(vm) == symbols
    assert loaded(vm) == modules
    assert report["before"]["module_symbol_count"] == 0
    assert report["after"]["module_symbol_count"] == 0
    assert {"kind": "file system", "name": "btrfs"} in report["appeared"]
    assert any(line.startswith("Btrfs loaded") for line in report["load_log"])

    vm.run("root", ["modprobe", "btrfs"], check=True)
    came = sorted(set(loaded(vm)) - set(modules))
    counted = grep_counts(vm, came)
    change = report["load_change"]
    assert {m["name"]: m["symbol_count"] for m in change["modules"]} == counted
    assert change["symbols_added"] == sum(counted.values())
    assert report["unload_change"]["symbols_removed"] == sum(counted.values())
    sizes = {
        line.split()[0]: int(line.split()[1])
        for line in vm.read("guest", "/proc/modules").decode().splitlines()
    }
    assert {m["name"]: m["size"] for m in change["modules"]} == {name: sizes[name] for name in came}


@pytest.mark.parametrize(
    "name",
    [
        "dummy",
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("loop", "snd-dummy", "bridge", "null_blk", "vcan")
        ),
    ],
)
def test_the_machine_is_as_before(vm: VM, name: str) -> None:
    symbols, modules = dump(vm), loaded(vm)
    report = experiment(vm, name)
    assert report["restored"] is True, report["differences"]
    assert report["load_change"]["symbols_added"] > 0
    assert dump(vm) == symbols
    assert loaded(vm) == modules
    if name == "dummy":
        assert {"kind": "network interface", "name": "dummy0"} in report["appeared"]


def test_a_parameter_that_is_refused_leaves_no_trace(vm: VM) -> None:
    modules = loaded(vm)
    report = experiment(vm, "nbd", "max_part=100000")
    assert report["load"]["succeeded"] is False
    assert report["load_change"] is None
    assert report["differences"] == []
    assert loaded(vm) == modules


def test_a_module_that_is_loaded_is_refused(vm: VM) -> None:
    ran = vm.kmodtui("root", "experiment", "ext4", "--yes")
    assert ran.returncode == 1
    assert "ext4 is already loaded" in ran.stderr


def test_the_verb_asks_on_the_terminal_and_prints_stage_by_stage(vm: VM) -> None:
    modules = loaded(vm)
    with open_terminal(vm, "admin", ["kmodtui", "experiment", "dummy"]) as terminal:
        terminal.wait_for(r"insmod +dummy", timeout=PATIENCE)
        terminal.wait_for(r"Continue\? \[y/N\]", timeout=PATIENCE)
        terminal.press("y", "Enter")
        give_password(terminal)
        terminal.wait_for(r"None. Modules, symbols, devices", timeout=PATIENCE)
        assert re.search(r"dummy +\+\d+", terminal.text())
        assert terminal.wait_for_exit(PATIENCE) == 0
    assert loaded(vm) == modules


@pytest.mark.full
def test_btrfs_by_keys_shows_the_numbers_of_grep(vm: VM) -> None:
    symbols, modules = dump(vm), loaded(vm)
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        terminal.press("x")
        terminal.wait_for("Experiment: load, inspect", timeout=PATIENCE)
        terminal.press("btrfs", "Enter")
        terminal.wait_for("y start", timeout=PATIENCE)
        terminal.press("y")
        give_password(terminal)
        terminal.wait_for("None. Modules, symbols, devices", timeout=PATIENCE)
        terminal.wait_for("Enter close", timeout=PATIENCE)
        terminal.press("k" * 60)
        terminal.wait_for(
            r"1  Before[\s\S]* btrfs +\+\d[\s\S]* zstd_compress +\+\d[\s\S]* libcrc32c +\+\d",
            timeout=PATIENCE,
        )
        shown = {
            name: int(number.replace(",", ""))
            for name, number in re.findall(r"(\w+) +\+([\d,]+) +[\d.]+ [KM]iB", terminal.text())
        }
        terminal.press("Enter")
        terminal.wait_for("1 Modules", timeout=PATIENCE)
        terminal.press("t")
        # Both changes are events, and nothing differs between the ends.
        terminal.wait_for(r"\+ btrfs[\s\S]*− btrfs", timeout=PATIENCE)
        terminal.press("g", " ", "G", "c")
        terminal.wait_for("loaded and unloaded", timeout=PATIENCE)
        assert "no symbols added or removed" in terminal.text()
    assert dump(vm) == symbols
    assert loaded(vm) == modules
    vm.run("root", ["modprobe", "btrfs"], check=True)
    assert shown == grep_counts(vm, sorted(set(loaded(vm)) - set(modules)))


def test_a_snapshot_and_now_differ_by_what_diff_says(vm: VM) -> None:
    before, modules = dump(vm), loaded(vm)
    vm.run("guest", ["rm", "-f", "/tmp/before.kmodtui"])
    vm.kmodtui("guest", "snapshot", "-o", "/tmp/before.kmodtui", check=True)
    mode = vm.run("guest", ["stat", "-c", "%a %s", "/tmp/before.kmodtui"], check=True).stdout
    assert mode.split()[0] == "600"
    assert int(mode.split()[1]) < 1_000_000
    again = vm.kmodtui("guest", "snapshot", "-o", "/tmp/before.kmodtui")
    assert again.returncode == 1
    assert "already exists" in again.stderr

    vm.run("root", ["modprobe", "-a", "btrfs", "8021q"], check=True)
    came = set(loaded(vm)) - set(modules)
    diff = ["diff", "/tmp/before.kmodtui", "--json", "--symbols"]
    told = json.loads(vm.kmodtui("guest", *diff, check=True).stdout)
    assert {module["name"] for module in told["modules"]["loaded"]} == came
    assert told["modules"]["unloaded"] == []
    rows = Counter(
        f"{symbol['type']} {symbol['name']}\t[{owner['module']}]"
        for owner in told["symbols"]["by_module"]
        for symbol in owner["added"]["symbols"]
    )
    assert rows == dump(vm) - before
    assert told["symbols"]["removed"] == 0


def test_no_address_leaves_the_machine_unless_root_asks_for_it(vm: VM) -> None:
    vm.run("root", ["rm", "-f", "/tmp/plain.kmodtui", "/tmp/told.kmodtui"])
    vm.kmodtui("root", "snapshot", "-o", "/tmp/plain.kmodtui", check=True)
    asked = ["snapshot", "-o", "/tmp/told.kmodtui", "--addresses"]
    refused = vm.kmodtui("guest", *asked)
    assert refused.returncode == 1
    assert "hides addresses from this user" in refused.stderr
    assert "KASLR" in vm.kmodtui("root", *asked, check=True).stdout
    unpack = (
        "import sys; from backports import zstd; packed = open(sys.argv[1], 'rb').read(); "
        "print(zstd.decompress(packed.split(b'\\n', 1)[1]).count(b'ffffffff'))"
    )
    for path, some in (("/tmp/plain.kmodtui", False), ("/tmp/told.kmodtui", True)):
        counted = vm.run("root", ["/opt/kmodtui/bin/python", "-c", unpack, path], check=True)
        assert (int(counted.stdout) > 1000) is some
