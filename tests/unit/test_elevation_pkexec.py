"""The real pkexec and polkitd, on their own bus, with an installed helper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from tests.support.root_sessions import (
    PROMPT,
    asks_and_leaves_the_terminal_alone,
    ends_with_the_dashboard,
    helper_of,
    keeps_others_out,
    refuses,
    refuses_unasked,
)
from tests.support.users import POLKITD, Users, finished, laid_over, some_users, typed

pytestmark = pytest.mark.programs("pkexec", "pkttyagent", POLKITD, "dbus-daemon")

# polkit identifies a process by its PID, and the bus reports that PID: both must be ours.
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
    asks_and_leaves_the_terminal_alone(
        world.session("kmt-alice"),
        "pkexec",
        "AUTHENTICATING FOR org.kmodtui.helper.change",  # kmodtui's own action
        "required to load and unload kernel modules",
        purpose="/usr/local/libexec/kmodtui-helper change\r\n",
    )


def test_reading_has_an_action_of_its_own(world: World) -> None:
    session = world.session("kmt-alice", "read")
    session.expect("AUTHENTICATING FOR org.kmodtui.helper.read")
    session.expect("required to read the kernel log and hidden kernel addresses")
    session.expect(PROMPT)
    session.sendline("secret")
    session.expect("HELLO pkexec 0")
    session.expect("ANSWER invalid This session can only read.")
    typed(session)
    finished(session)


REFUSALS: dict[str, tuple[str, str]] = {
    "wrong password": (
        "a\n",
        "ElevationRefusedError: polkit did not accept the password for pkexec",
    ),
    "Ctrl+C": ("\x03", "ElevationCancelledError: Authentication cancelled"),
    "Ctrl+D": ("\x04", "ElevationCancelledError: Authentication cancelled"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_its_own_message(world: World, case: Any) -> None:
    answer, sentence = case
    refuses(world.session("kmt-alice"), [answer], sentence)


def test_a_denial_by_the_rules_is_reported_without_a_prompt(world: World) -> None:
    rules = world.users.folder / "etc" / "polkit-1" / "rules.d"
    rules.mkdir(parents=True)
    (rules / "00-test.rules").write_text(
        'polkit.addRule(function (action) { if (action.id == "org.kmodtui.helper.change")'
        " return polkit.Result.NO; });"
    )
    session = world.session("kmt-alice")
    refuses_unasked(
        session, "ElevationRefusedError: polkit does not allow this user to start the helper"
    )


def test_other_programs_of_the_user_cannot_use_the_session(world: World) -> None:
    keeps_others_out(world.session("kmt-alice", "intruder"))


def test_without_a_terminal(world: World) -> None:
    session = world.session("kmt-alice", prefix="setsid --wait")
    refuses_unasked(
        session, "ElevationRefusedError: pkexec needs a password, but there is no terminal"
    )


def test_no_helper_outlives_the_dashboard(world: World) -> None:
    session = world.session("kmt-alice", "stay")
    helper_of(session)  # its PID in the namespace, which is another one here
    (helper,) = (int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_helper(pid))
    ends_with_the_dashboard(session, helper, "kill")


def is_helper(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"\0/usr/local/libexec/kmodtui-helper\0" in file.read()
    except OSError:
        return False
