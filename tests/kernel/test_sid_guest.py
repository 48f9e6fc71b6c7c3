"""The exercise on Debian's newest kernel, with its newest kmod and Python, by keyboard.

`make test-full` alone: the guest is another one, sid, made for this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.kernel.dashboard import (
    PATIENCE,
    await_readings,
    close,
    give_password,
    load,
    loaded,
    open_dashboard,
    select,
)
from tests.kernel.host_commands import CannotRunError
from tests.kernel.sid import cached_sid
from tests.kernel.vm import VM, boot
from tests.support.reporting import print_line
from tests.support.terminal import Terminal

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def vm(request: pytest.FixtureRequest) -> Iterator[VM]:
    """A guest of sid."""
    try:
        image = cached_sid()
    except CannotRunError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with boot(image=image) as vm:
        versions = vm.run(
            "guest", "uname -r; python3 --version; /sbin/modprobe --version | head -1"
        )
        print_line(request.config, f"sid: {', '.join(versions.stdout.splitlines())}")
        yield vm


@pytest.fixture(scope="module")
def terminal(vm: VM) -> Iterator[Terminal]:
    """The dashboard of an administrator, which these tests use one after another."""
    with open_dashboard(vm, "admin", own_connection=True) as terminal:
        await_readings(terminal)
        yield terminal


def symbols_of(vm: VM, module: str) -> int:
    return int(vm.run("guest", f"grep -c '\\[{module}\\]' /proc/kallsyms").stdout)


def on_screen(terminal: Terminal, sign: str) -> dict[str, int]:
    rows = re.findall(rf"[▸▾] (\S+)\s+\{sign}([\d,]+)", terminal.text())
    return {name: int(number.replace(",", "")) for name, number in rows}


def test_btrfs_is_loaded_its_symbols_are_shown_and_it_is_unloaded(
    vm: VM, terminal: Terminal
) -> None:
    before = loaded(vm)
    load(terminal, "btrfs")
    give_password(terminal)
    terminal.wait_for("Loaded btrfs", timeout=PATIENCE)
    terminal.wait_for(r"symbols in \d+ modules", timeout=PATIENCE)
    close(terminal, "Loaded btrfs")
    terminal.wait_for(r"▸ btrfs\s+\+[\d,]+", timeout=PATIENCE)
    added = loaded(vm) - before
    assert "btrfs" in added
    assert on_screen(terminal, "+") == {name: symbols_of(vm, name) for name in added}

    select(terminal, "btrfs")
    terminal.press("-")
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    terminal.press("y")
    terminal.wait_for("Unloaded btrfs", timeout=PATIENCE)
    close(terminal, "Unloaded btrfs")
    terminal.wait_for(r"▸ btrfs\s+−[\d,]+", timeout=PATIENCE)
    assert set(on_screen(terminal, "−")) == added - (loaded(vm) - before)
    assert symbols_of(vm, "btrfs") == 0


def test_a_load_that_the_kernel_refuses_is_explained(vm: VM, terminal: Terminal) -> None:
    before = loaded(vm)
    load(terminal, "nbd", "max_part=100000")
    terminal.wait_for("Invalid argument for nbd", timeout=PATIENCE)
    terminal.wait_for(r"max_part=100000 \(given\)", timeout=PATIENCE)
    close(terminal, "Invalid argument for nbd")
    assert loaded(vm) == before


def test_the_log_shows_what_the_load_said(terminal: Terminal) -> None:
    terminal.press("L")
    terminal.wait_for(r"following|\by read", timeout=PATIENCE)
    if re.search(r"\by read", terminal.text()):
        terminal.press("y")
        terminal.wait_for("following", timeout=PATIENCE)
    terminal.press("/", "Btrfs loaded", "Enter")
    terminal.wait_for(r"info +Btrfs loaded", timeout=PATIENCE)
    terminal.press("L")
    terminal.wait_for(lambda t: "─ L Kernel log" not in t.text(), timeout=PATIENCE)


def test_the_dashboard_ends_and_the_verbs_agree_with_the_kernel(vm: VM, terminal: Terminal) -> None:
    terminal.press("q")
    assert terminal.wait_for_exit(PATIENCE) == 0
    assert not terminal.is_full_screen
    printed = vm.kmodtui("guest", "list", check=True).stdout.splitlines()
    assert {line.split()[0] for line in printed[1:]} == loaded(vm)
    plan = vm.kmodtui("guest", "plan", "load", "btrfs", check=True).stdout
    shown = vm.run("guest", ["/sbin/modprobe", "--show-depends", "btrfs"]).stdout
    for line in shown.splitlines():
        assert line.split()[1] in plan
