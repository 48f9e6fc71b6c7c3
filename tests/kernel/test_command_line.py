"""The verbs that print, against what the guest's own files and tools say."""

import json
import re
from collections import Counter
from typing import Any

from tests.kernel.vm import VM


def test_list_as_json_is_proc_modules_line_by_line(vm: VM) -> None:
    result = vm.run("guest", "cat /proc/modules; echo; kmodtui list --json", check=True)
    lines, _, answer = result.stdout.partition("\n\n")
    modules = json.loads(answer)["modules"]
    assert [proc_line(module) for module in modules] == lines.splitlines()
    assert {module["address"] for module in modules} == {None}


def test_list_shows_root_the_addresses(vm: VM) -> None:
    result = vm.run("root", "cat /proc/modules; echo; kmodtui list --json", check=True)
    lines, _, answer = result.stdout.partition("\n\n")
    modules = json.loads(answer)["modules"]
    assert [proc_line(module) for module in modules] == lines.splitlines()
    assert all(module["address"] for module in modules)


def test_list_tells_a_permanent_module(vm: VM) -> None:
    # It stays until the guest goes; what else is loaded is as it was.
    vm.run("root", ["modprobe", "binder_linux"], check=True)
    listed = json.loads(vm.kmodtui("guest", "list", "--json", check=True).stdout)
    (binder,) = (module for module in listed["modules"] if module["name"] == "binder_linux")
    assert binder["permanent"] is True
    assert binder["holders"] == []


def test_symbol_counts_are_those_of_kallsyms(vm: VM) -> None:
    vm.run("root", ["modprobe", "vfat"], check=True)
    counts = json.loads(vm.kmodtui("guest", "symbols", "--counts", "--json", check=True).stdout)[
        "counts"
    ]
    table = vm.read("guest", "/proc/kallsyms").decode()
    modules = {line.split()[0] for line in vm.read("guest", "/proc/modules").decode().splitlines()}
    owners = Counter(re.findall(r"\t\[(.*)\]$", table, re.MULTILINE))
    expected = {owner: count for owner, count in owners.items() if owner in modules}
    assert {name: count for name, count in counts.items() if name in modules} == expected
    assert {"vfat", "fat"} <= set(expected)
    numbers = list(counts.values())
    assert numbers == sorted(numbers, reverse=True)


def test_info_by_name_prints_what_modinfo_prints(vm: VM) -> None:
    names = ["btrfs", "dummy", "snd-dummy", "virtio_net", "cifs"]
    theirs = vm.run("guest", ["/sbin/modinfo", *names], check=True)
    ours = vm.kmodtui("guest", "info", *names, check=True)
    assert ours.stdout == theirs.stdout


def test_tree_names_what_modprobe_would_load(vm: VM) -> None:
    result = vm.kmodtui("guest", "tree", "snd-dummy", "--json", check=True)
    shown = vm.run("guest", ["/sbin/modprobe", "--show-depends", "snd-dummy"], check=True).stdout
    files = re.findall(r"/([^/]+)\.ko", shown)
    assert names_in(json.loads(result.stdout)) == {file.replace("-", "_") for file in files}


def names_in(node: dict[str, Any]) -> set[str]:
    return {node["name"]}.union(*(names_in(child) for child in node["dependencies"]))


def proc_line(module: dict[str, Any]) -> str:
    """The line of /proc/modules that this can only have come from."""
    holders = "".join(f"{holder}," for holder in module["holders"])
    holders += "[permanent]," if module["permanent"] else ""
    count = "-" if module["refcount"] is None else module["refcount"]
    taint = f" ({module['taint']})" if module["taint"] else ""
    address = int(module["address"] or "0x0", 16)
    return (
        f"{module['name']} {module['size']} {count} {holders or '-'} {module['state']} "
        f"0x{address:016x}{taint}"
    )
