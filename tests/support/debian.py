"""Commands that tests need of this machine, and the Debian packages that they are in.

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
    """Return the packages of which a command is not here.

    Args:
        packages: the Debian package of each command; a command may be an absolute path.
    """
    return sorted({package for command, package in packages.items() if not _which(command)})


def install(packages: Mapping[str, str]) -> list[str]:
    """Install the packages that are missing, and return those that are missing still.

    Needs root and apt; without them nothing is installed.
    """
    if os.geteuid() != 0 or not missing(packages) or not _which("apt-get"):
        return missing(packages)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Both lanes of `make test` may want something: the second one waits, and looks again.
    with Path(__file__).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        # The lists may be recent enough: fetching them is half of the time.
        for update in (False, True):
            wanted = missing(packages)
            if update and wanted:
                subprocess.run([*_APT, "update"], env=environment, capture_output=True, check=False)
            if wanted:
                command = [*_APT, "install", "--no-upgrade", *wanted]
                subprocess.run(command, env=environment, capture_output=True, check=False)
    return missing(packages)


def _which(command: str) -> str | None:
    # An ordinary user's PATH lacks the folders that hold half of these.
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
