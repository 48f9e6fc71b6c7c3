"""What the kernel lane needs of this machine: root, and a few commands of Debian packages."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence

from tests.support import debian
from tests.support.debian import SYSTEM_PATH

__all__ = ["SYSTEM_PATH", "CannotRunError", "provide", "run"]

PACKAGES = {
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nm": "binutils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
}
"""Debian package by the command that is wanted of it."""


class CannotRunError(Exception):
    """This machine cannot run the kernel lane; the text is one line that says what is missing."""


def provide() -> None:
    """Have every command of PACKAGES, installing what is missing; CannotRunError otherwise."""
    if platform.machine() != "x86_64":
        raise CannotRunError(
            f"the kernel lane needs an x86-64 machine, this is {platform.machine()}"
        )
    if os.geteuid() != 0:
        missing = debian.missing(PACKAGES)
        also = f" (missing too: {' '.join(missing)})" if missing else ""
        raise CannotRunError(f"the kernel lane needs root, to make a Debian tree{also}")
    if missing := debian.install(PACKAGES):
        raise CannotRunError(f"the kernel lane needs the Debian packages: {' '.join(missing)}")


def run(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> str:
    """Run a command and give what it prints; RuntimeError with the end of it if it fails."""
    result = subprocess.run(
        command,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-30:])
        raise RuntimeError(f"exit status {result.returncode}: {' '.join(command)}\n{tail}")
    return result.stdout
