"""The cross-check in the guest: nothing on Debian's kernel, also while modules move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kernel.vm import VM

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
