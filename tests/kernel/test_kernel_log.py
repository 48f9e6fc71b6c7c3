"""The drawer of the kernel's log on Debian's kernel: through sudo, and without any help."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.dashboard import PATIENCE, give_password
from tests.kernel.vm import VM
from tests.support.terminal import Terminal

pytestmark = pytest.mark.dashboard

FRESH = r"● \[ *\d+\.\d{6}\] info +Btrfs loaded"
"""The line of a load that has come since the drawer was opened."""


@pytest.fixture
def readable(vm: VM) -> Iterator[None]:
    """Let everyone read the kernel's log; afterwards root alone, as Debian has it."""
    vm.run("root", ["sysctl", "-w", "kernel.dmesg_restrict=0"], check=True)
    yield
    vm.run("root", ["sysctl", "-w", "kernel.dmesg_restrict=1"], check=True)


def await_load(vm: VM, terminal: Terminal) -> None:
    """Load btrfs in another shell, and wait until the kernel's word of it is on the screen."""
    vm.run("root", ["modprobe", "btrfs"], check=True)
    terminal.wait_for(FRESH, timeout=PATIENCE)


def test_an_admin_follows_it_through_sudo_until_root_is_given_up(
    vm: VM, admin_dashboard: Terminal
) -> None:
    terminal = admin_dashboard
    terminal.press("L")
    terminal.wait_for(r"Only root may read the kernel log: kernel\.dmesg_restrict=1", PATIENCE)
    terminal.wait_for(r"\by read", timeout=PATIENCE)
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for(r"root: reading \(sudo\)[\s\S]*following", timeout=PATIENCE)
    await_load(vm, terminal)
    terminal.press("D")
    terminal.wait_for("No longer followed", timeout=PATIENCE)
    terminal.wait_for("root: off", timeout=PATIENCE)
    assert "Btrfs loaded" in terminal.text()
    terminal.press("L")
    terminal.wait_for(lambda t: "─ L Kernel log" not in t.text(), timeout=PATIENCE)


def test_where_it_is_everyones_no_root_is_asked_for(
    vm: VM, readable: None, guest_dashboard: Terminal
) -> None:
    terminal = guest_dashboard
    terminal.press("L")
    terminal.wait_for("following", timeout=PATIENCE)
    await_load(vm, terminal)
    # The lines of this kernel's boot are there as well, and can be found.
    terminal.press("/", "Linux version", "Enter")
    terminal.wait_for(r"\[    0\.000000\] \w+ +Linux version \d", timeout=PATIENCE)

    # It has been open for a while, and leaves the terminal as it was.
    terminal.press("q")
    assert terminal.wait_for_exit(PATIENCE) == 0
    assert terminal.is_as_before
