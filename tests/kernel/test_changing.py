"""Parameters, reloads, several at once, undo, blacklists: on Debian's kernel, with keys alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.kernel.dashboard import (
    PATIENCE,
    clear_filter,
    close,
    give_password,
    load,
    loaded,
    select,
)
from tests.kernel.helper_sessions import FOLDER, module_file
from tests.kernel.vm import VM
from tests.kernel.watching import HELPER, await_in_guest
from tests.support.terminal import Terminal

pytestmark = pytest.mark.dashboard

BLACKLIST = "/etc/modprobe.d/kmodtui-blacklist.conf"


@pytest.fixture
def blacklist(vm: VM) -> Iterator[Callable[[], str]]:
    """Return what reads kmodtui's own blacklist, which is gone afterwards."""
    yield lambda: vm.run("root", f"cat {BLACKLIST} 2>/dev/null; true").stdout
    vm.run("root", ["rm", "-f", BLACKLIST])


def metacopy(vm: VM) -> str:
    return vm.read("guest", "/sys/module/overlay/parameters/metacopy").decode().strip()


def confirm(terminal: Terminal, words: str) -> None:
    """Confirm the plan that is open, and close what came of it."""
    terminal.press("y")
    terminal.wait_for(words, timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Enter close")


def mark(terminal: Terminal, name: str) -> None:
    """Mark a module, found by the filter, and clear the filter: what it hides is not acted on."""
    select(terminal, name)
    terminal.press("Space")
    clear_filter(terminal)


def field(terminal: Terminal) -> str:
    """The parameter that the line of the form is for; empty where there is no line yet."""
    found = re.search(r"│ {3}(?:(\w+) = |(other), as key)", terminal.text())
    return (found[1] or found[2]) if found else ""


def go_down(terminal: Terminal) -> None:
    here = field(terminal)
    terminal.press("Down")
    terminal.wait_for(lambda t: field(t) not in ("", here), timeout=PATIENCE)


def undo(terminal: Terminal, what: str, key: str, words: str) -> None:
    terminal.press("U")
    terminal.wait_for(f"Undo the {what}", timeout=PATIENCE)
    terminal.wait_for(rf"\by {key}", timeout=PATIENCE)
    confirm(terminal, words)


def test_a_parameter_is_changed_kept_by_a_reload_and_taken_back(
    vm: VM, admin_dashboard: Terminal
) -> None:
    terminal = admin_dashboard
    load(terminal, "overlay")
    give_password(terminal)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Enter close")
    before = metacopy(vm)
    new = "y" if before == "N" else "n"

    terminal.press("1")
    select(terminal, "overlay")
    terminal.press("e")
    terminal.wait_for(r"\+ other", timeout=PATIENCE)
    terminal.wait_for(field, timeout=PATIENCE)
    while field(terminal) != "metacopy":
        go_down(terminal)
    terminal.press(new)
    terminal.wait_for(f"echo {new} > /sys/module/overlay/parameters/metacopy", timeout=PATIENCE)
    terminal.press("Enter")
    terminal.wait_for(r"\by change", timeout=PATIENCE)
    assert metacopy(vm) == before
    confirm(terminal, f"Set metacopy of overlay to {new}")
    assert metacopy(vm) == new.upper()

    terminal.press("R")
    terminal.wait_for("Reload overlay", timeout=PATIENCE)
    terminal.wait_for(rf"metacopy +{new.upper()} +w {new.upper()}", timeout=PATIENCE)
    terminal.press("Enter")
    terminal.wait_for(r"\by reload", timeout=PATIENCE)
    confirm(terminal, "Reloaded overlay")
    assert metacopy(vm) == new.upper()

    undo(terminal, "reload of overlay", "reload", "Reloaded overlay")
    assert metacopy(vm) == new.upper()
    undo(terminal, "change of metacopy", "change", "Set metacopy of overlay")
    assert metacopy(vm) == before
    undo(terminal, "load of overlay", "unload", "Unloaded overlay")
    assert "overlay" not in loaded(vm)


def test_several_go_with_one_plan_and_come_back_with_one(vm: VM, admin_dashboard: Terminal) -> None:
    vm.run("root", ["modprobe", "dummy", "numdummies=3"], check=True)
    vm.run("root", ["modprobe", "vfat"], check=True)
    terminal = admin_dashboard
    terminal.wait_for(r"\bvfat +\d", timeout=PATIENCE)
    mark(terminal, "vfat")
    mark(terminal, "dummy")
    terminal.wait_for("2 marked", timeout=PATIENCE)
    terminal.press("-")
    terminal.wait_for(r"Unload vfat, dummy", timeout=PATIENCE)
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    # Three interfaces that the kernel does not count as references.
    terminal.wait_for(r"interface dummy0 \(\w+\) disappears with dummy", timeout=PATIENCE)
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for("Unloaded vfat, dummy", timeout=PATIENCE)
    assert not {"vfat", "fat", "dummy"} & loaded(vm)
    close(terminal, "Enter close")
    undo(terminal, "unload of vfat, dummy", "load", "Loaded")
    assert {"vfat", "fat", "dummy"} <= loaded(vm)


def test_a_module_is_blacklisted_taken_off_and_root_given_up(
    vm: VM, admin_dashboard: Terminal, blacklist: Callable[[], str]
) -> None:
    vm.run("root", ["modprobe", "dummy"], check=True)
    terminal = admin_dashboard
    terminal.wait_for(r"\bdummy +\d", timeout=PATIENCE)
    select(terminal, "dummy")
    terminal.press("b")
    terminal.wait_for("Log only", timeout=PATIENCE)
    terminal.press("b")
    terminal.wait_for(r"\by blacklist", timeout=PATIENCE)
    assert "dummy" not in blacklist()
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for("Blacklisted dummy", timeout=PATIENCE)
    close(terminal, "Enter close")
    assert "blacklist dummy\n" in blacklist()
    # What modprobe itself makes of it: by its alias it is loaded no more.
    by_alias = "modprobe -b -n -v rtnl-link-dummy; modprobe -n -v -r dummy >/dev/null"
    vm.run("root", ["modprobe", "-r", "dummy"], check=True)
    assert "insmod" not in vm.run("root", by_alias).stdout
    vm.run("root", ["modprobe", "dummy"], check=True)
    terminal.wait_for(r"\bdummy +\d", timeout=PATIENCE)
    undo(terminal, "blacklisting of dummy", "remove", "Removed dummy from the blacklist")
    assert "blacklist dummy\n" not in blacklist()
    terminal.wait_for(r"root: on \(sudo\)", timeout=PATIENCE)
    terminal.press("D")
    terminal.wait_for("root: off", timeout=PATIENCE)
    await_in_guest(vm, f"! pgrep -f '{HELPER}'")


def test_ones_own_connection_is_warned_of_and_who_holds_a_module_is_named(
    vm: VM, admin_dashboard: Terminal
) -> None:
    terminal = admin_dashboard
    select(terminal, "virtio_net")
    terminal.press("-")
    terminal.wait_for(r"connected through eth0, from 10\.0\.2\.2", timeout=PATIENCE)
    terminal.wait_for("Esc cancel", timeout=PATIENCE)
    terminal.press("Esc")
    terminal.wait_for(lambda t: "connected through" not in t.text(), timeout=PATIENCE)
    select(terminal, "ext4")
    terminal.press("-")
    terminal.wait_for(r"mount[\s│]+/[\s│]+\(ext4\)", timeout=PATIENCE)
    terminal.wait_for("Esc close", timeout=PATIENCE)
    terminal.press("Esc")
    terminal.wait_for(lambda t: "Esc close" not in t.text(), timeout=PATIENCE)
    assert "ext4" in loaded(vm)


def test_a_file_of_ones_own_is_checked_planned_and_inserted(
    vm: VM, admin_dashboard: Terminal
) -> None:
    module_file(vm, "dummy")
    vm.run("admin", ["chmod", "775", FOLDER], check=True)
    terminal = admin_dashboard
    terminal.press("+")
    terminal.wait_for(r"[\d,]+ of [\d,]+ modules", timeout=PATIENCE)
    terminal.press(f"{FOLDER}/dummy.ko", "Enter")
    terminal.wait_for("p: plan to insert it", timeout=PATIENCE)
    terminal.press("p")
    terminal.wait_for(r"\by insert", timeout=PATIENCE)
    terminal.wait_for("writable by a group", timeout=PATIENCE)
    assert "dummy" not in loaded(vm)
    terminal.press("y")
    give_password(terminal)
    terminal.wait_for("Inserted dummy", timeout=PATIENCE)
    terminal.wait_for("the file that was read", timeout=PATIENCE)
    assert "dummy" in loaded(vm)
    close(terminal, "Enter close")
    undo(terminal, "insertion of dummy", "unload", "Unloaded dummy")
    assert "dummy" not in loaded(vm)
