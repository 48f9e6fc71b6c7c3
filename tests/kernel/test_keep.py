"""Keeping a module and its options in the guest, with the real sudo, and undoing that."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.kernel.dashboard import PATIENCE, close, give_password, select
from tests.kernel.vm import VM
from tests.support.terminal import Terminal

BOOT = "/etc/modules-load.d/kmodtui.conf"
OPTIONS = "/etc/modprobe.d/kmodtui-options.conf"


@pytest.fixture
def clean(vm: VM) -> Iterator[VM]:
    yield vm
    vm.run("root", ["rm", "-f", BOOT, OPTIONS, "/etc/modprobe.d/z.conf"])
    vm.run("root", ["modprobe", "-r", "dummy"])


def test_what_is_kept_is_what_modprobe_does_until_it_is_forgotten(clean: VM) -> None:
    vm = clean
    vm.run("root", ["modprobe", "dummy", "numdummies=3"], check=True)
    done = vm.kmodtui("root", "keep", "dummy", "--current", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)["outcome"]
    assert outcome["title"] == "Kept dummy"
    assert "modprobe --show-depends passes the options" in outcome["cause"]
    assert vm.read("guest", BOOT).splitlines()[1:] == [b"dummy"]
    assert vm.read("guest", OPTIONS).splitlines()[1:] == [b"options dummy numdummies=3"]
    assert vm.run("root", ["modprobe", "-r", "dummy"]).returncode == 0
    # As an init script loads what modules-load.d lists.
    vm.run("root", f"for name in $(grep -v '^#' {BOOT}); do modprobe $name; done", check=True)
    assert vm.run("root", ["test", "-e", "/sys/class/net/dummy2"]).returncode == 0
    later = "options dummy numdummies=1\n"
    vm.write("root", "/etc/modprobe.d/z.conf", later.encode())
    refused = vm.kmodtui("root", "keep", "dummy", "numdummies=4", "--yes")
    assert refused.returncode == 1
    assert "/etc/modprobe.d/z.conf:1" in refused.stderr
    done = vm.kmodtui("root", "forget", "dummy", "--yes")
    assert done.returncode == 0, done.stderr
    assert vm.run("root", ["test", "-e", BOOT, "-o", "-e", OPTIONS]).returncode == 1
    assert vm.kmodtui("guest", "keep", "dummy", "--yes").returncode == 3


@pytest.mark.dashboard
def test_a_module_is_kept_with_keys_and_the_password_and_that_is_undone(
    clean: VM, admin_dashboard: Terminal
) -> None:
    vm, terminal = clean, admin_dashboard
    vm.run("root", ["modprobe", "dummy", "numdummies=2"], check=True)
    terminal.wait_for(r"\bdummy +\d", timeout=PATIENCE)
    select(terminal, "dummy")
    terminal.press("K")
    terminal.wait_for("Keep current values", timeout=PATIENCE)
    terminal.press("c")
    terminal.wait_for(r"\by keep", timeout=PATIENCE)
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for("Kept dummy", timeout=PATIENCE)
    close(terminal, "Enter close")
    assert vm.read("guest", OPTIONS).splitlines()[1:] == [b"options dummy numdummies=2"]
    terminal.press("U")
    terminal.wait_for("Undo the change of the kept options of dummy", timeout=PATIENCE)
    terminal.wait_for(r"\by forget", timeout=PATIENCE)
    terminal.press("y")
    terminal.wait_for("Forgot dummy", timeout=PATIENCE)
    close(terminal, "Enter close")
    assert vm.run("root", ["test", "-e", OPTIONS]).returncode == 1
