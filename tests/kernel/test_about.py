"""What `about` and `why` say of modules is what the test has done with them, on a real kernel."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.vm import VM


def page(vm: VM, verb: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """The statements of each section, as root sees them."""
    answer = json.loads(vm.kmodtui("root", verb, name, "--json", check=True).stdout)
    (module,) = answer["modules"]
    return {section["key"]: section["statements"] for section in module["sections"]}


def certain(statements: list[dict[str, Any]]) -> str:
    return "\n".join(statement["text"] for statement in statements if statement["certain"])


@pytest.fixture
def tun_held(vm: VM) -> Iterator[None]:
    """Another user's program has /dev/net/tun open."""
    vm.run("root", "modprobe tun && chmod a+rw /dev/net/tun", check=True)
    command = vm.ssh("guest", "exec 3</dev/net/tun; echo open; read line")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        yield
        holder.communicate(b"\n")
    vm.run("root", ["modprobe", "-r", "tun"], check=True)


def test_the_disk_and_its_file_system_are_why_their_modules_are_loaded(vm: VM) -> None:
    ext4 = page(vm, "why", "ext4")
    assert "mount" in certain(ext4["reasons"])
    assert "(ext4)" in certain(ext4["holders"])
    disk = page(vm, "why", "virtio_blk")
    assert "matches one of its aliases, and uses its driver virtio_blk" in certain(disk["reasons"])
    assert "block device" in certain(disk["losses"])
    about = page(vm, "about", "virtio_blk")
    assert "driven by this module" in certain(about["present"])


def test_the_interface_in_use_is_what_unloading_its_driver_takes_away(vm: VM) -> None:
    network = page(vm, "why", "virtio_net")
    assert "eth0" in certain(network["losses"])
    assert "nothing holds a reference" in certain(network["holders"])


@pytest.mark.usefixtures("tun_held")
def test_an_open_device_file_holds_the_module(vm: VM) -> None:
    tun = page(vm, "why", "tun")
    assert "/dev/net/tun, opened by " in certain(tun["holders"])
    assert ", user guest)" in certain(tun["holders"])
    assert "device node /dev/net/tun" in certain(page(vm, "about", "tun")["provides"])


def test_a_loop_device_and_a_sound_card_are_attributed(vm: VM) -> None:
    vm.run("root", "modprobe snd-dummy; modprobe loop; truncate -s 1M /tmp/image; "
                   "losetup /dev/loop0 /tmp/image", check=True)  # fmt: skip
    try:
        loop = page(vm, "why", "loop")
        assert "loop0, backed by /tmp/image" in certain(loop["holders"])
        card = page(vm, "about", "snd_dummy")
        assert "sound" in certain(card["provides"])
        assert "snd_dummy" in certain(page(vm, "why", "snd_pcm")["reasons"])
        # A person loaded it: nothing proves why.
        (reason,) = page(vm, "why", "snd_dummy")["reasons"]
        assert not reason["certain"]
    finally:
        vm.run("root", "losetup -d /dev/loop0; modprobe -r loop; modprobe -r snd-dummy")
