"""The real pkexec and polkitd, on a bus of their own, with the helper as it gets installed."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from tests.support.users import Users, finished, laid_over, missing, some_users, typed

POLKITD = "/usr/lib/polkit-1/polkitd"


def lacking() -> str:
    return missing("pkexec", "pkttyagent", "dbus-daemon") or (
        "" if os.path.exists(POLKITD) else "needs polkitd"
    )


pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"pkexec: {lacking()}")

# Polkit calls a process by its number, and the bus says which one asks: both must be ours.
OWN_PROCESSES = ("-p", "-f", "--mount-proc", "--kill-child")


class World:
    """Users, a bus, polkitd, and the installed helper."""

    def __init__(self, users: Users) -> None:
        self.users = users

    def session(self, user: str, *arguments: str, prefix: str = "") -> pexpect.spawn[str]:
        """Run the script as `user` in a new terminal."""
        installer = f"{self.users.folder}/kmodtui/privileged/install_helper.py"
        setup = [
            *laid_over("/usr/local", "/usr/share/polkit-1/actions"),
            "mkdir /run/dbus",
            "dbus-daemon --system --fork --nopidfile 2>/dev/null",
            f"setsid {POLKITD} --no-debug </dev/null >/dev/null 2>&1 &",
            f"/usr/bin/python3 -I -S {installer} install",
            "until pkaction >/dev/null 2>&1; do sleep 0.05; done",
        ]
        return self.users.session(
            user, "way=pkexec", *arguments, prefix=prefix, setup=setup, options=OWN_PROCESSES
        )


@pytest.fixture
def world() -> Iterator[World]:
    with some_users() as users:
        yield World(users)


def test_polkit_asks_and_leaves_the_terminal_alone(world: World) -> None:
    session = world.session("kmt-alice")
    session.expect("SUSPENDED")
    session.expect("root is needed for /usr/local/libexec/kmodtui-helper\r\n")
    session.expect("AUTHENTICATING FOR kmodtui.helper")  # an action of its own
    session.expect("required to load and unload kernel modules")
    session.expect("assword: ")
    session.sendline("secret")
    session.expect("RESUMED")
    session.expect("HELLO pkexec 0")
    session.expect("ANSWER (unknown-module|no-modules)")
    typed(session)
    finished(session)


REFUSALS: dict[str, tuple[str, str]] = {
    "wrong password": ("a\n", "ElevationRefusedError: polkit did not accept the password"),
    "Ctrl+C": ("\x03", "ElevationCancelledError: You broke off when polkit asked"),
    "Ctrl+D": ("\x04", "ElevationRefusedError: polkit did not accept the password"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_its_own_sentence(world: World, case: Any) -> None:
    answer, sentence = case
    session = world.session("kmt-alice")
    session.expect("assword: ")
    session.send(answer)
    session.expect("RESUMED")
    session.expect(sentence)
    session.expect("END")  # the dashboard goes on
    session.close()


def test_without_a_terminal(world: World) -> None:
    session = world.session("kmt-alice", prefix="setsid --wait")
    session.expect("ElevationRefusedError: pkexec needs a password, and there is no terminal")
    session.close()


def test_no_helper_outlives_the_dashboard(world: World) -> None:
    session = world.session("kmt-alice", "stay")
    session.expect("assword: ")
    session.sendline("secret")
    session.expect(r"PID \d+")
    typed(session)
    session.expect("STAYING")
    helpers = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_helper(pid)]
    watches = [os.pidfd_open(helper) for helper in helpers]
    assert len(watches) == 1
    session.kill(9)
    gone, _, _ = select.select(watches, [], [], 1.0)
    os.close(watches[0])
    assert gone


def is_helper(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"\0/usr/local/libexec/kmodtui-helper\0" in file.read()
    except OSError:
        return False
