"""Blocking modules in the guest, then really trying every way into the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.vm import VM

SOCKETS = {
    "af_alg": "socket.socket(38, 5, 0)",
    "algif_hash": "socket.socket(38, 5, 0).bind(('hash', 'sha256'))",
    "algif_skcipher": "socket.socket(38, 5, 0).bind(('skcipher', 'cbc(aes)'))",
    "algif_aead": "socket.socket(38, 5, 0).bind(('aead', 'gcm(aes)'))",
    "algif_rng": "socket.socket(38, 5, 0).bind(('rng', 'stdrng'))",
    "rxrpc": "socket.socket(33, 2, 2)",
    "can": "socket.socket(29, 3, 1)",
    "can_raw": "socket.socket(29, 3, 1)",
    "phonet": "socket.socket(35, 2, 0)",
    "pppox": "socket.socket(24, 1, 0)",
    "vsock": "socket.socket(40, 1, 0)",
    "kcm": "socket.socket(41, 2, 0)",
    "smc": "socket.socket(43, 1, 0)",
    "bluetooth": "socket.socket(31, 3, 1)",
    "nfc": "socket.socket(39, 3, 0)",
    "atm": "socket.socket(20, 2, 0)",
    "af_key": "socket.socket(15, 3, 2)",
    "qrtr": "socket.socket(42, 2, 0)",
    "nfnetlink": "socket.socket(16, 3, 12)",
    "xfrm_user": "socket.socket(16, 3, 6)",
    "crypto_user": "socket.socket(16, 3, 21)",
    "inet_diag": "socket.socket(16, 3, 4).send(bytes([56, 0, 0, 0, 20, 0, 1, 3]) + bytes(8) + "
    "bytes([2, 6]) + bytes(38))",
}
"""What makes the kernel load a module, for any user."""


def loaded(vm: VM) -> set[str]:
    return {line.split()[0] for line in vm.read("root", "/proc/modules").decode().splitlines()}


def unload(vm: VM, before: set[str]) -> None:
    """Unload what has been loaded since then, whatever the rules say."""
    for _ in range(6):
        more = loaded(vm) - before
        for name in more:
            vm.run("root", ["rmmod", name])
        if not more:
            return
    stays = loaded(vm) - before
    assert not stays & SOCKETS.keys(), stays
    before |= stays  # such as an algorithm that the kernel goes on using


def block(vm: VM, *arguments: str) -> dict[str, Any]:
    done = vm.kmodtui("root", "block", *arguments, "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def unblocked(vm: VM) -> Iterator[VM]:
    yield vm
    vm.run("root", ["rm", "-f", "/etc/modprobe.d/kmodtui-block.conf", "/etc/modprobe.d/a.conf"])


def by_socket(vm: VM, call: str) -> None:
    program = f"import socket\ntry:\n    {call}\nexcept OSError:\n    pass\n"
    vm.run("guest", ["python3", "-c", program], check=True)


@pytest.mark.parametrize("many", [3, pytest.param(12, marks=pytest.mark.full)])
def test_a_user_cannot_have_a_blocked_module_loaded_and_every_way_is_as_predicted(
    unblocked: VM, many: int
) -> None:
    vm = unblocked
    before = loaded(vm)
    known = vm.run("root", "cat /lib/modules/$(uname -r)/modules.dep").stdout
    names = []
    for name in (name for name in SOCKETS if f"/{name}.ko:" in known and name not in before):
        by_socket(vm, SOCKETS[name])
        if name in loaded(vm):
            names.append(name)
        unload(vm, before)
        if many < 12 and len(names) == many:
            break
    # Debian itself prevents it for some, as for tipc and kcm.
    assert len(names) >= many, names
    exposed = json.loads(vm.kmodtui("guest", "exposure", *names, "--json", check=True).stdout)
    assert {each["reach"] for each in exposed["modules"]} == {"any user"}
    told = block(vm, *names)
    closed = json.loads(vm.kmodtui("guest", "exposure", *names, "--json", check=True).stdout)
    assert {each["reach"] for each in closed["modules"]} == {"root only"}
    # A title names three of many.
    assert told["outcome"]["title"].startswith(f"Blocked {', '.join(names[:3])}")
    assert "Verified with modprobe --show-depends" in told["outcome"]["cause"]
    tried = 0
    for name in names:
        by_socket(vm, SOCKETS[name])
        assert name not in loaded(vm), f"an ordinary user has it loaded: {name}"
        for way in (way for way in told["ways"] if way["module"] == name):
            if way["way"] in ("by name", "by alias", "as a dependency", "as a softdep"):
                commands = [["modprobe", "--", each] for each in way["subjects"][:3]]
            elif way["way"] == "modprobe --ignore-install":
                commands = [["modprobe", "--ignore-install", "--", name]]
            else:
                continue
            for command in commands:
                vm.run("root", command)
                # A dependency of this one may be blocked as well, which stops it before.
                if way["result"] == "stopped" or name == "af_alg":
                    assert (name in loaded(vm)) == (way["result"] == "open"), (name, command)
                tried += 1
                unload(vm, before)
    assert tried >= 3 * len(names)
    vm.run("root", "insmod /lib/modules/$(uname -r)/kernel/crypto/af_alg.ko", check=True)
    assert "af_alg" in loaded(vm), "as predicted, insmod reads no rules"
    unload(vm, before)
    done = vm.kmodtui("root", "unblock", *names, "--yes")
    assert done.returncode == 0, done.stderr
    by_socket(vm, SOCKETS["af_alg"])
    assert "af_alg" in loaded(vm)


def test_a_module_with_softdeps_is_blocked_and_unloaded_at_once(unblocked: VM) -> None:
    vm = unblocked
    vm.run("root", ["modprobe", "btrfs"], check=True)
    told = block(vm, "btrfs", "--unload")
    assert told["outcome"]["title"] == "Blocked btrfs. Unloaded btrfs"
    for command in (["modprobe", "btrfs"], ["modprobe", "fs-btrfs"]):
        vm.run("root", command)
        assert "btrfs" not in loaded(vm)
    assert vm.run("root", ["modprobe", "btrfs"]).returncode == 1


def test_a_load_is_logged_and_happens(unblocked: VM) -> None:
    vm = unblocked
    block(vm, "dummy", "--log")
    assert vm.run("root", ["modprobe", "dummy", "numdummies=3"]).returncode == 0
    assert "dummy" in loaded(vm)
    assert vm.run("root", ["test", "-e", "/sys/class/net/dummy2"]).returncode == 0


def test_a_rule_that_comes_first_is_reported_before_anything_is_written(unblocked: VM) -> None:
    vm = unblocked
    vm.write("root", "/etc/modprobe.d/a.conf", b"softdep dummy pre: loop\n")
    refused = vm.kmodtui("root", "block", "dummy", "--yes")
    assert refused.returncode == 1
    assert "/etc/modprobe.d/a.conf:1" in refused.stderr
    assert vm.run("root", "ls /etc/modprobe.d").stdout.split() == ["a.conf"]


@pytest.mark.full
@pytest.mark.parametrize("name", ["aa.conf", "zz.conf"])
@pytest.mark.parametrize(
    "folder",
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/lib/modprobe.d"],
)
def test_a_block_among_rules_of_others_is_told_as_it_is(
    unblocked: VM, folder: str, name: str
) -> None:
    vm = unblocked
    rule = b"install dummy /sbin/modprobe --ignore-install dummy\n"
    vm.run("root", ["mkdir", "-p", folder], check=True)
    vm.write("root", f"{folder}/{name}", rule)
    try:
        done = vm.kmodtui("root", "block", "dummy", "--yes", "--json")
        vm.run("root", ["modprobe", "dummy"])
        stopped = "dummy" not in loaded(vm)
        assert stopped == (done.returncode == 0), done.stdout + done.stderr
        if not stopped:
            assert f"{folder}/{name}" in done.stdout + done.stderr
        assert vm.read("root", f"{folder}/{name}") == rule
    finally:
        vm.run("root", ["rm", f"{folder}/{name}"])


@pytest.mark.full
def test_what_is_in_use_or_built_in_is_told_before_it_is_blocked(unblocked: VM) -> None:
    vm = unblocked
    refused = vm.kmodtui("root", "block", "ext4", "--yes")
    assert refused.returncode == 1
    assert "ext4 holds the root file system" in refused.stderr
    done = vm.kmodtui("root", "block", "ext4", "--yes", "--confirm", "ext4", "--json")
    assert done.returncode == 0, done.stderr
    assert "ext4 is still loaded" in json.loads(done.stdout)["outcome"]["cause"]
    built_in = vm.run("root", "grep -o '[^/]*.ko' /lib/modules/$(uname -r)/modules.builtin")
    name = built_in.stdout.split()[0].removesuffix(".ko").replace("-", "_")
    refused = vm.kmodtui("root", "block", name, "--yes")
    assert refused.returncode == 1
    assert "initcall_blacklist=" in refused.stdout + refused.stderr


def test_without_privileges_it_is_refused_with_a_status_of_its_own(unblocked: VM) -> None:
    assert unblocked.kmodtui("guest", "block", "dummy", "--yes").returncode == 3
    assert unblocked.kmodtui("guest", "block", "dummy", "--dry-run").returncode == 0


FOREIGN = b"options loop max_loop=4\n"
"""A file of somebody else."""


@pytest.mark.full
@pytest.mark.parametrize(
    ("mode", "number", "remedy"),
    [
        ("dd if=/dev/zero of=/etc/modprobe.d/fill bs=4k 2>/dev/null; true", "ENOSPC", "Free space"),
        ("mount -o remount,ro,bind /etc/modprobe.d", "EROFS", "remount"),
        ("chmod go+w /etc/modprobe.d", "does not trust /etc/modprobe.d", "chmod go-w"),
    ],
)
@pytest.mark.parametrize(
    "change", ["block dummy", "blacklist dummy", "keep dummy numdummies=2", "block dummy --log"]
)
def test_where_nothing_can_be_written_no_file_changes_and_the_reason_is_told(
    vm: VM, change: str, mode: str, number: str, remedy: str
) -> None:
    vm.run("root", "mkdir -p /etc/modules-load.d", check=True)
    vm.run("root", "mount -t tmpfs -o size=8k,mode=755 none /etc/modprobe.d", check=True)
    try:
        vm.write("root", "/etc/modprobe.d/mine.conf", FOREIGN)
        vm.run("root", mode, check=True)
        failed = vm.kmodtui("root", *change.split(), "--yes")
        assert failed.returncode == 1, failed.stdout
        assert number in failed.stderr
        assert remedy in failed.stderr
        rules = vm.run("root", "cd /etc/modprobe.d && ls -A --ignore=fill && cat *.conf").stdout
        assert rules == f"mine.conf\n{FOREIGN.decode()}"
    finally:
        vm.run("root", "umount /etc/modprobe.d; rm -f /etc/modules-load.d/kmodtui.conf")
