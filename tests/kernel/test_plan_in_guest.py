"""Plans against what modprobe then really does to a kernel: which modules, in which order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.vm import VM

CHAINS = (
    "btrfs",
    "raid456",
    "dm_raid",
    "vfat",
    "xfs",
    "ceph",
    "bridge",
    "8021q",
    "wireguard",
    "nft_chain_nat",
    "ip6table_nat",
    "vxlan",
    "snd_dummy",
    "dm_crypt",
)
"""Each brings others along; several of them share some."""

PAGE = 4096

RULES = "/etc/modprobe.d/kmodtui-tests.conf"


@pytest.fixture
def rules(vm: VM) -> Iterator[VM]:
    yield vm
    vm.run("root", ["rm", "-f", RULES], check=True)


def planned(vm: VM, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The plan that an ordinary user sees."""
    result = vm.kmodtui("guest", "plan", *arguments, "--json")
    assert result.returncode == status, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def plan(vm: VM, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    """The steps of that plan."""
    steps: list[dict[str, Any]] = planned(vm, *arguments, status=status)["steps"]
    return steps


def acting(steps: list[dict[str, Any]], action: str) -> list[str]:
    return [step["module"] for step in steps if step["action"] == action]


def insmod_lines(steps: list[dict[str, Any]]) -> list[str]:
    return [step["command"] for step in steps if step["action"] == "insmod"]


def table(vm: VM) -> dict[str, int]:
    """Sizes by name, newest first."""
    lines = vm.read("root", "/proc/modules").decode().splitlines()
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def loaded(vm: VM) -> list[str]:
    """Names, newest first."""
    return list(table(vm))


def load(vm: VM, *arguments: str) -> None:
    """Load with modprobe, and check that it did what the plan had said."""
    steps = plan(vm, "load", *arguments)
    before = loaded(vm)
    done = vm.run("root", ["modprobe", "-v", "--", *arguments], check=True)
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    assert insmod_lines(steps) == [line for line in printed if line.startswith("insmod")]
    sizes = table(vm)
    assert acting(steps, "insmod") == [name for name in reversed(sizes) if name not in before]
    for step in steps:
        if step["action"] == "insmod":
            assert abs(step["memory"] - sizes[step["module"]]) <= PAGE, step["module"]


def unload(vm: VM, *names: str, status: int = 0) -> None:
    """Unload with modprobe, and check that it did what the plan had said."""
    found = planned(vm, "unload", *names)
    steps = found["steps"]
    before = set(loaded(vm))
    order = [step for step in steps if step["action"] in ("rmmod", "remove")]
    done = vm.run("root", ["modprobe", "-r", "-v", "--", *names])
    assert done.returncode == status, done.stderr
    refused = [
        line.split("'")[1] for line in done.stderr.splitlines() if "could not remove" in line
    ]
    printed = [
        line for line in done.stdout.splitlines() if line.removeprefix("rmmod ") not in refused
    ]
    expected = [
        step["command"] if step["action"] == "rmmod" else f"remove {step['command']}"
        for step in order
    ]
    assert printed == expected
    after = set(loaded(vm))
    assert before - after == set(acting(steps, "rmmod"))
    assert {one["module"] for one in found["still_loaded"]} <= after


@pytest.mark.parametrize(
    "name",
    # Two of them every time: each takes four seconds of emulation.
    [
        name if name in ("btrfs", "vfat") else pytest.param(name, marks=pytest.mark.full)
        for name in CHAINS
    ],
)
def test_a_chain_comes_and_goes_as_planned(vm: VM, name: str) -> None:
    load(vm, name)
    steps = plan(vm, "unload", name)
    assert len(acting(steps, "rmmod")) > 1
    unload(vm, name)


@pytest.mark.full
def test_chains_that_share_modules_come_and_go_as_planned(vm: VM) -> None:
    for name in ("btrfs", "raid456", "vxlan", "wireguard", "dm_raid"):
        load(vm, name)
    for name in ("wireguard", "btrfs", "dm_raid", "vxlan"):
        unload(vm, name)
    assert "raid456" not in loaded(vm)


def test_users_go_first_whatever_the_order_of_the_names(vm: VM) -> None:
    vm.run("root", ["modprobe", "btrfs"], check=True)
    steps = plan(vm, "unload", "raid6_pq", "xor", "btrfs")
    assert acting(steps, "rmmod")[0] == "btrfs"
    refused = vm.kmodtui("guest", "plan", "unload", "xor")
    assert refused.returncode == 1
    assert "xor is in use by btrfs." in refused.stderr
    assert "Unload btrfs first." in refused.stderr
    assert vm.run("root", ["modprobe", "-r", "xor"]).returncode != 0
    unload(vm, "btrfs")


def test_what_is_in_the_way_can_be_unloaded_in_the_order_that_is_told(vm: VM) -> None:
    vm.run("root", ["modprobe", "nft_chain_nat"], check=True)
    refused = vm.kmodtui("guest", "plan", "unload", "nf_conntrack")
    (remedy,) = (line for line in refused.stderr.splitlines() if "Unload " in line)
    names = remedy.partition("Unload ")[2].partition(" first")[0].split(", ")
    assert len(names) > 1
    for name in names:
        if name in loaded(vm):
            vm.run("root", ["modprobe", "-r", name], check=True)
    if "nf_conntrack" in loaded(vm):
        unload(vm, "nf_conntrack")


def test_options_and_softdeps_of_modprobe_d_are_followed_as_planned(rules: VM) -> None:
    vm = rules
    lines = (
        "options dummy numdummies=3",
        "softdep dummy pre: vfat post: nbd",
        "softdep vfat pre: fs-minix",
        "softdep snd_* post: 8021q",
    )
    vm.write("root", RULES, "".join(f"{line}\n" for line in lines).encode())
    for name in ("dummy", "snd_dummy"):
        load(vm, name)
    for name in ("dummy", "snd_dummy"):
        unload(vm, name)


def test_commands_of_modprobe_d_are_run_as_planned(rules: VM) -> None:
    vm = rules
    lines = (
        "install veth /sbin/modprobe --ignore-install veth $CMDLINE_OPTS && true",
        "remove veth /bin/true",
        "install dummy /bin/false",
    )
    vm.write("root", RULES, "".join(f"{line}\n" for line in lines).encode())
    (step,) = plan(vm, "load", "veth", "a=1")
    assert (step["action"], step["rule"]) == ("install", f"{RULES}:1")
    assert step["command"] == "/sbin/modprobe --ignore-install veth a=1 && true"
    vm.run("root", ["modprobe", "veth", "a=1"], check=True)
    assert "veth" in loaded(vm)
    (step,) = plan(vm, "unload", "veth")
    assert (step["action"], step["command"]) == ("remove", "/bin/true")
    done = vm.run("root", ["modprobe", "-r", "-v", "veth"], check=True)
    assert done.stdout == "remove /bin/true\n"
    assert "veth" in loaded(vm)
    (step,) = plan(vm, "load", "dummy", status=1)
    assert (step["action"], step["command"]) == ("install", "/bin/false")
    assert vm.run("root", ["modprobe", "dummy"]).returncode == 1


def test_a_blacklisted_alias_loads_nothing_as_planned(rules: VM) -> None:
    vm = rules
    vm.write("root", RULES, b"blacklist minix\n")
    steps = plan(vm, "load", "fs-minix")
    assert [(step["action"], step["rule"]) for step in steps] == [("skip", f"{RULES}:1")]
    vm.run("root", ["modprobe", "fs-minix"], check=True)
    assert "minix" not in loaded(vm)
    load(vm, "minix")


def test_a_softdep_in_use_ends_modprobe_where_the_plan_says(rules: VM) -> None:
    vm = rules
    vm.write("root", RULES, b"softdep dummy post: xor\n")
    vm.run("root", ["modprobe", "-a", "btrfs", "dummy"], check=True)
    refused = vm.kmodtui("guest", "plan", "unload", "dummy")
    assert refused.returncode == 1
    assert "modprobe unloads xor before dummy, as its softdep, and fails there" in refused.stderr
    assert vm.run("root", ["modprobe", "-r", "dummy"]).returncode != 0
    assert "dummy" in loaded(vm)
    vm.write("root", RULES, b"softdep dummy pre: xor vfat\n")
    vm.run("root", ["modprobe", "vfat"], check=True)
    unload(vm, "dummy", status=1)
    assert "vfat" in loaded(vm) or "xor" in loaded(vm)
