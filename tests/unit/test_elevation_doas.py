"""The real doas, in a real terminal, with users that exist only for this test."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from tests.support.users import Users, finished, missing, some_users, typed

pytestmark = pytest.mark.skipif(bool(missing("doas")), reason=f"doas: {missing('doas')}")

RULES = ("permit kmt-alice as root", "permit nopass kmt-carol as root")


class World:
    """Users, and a doas.conf for them."""

    def __init__(self, users: Users) -> None:
        self.users = users
        self.rules(*RULES)

    def rules(self, *lines: str) -> None:
        """Write doas.conf."""
        self.users.write("doas.conf", *lines)

    def session(self, user: str, *arguments: str, prefix: str = "") -> pexpect.spawn[str]:
        """Run the script as `user` in a new terminal."""
        return self.users.session(user, "way=doas", *arguments, prefix=prefix)


@pytest.fixture
def world() -> Iterator[World]:
    with some_users() as users:
        yield World(users)


def test_doas_asks_and_leaves_the_terminal_alone(world: World) -> None:
    session = world.session("kmt-alice")
    session.expect("SUSPENDED")
    session.expect("helper.py")  # what root is asked for
    session.expect("assword: ")
    session.sendline("secret")
    session.expect("RESUMED")
    session.expect("HELLO doas 0")
    session.expect("ANSWER (unknown-module|no-modules)")
    typed(session)
    finished(session)


def test_the_screen_stays_where_no_password_is_needed(world: World) -> None:
    session = world.session("kmt-carol")
    session.expect("HELLO doas 0")
    assert "SUSPENDED" not in session.before
    typed(session)
    finished(session)


def test_who_is_not_in_doas_conf_is_not_asked(world: World) -> None:
    session = world.session("kmt-bob")
    session.expect("ElevationRefusedError: doas does not let this user start the helper")
    assert "SUSPENDED" not in session.before
    session.expect("END")
    session.close()


REFUSALS: dict[str, tuple[str, str]] = {
    "wrong password": ("a\n", "ElevationRefusedError: doas did not accept the password"),
    "Ctrl+C": ("\x03", "ElevationCancelledError: You broke off at doas's prompt"),
    "Ctrl+D": ("\x04", "ElevationRefusedError: doas did not accept the password"),
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


def test_a_broken_doas_conf_is_told(world: World) -> None:
    world.rules("nonsense")
    session = world.session("kmt-alice")
    session.expect("ElevationRefusedError: doas refused: syntax error at line 1")
    session.close()


def test_without_a_terminal(world: World) -> None:
    session = world.session("kmt-alice", prefix="setsid --wait")
    session.expect("ElevationRefusedError: doas needs a password, and there is no terminal")
    session.close()


def test_where_privileges_cannot_be_gained(world: World) -> None:
    session = world.session("kmt-alice", prefix="setpriv --no-new-privs")
    session.expect("ElevationRefusedError: This session may not gain privileges")
    session.close()


@pytest.mark.parametrize("end", ["hang-up", "kill"])
def test_no_helper_outlives_the_dashboard(world: World, end: str) -> None:
    session = world.session("kmt-alice", "stay")
    session.expect("assword: ")
    session.sendline("secret")
    session.expect(r"PID (\d+)")
    helper = int(session.match.group(1))  # type: ignore[union-attr]
    typed(session)
    session.expect("STAYING")
    watch = os.pidfd_open(helper)
    if end == "kill":
        session.kill(9)
    else:
        session.close(force=False)
    gone, _, _ = select.select([watch], [], [], 1.0)
    os.close(watch)
    assert gone
