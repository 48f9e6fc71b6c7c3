"""Users who exist only for a test, and terminals in which they become root with kmodtui.

They exist in a mount namespace with its own passwd, rules and PAM files:
this machine is not changed, except that sudo, doas and polkit are installed if they
are missing. Tests declare what they need with `pytest.mark.programs`, see `require`.
"""

from __future__ import annotations

import os
import shutil
import string
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pexpect
import pytest

import kmodtui
from kmodtui.privileged.install_helper import HELPER, SUDOERS
from tests.support import debian

SCRIPT = Path(__file__).with_name("sudo_session.py")
INTRUDER = Path(__file__).with_name("intruder.py")
PACKAGE = Path(kmodtui.__file__).parent
PYTHON = "/usr/bin/python3"
POLKITD = "/usr/lib/polkit-1/polkitd"
PACKAGES = {
    PYTHON: "python3",
    POLKITD: "polkitd",
    "dbus-daemon": "dbus",
    "doas": "opendoas",
    "mount": "mount",
    "pkexec": "pkexec",
    "pkttyagent": "polkitd",
    "setpriv": "util-linux",
    "sudo": "sudo",
    "unshare": "util-linux",
    "visudo": "sudo",
}
"""Debian package by the command that is wanted of it."""

UIDS = {"kmt-alice": 60001, "kmt-bob": 60002, "kmt-carol": 60003}
# The SHA-512 crypt of "secret".
PASSWORD = (
    "$6$kmodtui$7/jR7nZeie5A3kY7AzuxY1zh0GBirlEVwo2d/Ao"
    "OUdNCwAceGYexXtH7wT7gfgaAwa7pTtPDHQq66aNREOZeE."
)
KEYS = (string.ascii_letters + string.digits)[:60]


@cache
def _absent() -> frozenset[str]:
    """Return the packages that are missing and could not be installed."""
    return frozenset(debian.install(PACKAGES))


def require(*programs: str) -> None:
    """Skip the running test if users or these programs are not available; fail with CI=true.

    All tests give the same reason, so that pytest prints it once.
    """
    if lacking := _lacking(*programs):
        line = f"the tests with the real sudo, doas and pkexec need {lacking}"
        if os.environ.get("CI") == "true":
            pytest.fail(line, pytrace=False)
        pytest.skip(line)


@cache
def _lacking(*programs: str) -> str:
    """Return what is missing on this machine for these programs; empty if nothing is."""
    if os.geteuid() != 0:
        return "root, to make users"
    wanted = {PACKAGES[name] for name in (PYTHON, "mount", "setpriv", "unshare", *programs)}
    if wanted & _absent():
        return f"the Debian packages: {' '.join(sorted(_absent()))}"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        return "mount namespaces"
    recent = "import sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([PYTHON, "-c", recent], check=False).returncode:
        return f"Python 3.11 or later as {PYTHON}"
    return ""


class Users:
    """The users, and the files that replace those of /etc in the namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        shutil.copytree(PACKAGE, folder / "kmodtui", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(SCRIPT, folder)
        shutil.copy(INTRUDER, folder)
        (folder / "etc" / "pam.d").mkdir(parents=True)
        (folder / "over").mkdir()
        # Services need their users, but no user of this machine can log in here.
        kept = [
            line for line in Path("/etc/passwd").read_text().splitlines()
            if line.startswith(("messagebus:", "polkitd:"))
        ]  # fmt: skip
        users = [f"{n}:x:{u}:{u}::/nonexistent:/bin/sh" for n, u in UIDS.items()]
        self.write("passwd", "root:x:0:0:root:/root:/bin/sh", *kept, *users)
        self.write("group", "root:x:0:", *(f"{n}:x:{u}:" for n, u in UIDS.items()))
        shadow = [f"{name}:{PASSWORD}:19000:0:99999:7:::" for name in ("root", *UIDS)]
        self.write("shadow", *shadow)
        for service in ("sudo", "doas", "polkit-1"):
            self.write(
                f"pam.d/{service}", "auth required pam_unix.so nodelay",
                "account required pam_unix.so", "session required pam_permit.so",
            )  # fmt: skip

    def write(self, name: str, *lines: str) -> None:
        """Write a file in the /etc of the namespace."""
        (self.folder / "etc" / name).write_text("".join(f"{line}\n" for line in lines))

    def run(
        self, user: str, command: str, setup: Sequence[str] = (), *options: str
    ) -> pexpect.spawn[str]:
        """Run a shell command as `user` in a new terminal.

        Args:
            setup: shell commands that root runs before, to mount things.
            options: of unshare.
        """
        over = self.folder / "over"
        lines = [
            "set -e",
            f"mount -t tmpfs none {over}",
            f"cp -r {self.folder}/etc {over}/upper",
            f"mkdir {over}/work",
            f"mount -t overlay none /etc -o lowerdir=/etc,upperdir={over}/upper,"
            f"workdir={over}/work",
            # A helper that is installed on this machine must not be used.
            f"rm -f {SUDOERS}",
            f"test ! -e {HELPER} || mount -t tmpfs -o mode=755 none {os.path.dirname(HELPER)}",
            *setup,
        ]
        quoted = command.replace("'", "'\\''")
        become = f"setpriv --reuid {UIDS[user]} --regid {UIDS[user]} --clear-groups"
        # Without exec in a PID namespace: polkit requires a parent other than PID 1.
        lines.append(f"{'' if options else 'exec '}{become} sh -c '{quoted}'")
        arguments = ["-m", *options, "--propagation", "private", "sh", "-c", "\n".join(lines)]
        session: pexpect.spawn[str] = pexpect.spawn(
            "unshare", arguments, encoding="utf-8", timeout=60, dimensions=(24, 200)
        )
        # Seconds: a busy machine needs more than a tenth of one to end a process.
        session.delayafterterminate = session.ptyproc.delayafterterminate = 5
        return session

    def session(
        self, user: str, *arguments: str, prefix: str = "", setup: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> pexpect.spawn[str]:  # fmt: skip
        """Run the script as `user` in a new terminal."""
        script = f"{PYTHON} {self.folder}/{SCRIPT.name} {self.folder} {' '.join(arguments)}"
        return self.run(user, f"exec {prefix} {script}", setup, *options)


def laid_over(*folders: str) -> list[str]:
    """Return shell commands for `setup` that make directories writable without a lasting change."""
    commands = []
    for folder in folders:
        above = f"/run/over/{folder.replace('/', '-')}"
        commands += [
            f"mkdir -p {above}/upper {above}/work",
            f"mount -t overlay none {folder} "
            f"-o lowerdir={folder},upperdir={above}/upper,workdir={above}/work",
        ]
    return ["mount -t tmpfs -o mode=755 none /run", *commands]


@contextmanager
def some_users() -> Iterator[Users]:
    folder = Path(tempfile.mkdtemp(prefix="kmodtui-users-"))
    try:
        yield Users(folder)
    finally:
        shutil.rmtree(folder)


def typed(session: pexpect.spawn[str]) -> None:
    """Type while the helper runs; every key must reach the dashboard."""
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
