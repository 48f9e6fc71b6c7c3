"""Commands that tests need on this machine, and the Debian packages that contain them.

As root on Debian they are installed when they are needed, by whichever test run is the
first one to need them. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")


def missing(packages: Mapping[str, str]) -> list[str]:
    """Return the packages of commands that are not installed.

    Args:
        packages: the Debian package of each command; a command may be an absolute path.
    """
    return sorted({package for command, package in packages.items() if not _which(command)})


def install(packages: Mapping[str, str]) -> list[str]:
    """Install missing packages, and return those that are still missing.

    Needs root and apt; without them nothing is installed.
    """
    if os.geteuid() != 0 or not missing(packages) or not _which("apt-get"):
        return missing(packages)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Two test runs may do this at the same time: the second one waits and checks again.
    with Path(__file__).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        # The package lists may be recent enough; updating them takes half of the time.
        for update in (False, True):
            wanted = missing(packages)
            if update and wanted:
                subprocess.run([*_APT, "update"], env=environment, capture_output=True, check=False)
            if wanted:
                command = [*_APT, "install", "--no-upgrade", *wanted]
                subprocess.run(command, env=environment, capture_output=True, check=False)
    return missing(packages)


def _which(command: str) -> str | None:
    # An ordinary user's PATH lacks the sbin directories, which have many of these.
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
