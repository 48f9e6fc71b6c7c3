"""The real sudo, in a real terminal, with users that exist only for this test.

They live in a mount namespace of their own, with its own passwd, sudoers and
PAM file: nothing of this machine is changed. Needs root, sudo and util-linux.
"""

from __future__ import annotations

import os
import select
import shutil
import string
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

import kmodtui

SCRIPT = Path(__file__).parents[1] / "support" / "sudo_session.py"
PACKAGE = Path(kmodtui.__file__).parent
PYTHON = "/usr/bin/python3"
UIDS = {"kmt-alice": 60001, "kmt-bob": 60002, "kmt-carol": 60003}
# The SHA-512 crypt of "secret".
PASSWORD = (
    "$6$kmodtui$7/jR7nZeie5A3kY7AzuxY1zh0GBirlEVwo2d/Ao"
    "OUdNCwAceGYexXtH7wT7gfgaAwa7pTtPDHQq66aNREOZeE."
)
KEYS = (string.ascii_letters + string.digits)[:60]


def missing() -> str:
    if os.geteuid() != 0:
        return "needs root"
    if not all(map(shutil.which, ("sudo", "unshare", "setpriv", "mount"))):
        return "needs sudo and util-linux"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        return "needs a mount namespace of its own"
    recent = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not os.path.exists(PYTHON) or subprocess.run([PYTHON, "-c", recent], check=False).returncode:
        return "needs Python 3.11 in /usr/bin"
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=f"sudo in a terminal: {missing()}")


class World:
    """Files that stand in for those of /etc inside the namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        shutil.copytree(PACKAGE, folder / "kmodtui", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(SCRIPT, folder)
        users = [f"{n}:x:{u}:{u}::/nonexistent:/bin/sh" for n, u in UIDS.items()]
        self.write("passwd", "root:x:0:0:root:/root:/bin/sh", *users)
        self.write("group", "root:x:0:", *(f"{n}:x:{u}:" for n, u in UIDS.items()))
        shadow = [f"{name}:{PASSWORD}:19000:0:99999:7:::" for name in UIDS]
        self.write("shadow", "root:*:19000:0:99999:7:::", *shadow)
        self.write("pam", "auth required pam_unix.so nodelay", "account required pam_unix.so",
                   "session required pam_permit.so")  # fmt: skip
        self.defaults()

    def write(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def defaults(self, *lines: str) -> None:
        """Write the sudoers file, with these Defaults."""
        self.write(
            "sudoers", *(f"Defaults {line}" for line in lines),
            "root ALL=(ALL:ALL) ALL", "kmt-alice ALL=(ALL:ALL) ALL",
            "kmt-carol ALL=(ALL:ALL) NOPASSWD: ALL",
        )  # fmt: skip

    def session(self, user: str, *arguments: str, prefix: str = "") -> pexpect.spawn[str]:
        """Run the script as `user` in a new terminal."""
        mounts = [f"mount --bind {self.folder}/{name} /etc/{name}"
                  for name in ("passwd", "group", "shadow", "sudoers")]  # fmt: skip
        setup = "; ".join([
            "set -e", *mounts, f"mount --bind {self.folder}/pam /etc/pam.d/sudo",
            "mkdir -p /run/sudo /var/lib/sudo", "mount -t tmpfs -o mode=711 none /run/sudo",
            "mount -t tmpfs -o mode=700 none /var/lib/sudo",
            f"exec {prefix} setpriv --reuid {UIDS[user]} --regid {UIDS[user]} --clear-groups "
            f"{PYTHON} {self.folder}/{SCRIPT.name} {self.folder} {' '.join(arguments)}",
        ])  # fmt: skip
        command = ["-m", "--propagation", "private", "sh", "-c", setup]
        return pexpect.spawn("unshare", command, encoding="utf-8", timeout=20, dimensions=(24, 200))


@pytest.fixture
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="kmodtui-sudo-"))
    yield World(folder)
    shutil.rmtree(folder)


def typed(session: pexpect.spawn[str]) -> None:
    """Type while the helper runs: every key must reach the dashboard."""
    session.expect("TYPE\r\n")
    session.delaybeforesend = None
    for key in KEYS:
        session.send(key)
    session.expect(r"GOT (\w*)")
    assert session.match.group(1) == KEYS  # type: ignore[union-attr]


def finished(session: pexpect.spawn[str]) -> None:
    session.expect(r"TERMINAL (\w*)")
    assert session.match.group(1) == "ours"  # type: ignore[union-attr]
    session.expect("END")
    session.expect(pexpect.EOF)
    session.close()


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
    world.write("sudoers", "kmt-bob ALL=(ALL:ALL) /usr/bin/true")
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
