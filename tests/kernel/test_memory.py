"""Everything a long session opens is released again: memory stays where it is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.kernel.dashboard import PATIENCE, await_readings, give_password, open_dashboard
from tests.kernel.vm import VM
from tests.support.terminal import Terminal

SESSIONS = 10

LIMIT = 150
"""Megabytes that the dashboard may take after them."""

ON_DISK = "/tmp/session.kmodtui"


@pytest.mark.full
def test_a_session_repeated_ten_times_stays_below_150_mb(
    vm: VM, record_property: Callable[[str, object], None]
) -> None:
    release = vm.run("root", ["uname", "-r"], check=True).stdout.strip()
    with open_dashboard(vm, "admin") as terminal:
        await_readings(terminal)
        sizes = [resident(vm)]
        for _ in range(SESSIONS):
            session(terminal, release)
            vm.run("root", ["rm", ON_DISK], check=True)
            sizes.append(resident(vm))
        terminal.press("q")
        assert terminal.wait_for_exit(PATIENCE) == 0
    record_property("megabytes at the start and after each session", sizes)
    assert sizes[-1] <= LIMIT


def resident(vm: VM) -> int:
    """Return the memory of admin's dashboard in megabytes."""
    listed = vm.run("root", "ps -u admin -o rss=,args= | grep bin/kmodtui", check=True).stdout
    return max(int(line.split()[0]) for line in listed.splitlines()) * 1024 // 1_000_000


def session(terminal: Terminal, release: str) -> None:
    """Open everything once and go back to the dashboard."""
    browse(terminal)
    load_and_unload(terminal)
    read_addresses(terminal)
    check(terminal, f"/lib/modules/{release}/kernel/drivers/net/dummy.ko")
    save_and_compare(terminal)
    experiment(terminal)


def browse(terminal: Terminal) -> None:
    """Look through modules, symbols, the catalog, linkage and the timeline."""
    terminal.press("PageDown", "PageUp", "v", "Down", "Down", "v", "g")
    opened(terminal, "All symbols of", "B")
    opened(terminal, r"[1-9][\d,]* of [\d,]+ symbols", "alloc")
    opened(terminal, r"─ [\d,]+ symbols", "Esc")
    leave(terminal, "All symbols of")
    opened(terminal, "Modules of [0-9]", "c")
    opened(terminal, r"[1-9][\d,]* of [\d,]+ modules", "net")
    leave(terminal, "Modules of [0-9]")
    for key, title in (
        ("o", "Linkage of"),
        ("t", "─ Timeline ─"),
        ("?", "kmodtui: keys, columns and flags"),
        ("e", "Parameters of"),
    ):
        opened(terminal, title, key)
        leave(terminal, title)


def opened(terminal: Terminal, words: str, *keys: str) -> None:
    """Press keys and wait for words."""
    terminal.press(*keys)
    terminal.wait_for(words, timeout=PATIENCE)


def leave(terminal: Terminal, title: str) -> None:
    """Close a screen with Esc, and wait for what is below it."""
    terminal.press("Esc")
    terminal.wait_for(
        lambda t: "q Quit" in t.text() and not re.search(title, t.text()), timeout=PATIENCE
    )


def confirmed(terminal: Terminal, done: str) -> None:
    """Confirm with y, type the password if it is asked for, and close the result."""
    prompt = "password for admin:"
    opened(terminal, f"{done}|{prompt}", "y")
    if prompt in terminal.text():
        give_password(terminal)
        terminal.wait_for(done, timeout=PATIENCE)
    leave(terminal, done)


def load_and_unload(terminal: Terminal) -> None:
    opened(terminal, "[0-9] modules", "+")
    opened(terminal, r"\by load", "btrfs", "Enter")
    confirmed(terminal, "Loaded btrfs")
    opened(terminal, r"\by unload", "-")
    confirmed(terminal, "Unloaded btrfs")


def read_addresses(terminal: Terminal) -> None:
    """Read the addresses as root; the session has been opened by the load."""
    opened(terminal, "y read", "A")
    terminal.press("y")
    terminal.wait_for(lambda t: "y read" not in t.text(), timeout=PATIENCE)


def check(terminal: Terminal, path: str) -> None:
    """Check a module file, as before it is inserted."""
    opened(terminal, "Load a module", "+")
    opened(terminal, "Check of dummy.ko[\\s\\S]*It will load", path, "Enter")
    leave(terminal, "Check of dummy.ko")
    leave(terminal, "Load a module")


def save_and_compare(terminal: Terminal) -> None:
    opened(terminal, "Save a snapshot", "Ctrl+s")
    opened(terminal, "Snapshot saved", "Ctrl+u", ON_DISK, "Enter")
    opened(terminal, "─ Snapshots ─", "C")
    opened(terminal, "Open a snapshot", "o")
    opened(terminal, r"─ session ─[\s\S]* taken [0-9]", ON_DISK, "Enter")
    opened(terminal, "session → now", "Enter")
    opened(terminal, "Space Mark", "Esc")
    leave(terminal, "─ Snapshots ─")


def experiment(terminal: Terminal) -> None:
    opened(terminal, "Experiment: load", "x")
    opened(terminal, r"\by start", "dummy", "Enter")
    opened(terminal, "Enter close", "y")
    leave(terminal, "Experiment with")
