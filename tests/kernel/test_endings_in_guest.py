"""A root session ends with the terminal of its dashboard, however the dashboard was started."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.kernel.dashboard import (
    PATIENCE,
    await_readings,
    close,
    give_password,
    load,
    open_dashboard,
)
from tests.kernel.helper_sessions import Gate
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM
from tests.kernel.watching import await_in_guest, helpers, watched
from tests.support.terminal import Terminal

pytestmark = pytest.mark.dashboard

Record = Callable[[str, object], None]
FIGURE = "seconds until dashboard and helper had ended"


def dashboards(vm: VM) -> list[str]:
    return vm.run("root", ["pgrep", "-x", "kmodtui"]).stdout.split()


def has_root(terminal: Terminal) -> None:
    terminal.wait_for("Loaded dummy", timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Loaded dummy")


def await_modes_of_a_shell(terminal: Terminal) -> None:
    """Have the shell say whether it edits and echoes lines."""
    terminal.press("stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | tr '\\n' '+'", "Enter")
    terminal.wait_for(r"icanon\+echo\+", timeout=PATIENCE)


@pytest.mark.full
def test_it_ends_with_the_connection_in_a_session_without_a_terminal(
    vm: VM, record_property: Record
) -> None:
    """`su -c` starts a session of its own, which is sent no SIGHUP."""
    command = ["su", "root", "-c", "kmodtui"]
    with open_terminal(vm, "root", command, own_connection=True) as terminal:
        await_readings(terminal)
        load(terminal, "dummy")
        has_root(terminal)
        with watched(vm, [*helpers(vm), *dashboards(vm)]) as gone:
            terminal.process.kill()
            record_property(FIGURE, round(gone(), 2))


@pytest.mark.full
def test_it_survives_in_a_detached_multiplexer_and_ends_with_it(
    vm: VM, record_property: Record
) -> None:
    def type_in(*keys: str) -> None:
        vm.run("admin", ["tmux", "send-keys", *keys], check=True)

    def await_words(words: str) -> None:
        await_in_guest(vm, f"su admin -c 'tmux capture-pane -p' | grep '{words}'")

    vm.run("admin", ["tmux", "new", "-d", "-x", "120", "-y", "40", "kmodtui"], check=True)
    await_words("Waiting for a module")
    type_in("+")
    await_words("of .* modules")
    type_in("dummy", "Enter")
    await_words("y load")
    type_in("y")
    await_words("password for admin:")
    type_in("-l", ADMIN_PASSWORD)
    type_in("Enter")
    await_words("Loaded dummy")
    assert len(helpers(vm)) == 1
    with watched(vm, [*helpers(vm), *dashboards(vm)]) as gone:
        began = time.monotonic()
        vm.run("admin", ["tmux", "kill-server"], check=True)
        gone()
        record_property(FIGURE, round(time.monotonic() - began, 2))


def in_gnu_screen(vm: VM, terminal: Terminal) -> None:
    """Start GNU screen and in it the dashboard, and have it load a module as root."""
    terminal.press("screen -S test", "Enter")
    terminal.press("kmodtui", "Enter")
    await_readings(terminal)
    load(terminal, "dummy")
    give_password(terminal)
    has_root(terminal)
    terminal.press("?")
    terminal.wait_for("keys, columns and flags", timeout=PATIENCE)
    terminal.press("Esc")  # which GNU screen would keep if it had to report the mouse
    terminal.wait_for(lambda t: "keys, columns" not in t.text(), timeout=PATIENCE)
    assert len(helpers(vm)) == 1


@pytest.mark.full
def test_it_survives_in_gnu_screen_when_that_is_detached_and_ends_with_it(
    vm: VM, record_property: Record
) -> None:
    with open_terminal(vm, "admin", own_connection=True) as terminal:
        in_gnu_screen(vm, terminal)
        with watched(vm, [*helpers(vm), *dashboards(vm)]) as gone:
            terminal.press("Ctrl+a", "d")
            terminal.wait_for("detached", timeout=PATIENCE)
            assert len(helpers(vm)) == len(dashboards(vm)) == 1
            terminal.press("screen -r test", "Enter")
            terminal.wait_for("1 Modules", timeout=PATIENCE)
            terminal.press("Ctrl+a", "d")
            terminal.wait_for(lambda t: "1 Modules" not in t.text(), timeout=PATIENCE)
            vm.run("admin", ["screen", "-S", "test", "-X", "quit"], check=True)
            record_property(FIGURE, round(gone(), 2))


@pytest.mark.full
def test_it_leaves_a_clean_line_to_the_shell_in_gnu_screen(vm: VM) -> None:
    with open_terminal(vm, "admin", own_connection=True) as terminal:
        in_gnu_screen(vm, terminal)
        with watched(vm, [*helpers(vm), *dashboards(vm)]) as gone:
            terminal.press("q")
            gone()
        await_modes_of_a_shell(terminal)
        assert "Modules" not in terminal.text()
        terminal.press("exit", "Enter")


@pytest.mark.full
def test_it_ends_on_sigterm_at_the_password_prompt_and_restores_the_terminal(
    vm: VM, record_property: Record
) -> None:
    with open_terminal(vm, "admin", own_connection=True) as terminal:
        terminal.press("kmodtui", "Enter")
        await_readings(terminal)
        load(terminal, "dummy")
        terminal.wait_for("password for admin:", timeout=PATIENCE)
        with watched(vm, dashboards(vm)) as gone:
            vm.run("root", ["pkill", "-TERM", "-x", "kmodtui"])
            record_property("seconds until the dashboard had ended", round(gone(), 2))
        await_in_guest(vm, "! pgrep -x sudo")
        await_modes_of_a_shell(terminal)
    assert helpers(vm) == []


def test_it_ends_though_the_connection_has_stalled_before(vm: VM, record_property: Record) -> None:
    """sshd does not read the terminal any more when the window of the connection is full."""
    with open_dashboard(vm, "admin", own_connection=True) as terminal:
        await_readings(terminal)
        load(terminal, "dummy")
        give_password(terminal)
        has_root(terminal)
        terminal.stall()
        for number in range(60):
            terminal.resize(100 + number % 2 * 20, 40)
            terminal.press("z")
        with watched(vm, [*helpers(vm), *dashboards(vm)]) as gone:
            terminal.process.kill()
            record_property(FIGURE, round(gone(), 2))


@dataclass(frozen=True)
class Ending:
    """One way to end it, in a shell of a person who is connected with ssh.

    Attributes:
        key: what is pressed at last; empty for none.
        signal: what is sent before; empty for none.
        status: what the shell then says in `$?`; None if it has gone as well.
        stops: whether the signal stops it, and the shell has to continue it.
    """

    key: str = ""
    signal: str = ""
    status: int | None = 0
    stops: bool = False


ENDINGS = {
    "q": Ending("q"),
    "Ctrl+q": Ending("Ctrl+q"),
    "TERM": Ending(signal="TERM", status=143),
    "HUP": Ending(signal="HUP", status=129),
    "INT": Ending(signal="INT", status=130),
    "PIPE": Ending("Ctrl+q", "PIPE"),
    "CONT": Ending("Ctrl+q", "CONT"),
    "STOP and fg": Ending("Ctrl+q", "STOP", stops=True),
    "TSTP and fg": Ending("Ctrl+q", "TSTP", stops=True),
    "QUIT": Ending(signal="QUIT", status=131),
    "ABRT": Ending(signal="ABRT", status=134),
    "cut": Ending(status=None),
}
"""As in tests/terminal/test_endings.py, which also has a dialog, and no root privileges."""


def endings() -> Iterator[object]:
    for name in ENDINGS:
        yield pytest.param(name, False, id=f"{name}, at rest")
        if name != "q":  # which closes nothing then
            yield pytest.param(name, True, id=f"{name}, during a load")


@pytest.mark.full
@pytest.mark.parametrize(("name", "during_load"), list(endings()))
def test_it_ends_with_its_helper_whatever_ends_it(
    vm: VM, record_property: Record, request: pytest.FixtureRequest, name: str, during_load: bool
) -> None:
    ending = ENDINGS[name]
    if during_load:
        request.getfixturevalue("gate")
    vm.run("root", "rm -rf /run/sudo/ts/*", check=True)
    with open_terminal(vm, "admin", own_connection=True) as terminal:
        terminal.press("kmodtui", "Enter")
        await_readings(terminal)
        load(terminal, "dummy")
        give_password(terminal)
        if during_load:
            await_in_guest(vm, f"pgrep -f '^/bin/cat {Gate.PATH}'")
            terminal.wait_for("Loading dummy", timeout=PATIENCE)
        else:
            has_root(terminal)
        with watched(vm, [*helpers(vm), *dashboards(vm)]) as gone:
            if ending.signal:
                vm.run("root", ["pkill", f"-{ending.signal}", "-x", "kmodtui"], check=True)
            if ending.stops:
                terminal.wait_for("Stopped", timeout=PATIENCE)
                terminal.press("fg", "Enter")
            if ending.signal and ending.key:
                terminal.wait_for("1 Modules", timeout=PATIENCE)
                terminal.settle(1, timeout=PATIENCE)
            if ending.key:
                terminal.press(ending.key)
            if ending.status is None:
                terminal.process.kill()
            record_property(FIGURE, round(gone(), 2))
        if during_load:
            # The load that hangs is left behind on purpose.
            vm.run("root", ["pkill", "-f", f"cat {Gate.PATH}"], check=True)
        if ending.status is not None:
            terminal.press("echo status=$?", "Enter")
            terminal.wait_for(f"status={ending.status}", timeout=PATIENCE)
            await_modes_of_a_shell(terminal)
            assert not terminal.is_full_screen
    assert helpers(vm) == []
