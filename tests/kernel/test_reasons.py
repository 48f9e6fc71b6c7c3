"""`why` and `about` agree with what the test has done with rarer kinds of modules.

`make test-full` alone: on Debian 12's kernel and on Debian 13's, where systemd loads modules.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kernel import image as images
from tests.kernel.host_commands import CannotRunError
from tests.kernel.test_about import certain, page
from tests.kernel.vm import VM, boot

pytestmark = pytest.mark.full

HASH = (
    "import socket; s = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET); "
    "s.bind(('hash', 'wp512')); c, _ = s.accept(); print('open', flush=True); input()"
)
RULES = "/etc/modprobe.d/reasons.conf"
LIST = "/etc/modules-load.d/reasons.conf"


@pytest.fixture(scope="module")
def newest_vm() -> Iterator[VM]:
    """Debian 13, run by systemd."""
    try:
        image = images.cached(images.SYSTEMD)
    except CannotRunError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with boot(image=image) as vm:
        yield vm


@pytest.fixture(params=["vm", "newest_vm"])
def guest(request: pytest.FixtureRequest) -> VM:
    """Each of the guests."""
    vm: VM = request.getfixturevalue(request.param)
    return vm


@contextmanager
def afterwards(vm: VM, command: str) -> Iterator[None]:
    """Clean up, whatever fails."""
    try:
        yield
    finally:
        vm.run("root", command)


def test_an_algorithm_in_use_is_why_its_module_is_loaded_and_stays(guest: VM) -> None:
    command = guest.ssh("guest", ["/opt/kmodtui/bin/python", "-c", HASH])
    with (
        afterwards(guest, "modprobe -r wp512 algif_hash"),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        why = page(guest, "why", "wp512")
        assert "the kernel loads it for this algorithm" in certain(why["reasons"])
        assert "algorithm wp512-generic" in certain(why["holders"])
        assert "wp512" in certain(page(guest, "about", "wp512")["provides"])
        holder.communicate(b"\n")


def test_a_mount_of_overlay_is_why_it_is_loaded_and_stays(guest: VM) -> None:
    make = (
        "mkdir -p /dev/shm/o/low /dev/shm/o/up /dev/shm/o/work /dev/shm/o/all && mount -t overlay "
        "-o lowerdir=/dev/shm/o/low,upperdir=/dev/shm/o/up,workdir=/dev/shm/o/work "
        "overlay /dev/shm/o/all"
    )
    with afterwards(guest, "umount /dev/shm/o/all; rm -r /dev/shm/o; modprobe -r overlay"):
        guest.run("root", make, check=True)
        why = page(guest, "why", "overlay")
        assert "mount /dev/shm/o/all (overlay): the kernel loads" in certain(why["reasons"])
        assert "mount /dev/shm/o/all (overlay). Unmount it first." in certain(why["holders"])
        assert not [each for each in why["holders"] if each["kind"] == "unknown"]
        assert "mount /dev/shm/o/all" in certain(page(guest, "about", "overlay")["used_by"])


def test_swap_on_a_loop_device_is_attributed(guest: VM) -> None:
    make = (
        "modprobe loop; dd if=/dev/zero of=/dev/shm/swap bs=1M count=8 2>/dev/null; "
        "losetup /dev/loop0 /dev/shm/swap && mkswap /dev/loop0 >/dev/null && swapon /dev/loop0 && "
        "{ udevadm settle || true; }"
    )
    undo = "swapoff /dev/loop0; losetup -d /dev/loop0; rm /dev/shm/swap; modprobe -r loop"
    with afterwards(guest, undo):
        guest.run("root", make, check=True)
        why = page(guest, "why", "loop")
        assert "loop0, used as swap. Stop using the block device" in certain(why["holders"])
        assert "loop0, backed by /dev/shm/swap" in certain(why["holders"])
        assert not [each for each in why["holders"] if each["kind"] == "unknown"]
        assert "block device loop0" in certain(why["losses"])


def test_a_softdep_is_a_possible_reason_with_its_line(guest: VM) -> None:
    with afterwards(guest, f"modprobe -r dummy; modprobe -r wp512; rm -f {RULES}"):
        guest.run(
            "root",
            f"echo softdep dummy pre: wp512 > {RULES}; modprobe dummy numdummies=1",
            check=True,
        )
        (reason,) = page(guest, "why", "wp512")["reasons"]
        assert reason["kind"] == "softdep"
        assert reason["text"].startswith("dummy, which is loaded, names it as a soft dependency")
        assert reason["evidence"] == [f"{RULES}:1: softdep dummy pre: wp512"]
        assert not reason["certain"]
        assert "network interface dummy0" in certain(page(guest, "about", "dummy")["provides"])


def test_a_list_of_modules_to_load_is_why_systemd_has_loaded_one(newest_vm: VM) -> None:
    with afterwards(newest_vm, f"rm -f {LIST}; modprobe -r wp512"):
        newest_vm.write("root", LIST, b"# for a test\nwp512\n")
        newest_vm.run("root", ["systemctl", "restart", "systemd-modules-load"], check=True)
        why = page(newest_vm, "why", "wp512")
        (reason,) = why["reasons"]
        assert (reason["kind"], reason["certain"]) == ("configuration", True)
        assert reason["evidence"] == [f"{LIST}:2: wp512"]
        assert "it can be unloaded" in certain(why["holders"])


def test_what_was_inserted_by_hand_from_elsewhere_is_not_explained_wrongly(guest: VM) -> None:
    made = "cp $(modinfo -n wp512) /dev/shm/ && insmod /dev/shm/wp512.ko*"
    with afterwards(guest, "rmmod wp512; rm -f /dev/shm/wp512.ko*"):
        guest.run("root", made, check=True)
        (reason,) = page(guest, "why", "wp512")["reasons"]
        assert (reason["kind"], reason["certain"]) == ("unknown", False)
        provides = certain(page(guest, "about", "wp512")["provides"])
        assert "3 algorithms: " in provides


def test_a_console_and_a_kprobe_are_read_from_a_real_kernel(guest: VM) -> None:
    probe = "echo p:reasons dummy_xmit > /sys/kernel/tracing/kprobe_events"
    enable = "echo 1 > /sys/kernel/tracing/events/kprobes/reasons/enable"
    undo = (
        "echo 0 > /sys/kernel/tracing/events/kprobes/reasons/enable; "
        "echo > /sys/kernel/tracing/kprobe_events; modprobe -r dummy"
    )
    mount = "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing"
    debug = "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug"
    with afterwards(guest, undo):
        guest.run("root", f"{mount}; {debug}; modprobe dummy && {probe} && {enable}", check=True)
        losses = page(guest, "why", "dummy")["losses"]
        assert "kprobe 1 function: dummy_xmit" in certain(losses)
