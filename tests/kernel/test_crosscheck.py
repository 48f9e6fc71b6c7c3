"""The cross-check in the guest: nothing on Debian's kernel, also while modules move."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.driver import Driver
from tests.kernel.image import Image
from tests.kernel.vm import VM, boot

ROOT_SOURCES = {
    "/proc/vmallocinfo",
    "kprobes/list",
    "enabled_functions",
    "available_filter_functions",
    "kernel log",
}
TRACES = {"taint", "log"}
"""What other tests have left in the kernel: modules that are unloaded again."""


STOP = "/run/stop-moving"


def check(vm: VM, user: str, *options: str) -> dict[str, Any]:
    done = vm.kmodtui(user, "crosscheck", *options, "--json")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert {each["kind"] for each in found["findings"]} <= TRACES, found["findings"]
    if vm.read("root", "/proc/sys/kernel/tainted").strip() == b"0":
        assert done.returncode == 0
    return found


@contextmanager
def moving(vm: VM, *names: str) -> Iterator[None]:
    """Load and unload modules in a loop meanwhile; none stays loaded."""
    words = " ".join(f"modprobe {name}; modprobe -r {name};" for name in names)
    loop = f"(while [ ! -e {STOP} ]; do {words} done) >/dev/null 2>&1 & echo $!"
    pid = vm.run("root", loop, check=True).stdout.strip()
    try:
        yield
    finally:
        vm.run("root", f"touch {STOP}; while kill -0 {pid}; do sleep 0.1; done; rm {STOP}")


@pytest.mark.full
def test_nothing_is_found_on_an_unmodified_kernel_as_a_user_and_as_root(vm: VM) -> None:
    assert not ROOT_SOURCES & set(check(vm, "guest")["compared"])
    direct = check(vm, "root")
    through_helper = check(vm, "root", "--as-root")
    compared = set(through_helper["compared"])
    assert compared == set(direct["compared"])
    assert compared >= ROOT_SOURCES
    if not direct["findings"]:  # what other tests have left is read again to be sure of it
        assert direct["readings"] == 1
    assert any(each.startswith("packages") for each in compared) or any(
        each["source"] == "packages" for each in direct["not_compared"]
    )


@pytest.mark.full
def test_nothing_is_found_while_modules_are_loaded_and_unloaded(vm: VM) -> None:
    with moving(vm, "dummy", "btrfs"):
        for user, *options in (("guest",), ("root",), ("root", "--as-root")):
            check(vm, user, *options)


HIDING = """
#include <linux/module.h>
#include <linux/list.h>
#include <linux/kobject.h>

static bool sysfs;
module_param(sysfs, bool, 0444);

static noinline int @NAME@_work(int x)
{
	return x * 3 + 1;
}

static int __init hide(void)
{
	pr_info("@NAME@: %d\\n", @NAME@_work(4));
	list_del_init(&THIS_MODULE->list);
	if (sysfs)
		kobject_del(&THIS_MODULE->mkobj.kobj);
	return 0;
}

module_init(hide);
MODULE_LICENSE("GPL");
"""
"""A module that takes itself out of the list of modules, and on request out of sysfs."""


@pytest.mark.full
def test_a_module_that_hides_itself_is_found_by_several_signs(
    debian: Image, tmp_path: Path
) -> None:
    with boot(image=debian) as vm:  # such a module stays until the guest ends
        driver = Driver(tmp_path, vm.release)
        for name, *parameters in (("half", "sysfs=0"), ("ghost", "sysfs=1")):
            data = driver.make(name, HIDING.replace("@NAME@", name)).read_bytes()
            vm.write("root", f"/root/{name}.ko", data)
            vm.run("root", shlex.join(["insmod", f"/root/{name}.ko", *parameters]), check=True)
        assert not {b"half", b"ghost"} & set(vm.read("root", "/proc/modules").split())
        done = vm.kmodtui("root", "crosscheck", "--json")
        assert done.returncode == 1
        findings = json.loads(done.stdout)["findings"]
        signs = {
            each["subject"]: {sign["source"] for sign in each["signs"]}
            for each in findings
            if each["kind"] == "hidden"
        }
        assert signs["half"] >= {
            "/sys/module/half",
            "kernel log",
            "available_filter_functions",
            "/proc/vmallocinfo",
        }
        assert signs["ghost"] == {"available_filter_functions", "/proc/vmallocinfo"}
        assert {e["subject"] for e in findings if e["kind"] == "taint"} == {"O", "E"}
        # Who is not root sees what is in sysfs, and the taint.
        done = vm.kmodtui("guest", "crosscheck", "--json")
        seen = {(each["kind"], each["subject"]) for each in json.loads(done.stdout)["findings"]}
        assert seen == {("hidden", "half"), ("taint", "O"), ("taint", "E")}
