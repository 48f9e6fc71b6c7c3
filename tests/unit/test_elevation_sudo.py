"""The real sudo, in a real terminal, with users that exist only for this test."""

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
from tests.support.users import Users, some_users, typed

pytestmark = pytest.mark.programs("sudo")


class World:
    """Users, and a sudoers file for them."""

    def __init__(self, users: Users) -> None:
        self.users = users
        self.defaults()

    def defaults(self, *lines: str) -> None:
        """Write the sudoers file, with these Defaults."""
        self.users.write(
            "sudoers", *(f"Defaults {line}" for line in lines),
            "root ALL=(ALL:ALL) ALL", "kmt-alice ALL=(ALL:ALL) ALL",
            "kmt-carol ALL=(ALL:ALL) NOPASSWD: ALL",
        )  # fmt: skip

    def session(self, user: str, *arguments: str, prefix: str = "") -> pexpect.spawn[str]:
        """Run the script as `user` in a new terminal."""
        setup = [
            "chmod 440 /etc/sudoers",
            "mkdir -p /run/sudo /var/lib/sudo", "mount -t tmpfs -o mode=711 none /run/sudo",
            "mount -t tmpfs -o mode=700 none /var/lib/sudo",
        ]  # fmt: skip
        return self.users.session(user, *arguments, prefix=prefix, setup=setup)


@pytest.fixture
def world() -> Iterator[World]:
    with some_users() as users:
        yield World(users)


DEFAULTS: dict[str, list[str]] = {
    "as Debian has it": ["env_reset", "use_pty"],
    "without a pty": ["!use_pty"],
    "no tickets": ["use_pty", "timestamp_timeout=0"],
    "tickets by process": ["use_pty", "timestamp_type=ppid"],
    "requiretty": ["use_pty", "requiretty"],
    "logging what is typed": ["use_pty", "log_input", "log_output", "iolog_dir=/run/sudo/io"],
}


@pytest.mark.parametrize("defaults", DEFAULTS.values(), ids=DEFAULTS)
def test_sudo_asks_and_leaves_the_terminal_alone(world: World, defaults: list[str]) -> None:
    world.defaults(*defaults)
    asks_and_leaves_the_terminal_alone(world.session("kmt-alice"), "sudo")


def test_the_dashboard_stays_on_the_screen_without_a_password(world: World) -> None:
    world.defaults("use_pty")
    needs_no_password(world.session("kmt-carol"), "sudo")


def test_a_cached_credential_is_used(world: World) -> None:
    world.defaults("use_pty")
    session = world.session("kmt-alice", "twice")
    session.expect("assword.*: ")
    session.sendline("secret")
    typed(session)
    session.expect("TERMINAL ours")
    session.expect("HELLO sudo 0")
    assert "SUSPENDED" not in session.before
    session.close()


REFUSALS: dict[str, tuple[str, list[str], str]] = {
    "wrong password three times":
        ("kmt-alice", ["a\n", "b\n", "c\n"],
         r"ElevationRefusedError: sudo did not accept the password"),
    "Ctrl+C": ("kmt-alice", ["\x03"], r"ElevationCancelledError: Authentication cancelled"),
    "Ctrl+C at the second try":
        ("kmt-alice", ["a\n", "\x03"], r"ElevationCancelledError: Authentication cancelled"),
    "Ctrl+D": ("kmt-alice", ["\x04"], r"ElevationCancelledError: sudo was given no password"),
    "not in sudoers":
        ("kmt-bob", ["secret\n"], r"ElevationNotAllowedError: This user may not start the helper"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_its_own_message(world: World, case: Any) -> None:
    user, answers, sentence = case
    refuses(world.session(user), answers, sentence)


def test_the_right_password_at_the_second_try(world: World) -> None:
    session = world.session("kmt-alice")
    for answer in ("a", "secret"):
        session.expect("assword.*: ")
        session.sendline(answer)
    session.expect("HELLO sudo 0")
    session.close()


def test_a_user_with_a_rule_for_another_command(world: World) -> None:
    world.users.write("sudoers", "kmt-bob ALL=(ALL:ALL) /usr/bin/true")
    session = world.session("kmt-bob")
    session.expect("assword.*: ")
    session.sendline("secret")
    session.expect("ElevationNotAllowedError: This user may not start the helper")
    session.close()


def test_other_programs_of_the_user_cannot_use_the_session(world: World) -> None:
    keeps_others_out(world.session("kmt-alice", "intruder"))


def test_without_a_terminal(world: World) -> None:
    # With setsid the terminal is standard input, but not the controlling terminal.
    session = world.session("kmt-alice", prefix="setsid --wait")
    refuses_unasked(
        session, "ElevationRefusedError: sudo needs a password, but there is no terminal"
    )


def test_no_new_privs(world: World) -> None:
    session = world.session("kmt-alice", prefix="setpriv --no-new-privs")
    refuses_unasked(session, "ElevationRefusedError: This session cannot gain privileges")


@pytest.mark.parametrize("defaults", [["use_pty"], ["!use_pty"]], ids=["pty", "no pty"])
@pytest.mark.parametrize("end", ["hang-up", "kill"])
def test_no_helper_outlives_the_dashboard(world: World, defaults: list[str], end: str) -> None:
    world.defaults(*defaults)
    session = world.session("kmt-alice", "stay")
    ends_with_the_dashboard(session, helper_of(session), end)
