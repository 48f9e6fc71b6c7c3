"""The exercise, on Debian's kernel, over SSH, with keys alone: load, see, unload, see again."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable

from tests.kernel.dashboard import (
    PATIENCE,
    await_readings,
    give_password,
    load,
    loaded,
    open_dashboard,
    select,
)
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM
from tests.support.terminal import Terminal


def _symbols_of(vm: VM, module: str) -> int:
    counted = vm.run("guest", f"grep -c '\\[{module}\\]' /proc/kallsyms")
    return int(counted.stdout)


def _on_screen(terminal: Terminal, sign: str) -> dict[str, int]:
    """Symbols by module, as the groups of the change view show them."""
    rows = re.findall(rf"[▸▾] (\S+)\s+\{sign}([\d,]+)", terminal.text())
    return {name: int(number.replace(",", "")) for name, number in rows}


def test_loading_btrfs_shows_its_symbols_and_unloading_shows_them_go(vm: VM) -> None:
    before = loaded(vm)
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        load(terminal, "btrfs")
        give_password(terminal)
        terminal.wait_for("Loaded btrfs", timeout=PATIENCE)
        terminal.wait_for(r"symbols in \d+ modules", timeout=PATIENCE)
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

        terminal.press("q")
        assert terminal.wait_for_exit(PATIENCE) == 0
        assert terminal.is_as_before


def test_what_another_shell_loads_appears_by_the_kernels_event(
    vm: VM, record_property: Callable[[str, object], None]
) -> None:
    # Read once a minute: what appears before that was told by the kernel, not found by polling.
    with open_dashboard(vm, "guest", "--interval", "60") as terminal:
        await_readings(terminal)
        with open_terminal(vm, "root", "udevadm monitor -k -s module") as events:
            events.wait_for("KERNEL - the kernel uevent", timeout=PATIENCE)
            vm.run("root", ["modprobe", "dummy"], check=True)
            events.wait_for(r"add\s+/module/dummy", timeout=PATIENCE)
            heard = time.monotonic()
            terminal.wait_for(r"\bdummy +\d", timeout=10)
            record_property("seconds to the screen", round(time.monotonic() - heard, 2))
        terminal.wait_for(r"loaded dummy", timeout=PATIENCE)
        assert _on_screen(terminal, "+") == {"dummy": _symbols_of(vm, "dummy")}
        vm.run("root", ["modprobe", "-r", "dummy"], check=True)
        terminal.wait_for(r"unloaded dummy", timeout=PATIENCE)


def test_somebody_without_sudo_sees_everything_and_is_refused_clearly(vm: VM) -> None:
    with open_dashboard(vm, "guest") as terminal:
        await_readings(terminal)
        terminal.wait_for(r"intree +Y", timeout=PATIENCE)
        before = loaded(vm)
        load(terminal, "dummy")
        terminal.wait_for(r"password for guest:", timeout=PATIENCE)
        terminal.press(ADMIN_PASSWORD, "Enter")
        terminal.wait_for("the sudoers file does not allow it", timeout=PATIENCE)
        terminal.press("Enter")
        terminal.wait_for("1 Modules", timeout=PATIENCE)
        assert loaded(vm) == before
        terminal.press("q")
        assert terminal.wait_for_exit(PATIENCE) == 0


def test_a_module_in_use_is_not_unloaded_and_its_user_is_named(vm: VM) -> None:
    vm.run("root", ["modprobe", "vfat"], check=True)
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        terminal.press("/", "fat", "Enter", "G")  # vfat, which is newer, stands above it
        terminal.wait_for(r"Info: fat", timeout=PATIENCE)
        terminal.press("-")
        terminal.wait_for(r"fat is in use by vfat", timeout=PATIENCE)
        assert "Unload vfat first" in terminal.text()
        terminal.press("y", "Esc")
        assert "fat" in loaded(vm)


def test_a_module_that_a_device_file_holds_is_refused_by_the_kernel_and_explained(vm: VM) -> None:
    vm.run("root", ["modprobe", "tun"], check=True)
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        select(terminal, "tun")
        terminal.press("-")
        terminal.wait_for(r"\by unload", timeout=PATIENCE)
        # Opened after the plan was made: only the kernel can know now.
        with open_terminal(vm, "root", "exec 3<>/dev/net/tun; echo held; cat") as shell:
            shell.wait_for("held", timeout=PATIENCE)
            terminal.press("y")
            give_password(terminal)
            terminal.wait_for(r"in use", timeout=PATIENCE)
            assert "tun" in loaded(vm)


def test_a_wrong_parameter_is_refused_with_the_kernels_own_line(vm: VM) -> None:
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        load(terminal, "dummy", "numdummies=abc")
        give_password(terminal)
        terminal.wait_for(r"dummy: `abc' invalid for parameter `numdummies'", timeout=PATIENCE)
        assert "dummy" not in loaded(vm)


def test_a_module_that_has_vanished_meanwhile_is_told_as_that(vm: VM) -> None:
    vm.run("root", ["modprobe", "dummy"], check=True)
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        select(terminal, "dummy")
        terminal.press("-")
        terminal.wait_for(r"\by unload", timeout=PATIENCE)
        vm.run("root", ["modprobe", "-r", "dummy"], check=True)
        terminal.press("y")
        give_password(terminal)
        terminal.wait_for(r"not loaded", timeout=PATIENCE)


def test_the_verbs_agree_with_the_kernel(vm: VM) -> None:
    listed = json.loads(vm.run("guest", ["kmodtui", "list", "--json"], check=True).stdout)[
        "modules"
    ]
    lines = vm.read("guest", "/proc/modules").decode().splitlines()
    assert [module["name"] for module in listed] == [line.split()[0] for line in lines]
    assert [module["size"] for module in listed] == [int(line.split()[1]) for line in lines]
    counts = json.loads(
        vm.run("guest", ["kmodtui", "symbols", "--counts", "--json"], check=True).stdout
    )["counts"]
    for name in ("ext4", "virtio_net", "fuse"):
        assert counts[name] == _symbols_of(vm, name)
    mine = vm.run("guest", ["kmodtui", "info", "ext4", "psmouse"], check=True).stdout
    theirs = vm.run("guest", shlex.join(["/sbin/modinfo", "ext4", "psmouse"]), check=True).stdout
    assert mine == theirs
