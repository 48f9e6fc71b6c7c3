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
LATE = "/etc/modprobe.d/z.conf"
VALUE = "/sys/module/overlay/parameters/metacopy"


@pytest.fixture
def overlay(vm: VM) -> Iterator[VM]:
    """Load overlay, and change a parameter of it at run time."""
    vm.run("root", ["mkdir", "-p", "/etc/modules-load.d"], check=True)
    vm.run("root", f"modprobe overlay && echo Y > {VALUE}", check=True)
    yield vm
    vm.run("root", ["rm", "-f", BOOT, OPTIONS, LATE])
    vm.run("root", ["modprobe", "-r", "overlay"])


def lines(vm: VM, path: str) -> list[str]:
    return vm.read("guest", path).decode().splitlines()[1:]


def test_what_is_kept_is_what_modprobe_does_until_it_is_forgotten(overlay: VM) -> None:
    vm = overlay
    done = vm.kmodtui("root", "keep", "overlay", "--current", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)["outcome"]
    assert outcome["title"] == "Kept overlay"
    assert "modprobe --show-depends passes the options" in outcome["cause"]
    assert lines(vm, BOOT) == ["overlay"]
    assert "metacopy=Y" in lines(vm, OPTIONS)[0].split()
    # As an init script loads what modules-load.d lists.
    vm.run("root", ["modprobe", "-r", "overlay"], check=True)
    vm.run("root", f"for name in $(grep -v '^#' {BOOT}); do modprobe $name; done", check=True)
    assert vm.read("guest", VALUE) == b"Y\n"
    vm.write("root", LATE, b"options overlay metacopy=N\n")
    refused = vm.kmodtui("root", "keep", "overlay", "metacopy=Y", "index=Y", "--yes")
    assert refused.returncode == 1
    assert f"({LATE}:1)" in refused.stderr
    done = vm.kmodtui("root", "forget", "overlay", "--yes")
    assert done.returncode == 0, done.stderr
    assert vm.run("root", ["test", "-e", BOOT, "-o", "-e", OPTIONS]).returncode == 1
    assert vm.kmodtui("guest", "keep", "overlay", "--yes").returncode == 3


@pytest.mark.dashboard
def test_values_are_kept_with_keys_and_the_password_and_that_is_undone(
    overlay: VM, admin_dashboard: Terminal
) -> None:
    vm, terminal = overlay, admin_dashboard
    terminal.wait_for(r"\boverlay +\d", timeout=PATIENCE)
    select(terminal, "overlay")
    terminal.press("K")
    terminal.wait_for("Keep current values", timeout=PATIENCE)
    terminal.press("c")
    terminal.wait_for(r"\by keep", timeout=PATIENCE)
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for("Kept overlay", timeout=PATIENCE)
    close(terminal, "Enter close")
    assert "metacopy=Y" in lines(vm, OPTIONS)[0].split()
    terminal.press("U")
    terminal.wait_for("Undo the change of the kept options of overlay", timeout=PATIENCE)
    terminal.wait_for(r"\by forget", timeout=PATIENCE)
    terminal.press("y")
    terminal.wait_for("Forgot overlay", timeout=PATIENCE)
    close(terminal, "Enter close")
    assert vm.run("root", ["test", "-e", OPTIONS]).returncode == 1
