"""The real sudo, in a real terminal, with users that exist only for this test."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from tests.support.users import Users, finished, missing, some_users, typed

pytestmark = pytest.mark.skipif(bool(missing("sudo")), reason=f"sudo: {missing('sudo')}")


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
    session = world.session("kmt-alice")
    session.expect("SUSPENDED")
    session.expect("helper.py")  # what root is asked for
    session.expect("assword.*: ")
    session.sendline("secret")
    session.expect("RESUMED")
    session.expect("HELLO sudo 0")
    session.expect("ANSWER (unknown-module|no-modules)")
    typed(session)
    finished(session)


def test_the_screen_stays_where_no_password_is_needed(world: World) -> None:
    world.defaults("use_pty")
    session = world.session("kmt-carol")
    session.expect("HELLO sudo 0")
    assert "SUSPENDED" not in session.before
    typed(session)
    finished(session)


def test_a_ticket_is_used(world: World) -> None:
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
    "right at the second try":
        ("kmt-alice", ["a\n", "secret\n"], r"HELLO sudo 0"),
    "Ctrl+C": ("kmt-alice", ["\x03"], r"ElevationCancelledError: You broke off"),
    "Ctrl+C at the second try":
        ("kmt-alice", ["a\n", "\x03"], r"ElevationCancelledError: You broke off"),
    "Ctrl+D": ("kmt-alice", ["\x04"], r"ElevationCancelledError: sudo was given no password"),
    "not in sudoers":
        ("kmt-bob", ["secret\n"], r"ElevationRefusedError: sudo does not let this user"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_its_own_sentence(world: World, case: Any) -> None:
    user, answers, sentence = case
    session = world.session(user)
    for answer in answers:
        session.expect("assword.*: ")
        session.send(answer)
    session.expect("RESUMED")
    session.expect(sentence)
    if "HELLO" not in sentence:
        session.expect("END")  # the dashboard goes on
    session.close()


def test_a_user_who_may_do_something_else_only(world: World) -> None:
    world.users.write("sudoers", "kmt-bob ALL=(ALL:ALL) /usr/bin/true")
    session = world.session("kmt-bob")
    session.expect("assword.*: ")
    session.sendline("secret")
    session.expect("ElevationRefusedError: sudo does not let this user")
    session.close()


def test_without_a_terminal(world: World) -> None:
    # setsid leaves the terminal as standard input, and no longer the controlling one.
    session = world.session("kmt-alice", prefix="setsid --wait")
    session.expect("ElevationRefusedError: sudo needs a password, and there is no terminal")
    session.close()


def test_where_privileges_cannot_be_gained(world: World) -> None:
    session = world.session("kmt-alice", prefix="setpriv --no-new-privs")
    session.expect("ElevationRefusedError: This session may not gain privileges")
    session.close()


@pytest.mark.parametrize("defaults", [["use_pty"], ["!use_pty"]], ids=["pty", "no pty"])
@pytest.mark.parametrize("end", ["hang-up", "kill"])
def test_no_helper_outlives_the_dashboard(world: World, defaults: list[str], end: str) -> None:
    world.defaults(*defaults)
    session = world.session("kmt-alice", "stay")
    session.expect("assword.*: ")
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
