"""What `doctor` and `devices` say of a real kernel is what the test knows of it."""

from __future__ import annotations

import json
from typing import Any

from tests.kernel.image import Image
from tests.kernel.vm import VM
from tests.support.surgery import unsigned


def findings(vm: VM, user: str) -> dict[str, dict[str, Any]]:
    answer = json.loads(vm.kmodtui(user, "doctor", "--json", check=True).stdout)
    return {each["key"]: each for group in answer["groups"] for each in group["findings"]}


def devices(vm: VM, *arguments: str) -> dict[str, dict[str, Any]]:
    answer = json.loads(vm.kmodtui("root", "devices", *arguments, "--json", check=True).stdout)
    return {each["address"]: each for each in answer["devices"]}


def test_the_doctor_reads_the_kernel_its_configuration_and_kmod(vm: VM) -> None:
    found = findings(vm, "root")
    options = {key: found[key]["level"] for key in ("MODULES", "MODULE_UNLOAD", "MODVERSIONS")}
    assert set(options.values()) == {"ok"}
    version = vm.run("root", ["kmod", "--version"], check=True).stdout.split()[2]
    assert f"kmod {version} loads modules" in found["modprobe"]["reason"]
    assert found["kernel.modules_disabled"]["level"] == "ok"
    assert found["kernel.modprobe"]["level"] == "ok"
    assert found["index"]["level"] == "ok", found["index"]
    assert found["load"]["level"] == "ok"
    assert not [key for key, each in found.items() if each["level"] == "unknown"]


def test_the_doctor_says_what_a_user_may_not_do(vm: VM) -> None:
    found = findings(vm, "guest")
    assert found["load"]["level"] in ("limited", "off")
    assert found["kernel_log"]["level"] == "limited"
    assert found["addresses"]["level"] == "limited"


def test_a_taint_has_its_module_and_none_after_that_was_unloaded(vm: VM, debian: Image) -> None:
    (dummy,) = debian.modules.rglob("dummy.ko")
    vm.write("root", "/tmp/dummy.ko", unsigned(dummy.read_bytes()))
    vm.run("root", ["insmod", "/tmp/dummy.ko"], check=True)
    try:
        assert "Set by: dummy." in findings(vm, "root")["taint E"]["reason"]
    finally:
        vm.run("root", "rmmod dummy || true")
    assert "has been unloaded" in findings(vm, "root")["taint E"]["reason"]


def test_a_device_loses_its_driver_with_the_module_and_says_which_would_fit(vm: VM) -> None:
    before = devices(vm)
    assert before["virtio0"]["driver"].startswith("virtio")
    assert {each["module"] for each in before.values()} >= {"virtio_blk", "virtio_net"}
    vm.run("root", ["modprobe", "-r", "pcspkr"], check=True)
    try:
        after = devices(vm, "pcspkr")["pcspkr"]
        assert (after["state"], after["driver"]) == ("not loaded", None)
        vm.run("root", "echo blacklist pcspkr > /etc/modprobe.d/own.conf", check=True)
        blacklisted = devices(vm, "pcspkr")["pcspkr"]
        assert blacklisted["state"] == "blacklisted"
        assert "/etc/modprobe.d/own.conf:1" in blacklisted["reason"]
    finally:
        vm.run("root", "rm -f /etc/modprobe.d/own.conf; modprobe pcspkr")
    assert devices(vm, "pcspkr")["pcspkr"]["state"] == "driven"
