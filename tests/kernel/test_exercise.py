"""The exercise, on Debian's kernel, over SSH, with keys alone: load, see, unload, see again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.kernel.dashboard import (
    PATIENCE,
    POLLING_SECONDS,
    close,
    give_password,
    load,
    loaded,
    open_filter,
    select,
)
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM
from tests.support.terminal import Terminal

pytestmark = pytest.mark.dashboard


def _symbols_of(vm: VM, module: str) -> int:
    counted = vm.run("guest", f"grep -c '\\[{module}\\]' /proc/kallsyms")
    return int(counted.stdout)


def _on_screen(terminal: Terminal, sign: str) -> dict[str, int]:
    """Symbols by module, as the groups of the change view show them."""
    rows = re.findall(rf"[▸▾] (\S+)\s+\{sign}([\d,]+)", terminal.text())
    return {name: int(number.replace(",", "")) for name, number in rows}


def test_loading_btrfs_shows_its_symbols_and_unloading_shows_them_go(
    vm: VM, admin_dashboard: Terminal
) -> None:
    before, terminal = loaded(vm), admin_dashboard
    load(terminal, "btrfs")
    give_password(terminal)
    terminal.wait_for("Loaded btrfs", timeout=PATIENCE)
    terminal.wait_for(r"symbols in \d+ modules", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    assert ADMIN_PASSWORD not in terminal.text()
    terminal.press("Enter")
    terminal.wait_for(r"▸ btrfs\s+\+[\d,]+", timeout=PATIENCE)

    came = loaded(vm) - before
    assert "btrfs" in came
    assert len(came) > 4
    assert _on_screen(terminal, "+") == {name: _symbols_of(vm, name) for name in came}

    terminal.press("-")
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    terminal.press("y")
    terminal.wait_for("Unloaded btrfs", timeout=PATIENCE)
    terminal.wait_for(r"−[\d,]+ symbols in \d+ modules", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    terminal.press("Enter")
    terminal.wait_for(r"▸ btrfs\s+−[\d,]+", timeout=PATIENCE)
    stays = loaded(vm) - before
    went = came - stays
    assert {"btrfs", "xor", "raid6_pq"} <= went
    assert set(_on_screen(terminal, "−")) == went
    # What stays is named, with the reason; so is what was there before and is a softdep.
    named = set(re.findall(r"= (\S+) stays loaded: softdep of \S+", terminal.text()))
    assert stays <= named <= stays | before
    assert _symbols_of(vm, "btrfs") == 0


def test_what_another_shell_loads_appears_by_the_kernels_event(
    vm: VM, guest_dashboard: Terminal, record_property: Callable[[str, object], None]
) -> None:
    # It polls once a minute: what appears sooner was reported by the kernel's event.
    terminal = guest_dashboard
    with open_terminal(vm, "root", "udevadm monitor -k -s module") as events:
        events.wait_for("KERNEL - the kernel uevent", timeout=PATIENCE)
        vm.run("root", ["modprobe", "dummy"], check=True)
        events.wait_for(r"add\s+/module/dummy", timeout=PATIENCE)
        heard = time.monotonic()
        terminal.wait_for(r"\bdummy +\d", timeout=POLLING_SECONDS - 5)
        record_property("seconds to the screen", round(time.monotonic() - heard, 2))
    terminal.wait_for(r"\bloaded dummy", timeout=PATIENCE)
    terminal.wait_for(r"▸ dummy\s+\+[\d,]+", timeout=PATIENCE)
    assert _on_screen(terminal, "+") == {"dummy": _symbols_of(vm, "dummy")}
    vm.run("root", ["modprobe", "-r", "dummy"], check=True)
    terminal.wait_for(r"\bunloaded dummy", timeout=PATIENCE)


def test_somebody_without_sudo_sees_everything_and_is_refused_clearly(
    vm: VM, guest_dashboard: Terminal
) -> None:
    terminal = guest_dashboard
    terminal.wait_for("Provides", timeout=PATIENCE)
    before = loaded(vm)
    load(terminal, "dummy")
    give_password(terminal, "password for guest:")
    terminal.wait_for("the sudoers file does not allow it", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "the sudoers file does not allow it")
    assert loaded(vm) == before


def test_a_module_in_use_is_not_unloaded_and_its_user_is_named(
    vm: VM, admin_dashboard: Terminal
) -> None:
    vm.run("root", ["modprobe", "vfat"], check=True)
    terminal = admin_dashboard
    terminal.wait_for(r"\bvfat +\d", timeout=PATIENCE)
    open_filter(terminal)
    terminal.press("fat")
    terminal.wait_for("/fat ·", timeout=PATIENCE)
    terminal.press("Enter", "G")  # vfat, which is newer, stands above it
    terminal.wait_for(r"Info: fat", timeout=PATIENCE)
    terminal.press("-")
    terminal.wait_for(r"fat is in use by vfat", timeout=PATIENCE)
    terminal.wait_for("Esc close", timeout=PATIENCE)
    assert "Unload vfat first" in terminal.text()
    terminal.press("y", "Esc")
    terminal.wait_for(lambda t: "fat is in use by vfat" not in t.text(), timeout=PATIENCE)
    assert "fat" in loaded(vm)


def test_a_module_that_a_device_file_holds_is_refused_by_the_kernel_and_explained(
    vm: VM, admin_dashboard: Terminal
) -> None:
    vm.run("root", ["modprobe", "tun"], check=True)
    terminal = admin_dashboard
    terminal.wait_for(r"\btun +\d", timeout=PATIENCE)
    select(terminal, "tun")
    terminal.press("-")
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    # Opened after the plan was made: only the kernel can know now.
    with open_terminal(vm, "root", "exec 3<>/dev/net/tun; echo held; cat") as shell:
        shell.wait_for("held", timeout=PATIENCE)
        terminal.press("y")
        give_password(terminal)
        terminal.wait_for(r"in use", timeout=PATIENCE)
        terminal.wait_for("Enter close", timeout=PATIENCE)
        assert "tun" in loaded(vm)
        close(terminal, "Enter close")


def test_a_wrong_parameter_is_refused_with_the_kernels_own_line(
    vm: VM, admin_dashboard: Terminal
) -> None:
    terminal = admin_dashboard
    load(terminal, "dummy", "numdummies=abc")
    give_password(terminal)
    terminal.wait_for(r"dummy: `abc' invalid for parameter `numdummies'", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    assert "dummy" not in loaded(vm)
    close(terminal, "Enter close")


def test_a_module_that_has_vanished_meanwhile_is_told_as_that(
    vm: VM, admin_dashboard: Terminal
) -> None:
    vm.run("root", ["modprobe", "dummy"], check=True)
    terminal = admin_dashboard
    terminal.wait_for(r"\bdummy +\d", timeout=PATIENCE)
    select(terminal, "dummy")
    terminal.press("-")
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    vm.run("root", ["modprobe", "-r", "dummy"], check=True)
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for(r"not loaded", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Enter close")
