"""The real doas, in a real terminal, with users that exist only for this test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from tests.support.root_sessions import (
    asks_and_leaves_the_terminal_alone,
    ends_with_the_dashboard,
    helper_of,
    keeps_others_out,
    needs_no_password,
    refuses,
    refuses_unasked,
)
from tests.support.users import Users, some_users

pytestmark = pytest.mark.programs("doas")

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
    asks_and_leaves_the_terminal_alone(world.session("kmt-alice"), "doas")


def test_the_dashboard_stays_on_the_screen_without_a_password(world: World) -> None:
    needs_no_password(world.session("kmt-carol"), "doas")


def test_a_user_without_a_rule_is_not_asked_for_a_password(world: World) -> None:
    session = world.session("kmt-bob")
    refuses_unasked(
        session, "ElevationNotAllowedError: This user may not start the helper with doas"
    )


REFUSALS: dict[str, tuple[str, str]] = {
    "wrong password": ("a\n", "ElevationRefusedError: doas was given a wrong password or none"),
    "Ctrl+C": ("\x03", "ElevationCancelledError: Authentication cancelled"),
    "Ctrl+D": ("\x04", "ElevationRefusedError: doas was given a wrong password or none"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_its_own_message(world: World, case: Any) -> None:
    answer, sentence = case
    refuses(world.session("kmt-alice"), [answer], sentence)


def test_an_invalid_doas_conf_is_reported(world: World) -> None:
    world.rules("nonsense")
    session = world.session("kmt-alice")
    refuses_unasked(session, "ElevationRefusedError: doas refused: syntax error at line 1")


def test_other_programs_of_the_user_cannot_use_the_session(world: World) -> None:
    keeps_others_out(world.session("kmt-alice", "intruder"))


def test_without_a_terminal(world: World) -> None:
    session = world.session("kmt-alice", prefix="setsid --wait")
    refuses_unasked(
        session, "ElevationRefusedError: doas needs a password, but there is no terminal"
    )


def test_no_new_privs(world: World) -> None:
    session = world.session("kmt-alice", prefix="setpriv --no-new-privs")
    refuses_unasked(session, "ElevationRefusedError: This session cannot gain privileges")


@pytest.mark.parametrize("end", ["hang-up", "kill"])
def test_no_helper_outlives_the_dashboard(world: World, end: str) -> None:
    session = world.session("kmt-alice", "stay")
    ends_with_the_dashboard(session, helper_of(session), end)
