"""What becomes of a session with root when something ends it, and when there are two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.kernel.dashboard import (
    PATIENCE,
    answer_prompt,
    await_readings,
    close,
    give_password,
    load,
    loaded,
    open_dashboard,
    plan_load,
    select,
)
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM
from tests.kernel.watching import await_in_guest, helpers, watched
from tests.support.terminal import Terminal
from tests.support.users import INTRUDER

pytestmark = pytest.mark.dashboard

RULE = "/etc/modprobe.d/kmodtui-test.conf"


@pytest.fixture
def slow_dummy(vm: VM) -> Iterator[None]:
    """Have a load of dummy last until it is told to go on: sleep is what can be awaited."""
    vm.run("root", "pkill -x sleep")  # of a load that went on after its dashboard had ended
    vm.write("root", RULE, b"install dummy /bin/sleep 600\n")
    yield
    vm.run("root", f"rm -f {RULE}; pkill -x sleep")


def test_a_helper_killed_in_the_middle_of_a_load_is_told_and_the_dashboard_goes_on(
    vm: VM, admin_dashboard: Terminal, slow_dummy: None
) -> None:
    terminal = admin_dashboard
    load(terminal, "dummy")
    give_password(terminal)
    await_in_guest(vm, "pgrep -x sleep")
    (helper,) = helpers(vm)
    vm.run("root", ["kill", "-KILL", helper], check=True)
    terminal.wait_for(r"The privileged helper has\s+ended", timeout=PATIENCE)
    terminal.wait_for(r"may or may\s+not have taken effect", timeout=PATIENCE)
    assert "dummy" not in loaded(vm)
    close(terminal, "may or may")
    assert "root: off" in terminal.text()

    # It looks at the kernel as before, and can have root again.
    vm.run("root", f"rm -r {RULE} /run/sudo/ts/*", check=True)
    vm.run("root", ["modprobe", "loop"], check=True)
    terminal.wait_for(r"\bloaded loop", timeout=PATIENCE)
    load(terminal, "dummy")
    give_password(terminal)
    terminal.wait_for("Loaded dummy", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    assert "dummy" in loaded(vm)
    close(terminal, "Loaded dummy")


@pytest.mark.full
def test_two_dashboards_at_once_see_each_others_changes_and_do_not_disturb_each_other(
    vm: VM, admin_dashboard: Terminal
) -> None:
    one = admin_dashboard
    with open_dashboard(vm, "root") as other:
        await_readings(other)
        plan_load(one, "dummy")
        plan_load(other, "dummy")
        one.press("y")
        give_password(one)
        one.wait_for("Loaded dummy", timeout=PATIENCE)
        one.wait_for("Enter close", timeout=PATIENCE)
        # Planned before, confirmed too late.
        other.press("y")
        other.wait_for(r"already\s+loaded", timeout=PATIENCE)
        other.wait_for("Enter close", timeout=PATIENCE)
        close(one, "Loaded dummy")
        close(other, "is already loaded")
        assert len(helpers(vm)) == 2

        select(other, "dummy")
        other.press("-")
        other.wait_for(r"\by unload", timeout=PATIENCE)
        other.press("y")
        other.wait_for("Unloaded dummy", timeout=PATIENCE)
        other.wait_for("Enter close", timeout=PATIENCE)
        one.wait_for(r"\bunloaded dummy", timeout=PATIENCE)
        assert "dummy" not in loaded(vm)

        # One leaves; the other one's session goes on.
        close(other, "Unloaded dummy")
        other.press("q")
        assert other.wait_for_exit(PATIENCE) == 0
        load(one, "loop")
        one.wait_for("Loaded loop", timeout=PATIENCE)
        one.wait_for("Enter close", timeout=PATIENCE)
        close(one, "Loaded loop")


def test_other_programs_of_the_user_cannot_use_the_root_session(
    vm: VM, admin_dashboard: Terminal
) -> None:
    """Neither with /proc/PID/fd nor with pidfd_getfd, in any process between it and the helper."""
    terminal = admin_dashboard
    load(terminal, "loop")
    give_password(terminal)
    terminal.wait_for("Loaded loop", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Loaded loop")
    (dashboard,) = vm.run("root", ["pgrep", "-u", "admin", "-x", "kmodtui"]).stdout.split()
    vm.write("admin", "/tmp/intruder.py", INTRUDER.read_bytes())
    assert vm.run("admin", ["ls", f"/proc/{dashboard}/fd"]).returncode != 0
    control = "(sleep 60 | sleep 60) >/dev/null 2>&1 & "
    done = vm.run("admin", f"{control}python3 /tmp/intruder.py 0", check=True)
    reached = [line for line in done.stdout.splitlines() if line.startswith("REACHED")]
    assert any(" sleep 0 " in line for line in reached), "it reaches what is not protected"
    assert [line for line in reached if re.search(" (kmodtui|sudo|python3) ", line)] == []

    # The session is the dashboard's as before.
    select(terminal, "loop")
    terminal.press("-")
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    terminal.press("y")
    terminal.wait_for("Unloaded loop", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Unloaded loop")


def test_root_that_was_denied_can_be_had_at_the_next_try(vm: VM, admin_dashboard: Terminal) -> None:
    """After a prompt that was broken off, and after a password that was wrong three times."""
    terminal = admin_dashboard
    load(terminal, "dummy")
    answer_prompt(terminal, "Ctrl+c")
    terminal.wait_for("Authentication cancelled", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Authentication cancelled")

    load(terminal, "dummy")
    for _ in range(3):
        answer_prompt(terminal, "a short walk", "Enter")
    terminal.wait_for("sudo did not accept the password", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    assert "a short walk" not in terminal.text()
    assert "dummy" not in loaded(vm)
    assert not helpers(vm)
    close(terminal, "did not accept")
    assert "root: off" in terminal.text()

    # It looks at the kernel as before, and can have root again.
    vm.run("root", ["modprobe", "loop"], check=True)
    terminal.wait_for(r"\bloaded loop", timeout=PATIENCE)
    load(terminal, "dummy")
    give_password(terminal)
    terminal.wait_for("Loaded dummy", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    assert "dummy" in loaded(vm)
    close(terminal, "Loaded dummy")


@pytest.mark.parametrize(
    "moment", [pytest.param("at rest", marks=pytest.mark.full), "in the middle of a load"]
)
def test_no_helper_is_left_when_the_connection_is_cut(
    vm: VM,
    admin_dashboard: Terminal,
    slow_dummy: None,
    moment: str,
    record_property: Callable[[str, object], None],
) -> None:
    terminal = admin_dashboard  # over a connection of its own
    load(terminal, "loop" if moment == "at rest" else "dummy")
    give_password(terminal)
    if moment == "at rest":
        terminal.wait_for("Loaded loop", timeout=PATIENCE)
    else:
        await_in_guest(vm, "pgrep -x sleep")
    (helper,) = helpers(vm)
    users = vm.run("root", ["pgrep", "-u", "admin", "-x", "kmodtui"]).stdout.split()
    assert users
    with watched(vm, [helper, *users]) as gone:
        terminal.process.kill()  # ssh; the connection goes with it
        record_property("seconds until both had gone", round(gone(), 2))
    assert helpers(vm) == []


ASKS_FOR_ROOT = [["-"], ["b"], ["+", *"dummy", "Enter"], ["x", *"dummy", "Enter"]]


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(ASKS_FOR_ROOT[2:3], id="load"),
        pytest.param(ASKS_FOR_ROOT, id="every key", marks=pytest.mark.full),
    ],
)
def test_read_only_starts_nothing_that_could_give_root(vm: VM, asking: list[list[str]]) -> None:
    """Whatever is asked for: every program that it executes is traced."""
    trace = "exec strace -f --seccomp-bpf -e trace=execve,execveat -o /tmp/executed"
    with open_terminal(vm, "admin", f"{trace} kmodtui --read-only") as terminal:
        await_readings(terminal)
        assert "read-only" in terminal.lines()[0]
        terminal.press("A")
        terminal.wait_for("Root privileges are not available", timeout=PATIENCE)
        terminal.wait_for(r"kmodtui was started with\s+--read-only", timeout=PATIENCE)
        close(terminal, "Root privileges are not available")
        for keys in asking:
            terminal.press(*keys)
            if keys == ["b"]:
                terminal.wait_for("Keep from loading", timeout=PATIENCE)
                terminal.press("b")
            terminal.wait_for(r"kmodtui was started with\s+--read-only", timeout=PATIENCE)
            terminal.wait_for("Esc close", timeout=PATIENCE)
            terminal.press("y", "Esc")
            terminal.wait_for(lambda t: "Esc close" not in t.text(), timeout=PATIENCE)
        assert helpers(vm) == []
        terminal.press("q")
        assert terminal.wait_for_exit(PATIENCE) == 0
    executed = re.findall(r"execve(?:at)?\((.*)\) = 0", vm.read("admin", "/tmp/executed").decode())
    assert len(executed) == 1, executed
    assert executed[0].startswith('"/usr/local/bin/kmodtui", ["kmodtui", "--read-only"]')


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("doas", "doas is not installed."),
        ("run0", "run0 is not installed."),
        ("pkexec", "pkexec is not installed."),
        ("root", "You are not root."),
    ],
)
def test_a_way_that_is_asked_for_and_not_there_is_told(vm: VM, way: str, sentence: str) -> None:
    # Not the dashboard, which takes ten times as long to start here and says the same.
    done = vm.kmodtui("admin", "--elevate", way, "helper", "install")
    assert done.returncode == 1
    assert done.stderr.startswith(f"kmodtui: {sentence}")
