"""Reader of the digests that packages have of module files: dpkg's and rpm's. Changes nothing.

Sources: `/var/lib/dpkg/info/PACKAGE.md5sums` (`man 5 deb-md5sums`); the tags FILEDIGESTS and
FILENAMES of `man 8 rpm`.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, decode

DPKG = "/var/lib/dpkg/info"
RPM = "/usr/bin/rpm"

_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_LINE = re.compile(r"([0-9a-f]{32,128}) +(/?\S.*)")
_TIME = 30.0
"""Seconds that rpm may take."""


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file in a package's list.

    Attributes:
        package: its name, or the program that knows it.
        digest: in hexadecimal; its length is that of the algorithm.
    """

    package: str
    digest: str

    def matches(self, data: bytes) -> bool:
        """Return whether these are the bytes of the file in the package."""
        algorithm = _ALGORITHMS[len(self.digest)]
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == self.digest


def read_packaged(host: Host, release: str, paths: Sequence[str]) -> dict[str, PackagedFile]:
    """Return what packages say of module files, by path; without those of no package."""
    listed = _of_dpkg(host, release)
    if not listed and host.live and not host.badge and os.path.exists(RPM):
        listed = parse_rpm(_ask_rpm(paths))
    return {path: listed[key] for path in paths if (key := _key(path)) in listed}


def _of_dpkg(host: Host, release: str) -> dict[str, PackagedFile]:
    """Return the files of the packages of a kernel release, which is part of their names."""
    try:
        names = host.listdir(DPKG)
    except OSError:
        return {}
    found: dict[str, PackagedFile] = {}
    for name in names:
        if not name.endswith(".md5sums") or release not in name:
            continue
        try:
            text = decode(host.read(f"{DPKG}/{name}"))
        except OSError:
            continue
        package = clean(name.removesuffix(".md5sums").partition(":")[0])
        found.update(_parsed(text.splitlines(), package))
    return found


def parse_rpm(output: str) -> dict[str, PackagedFile]:
    """Return the files in lines `DIGEST PATH`."""
    return _parsed(output.splitlines(), "rpm")


def _parsed(lines: Iterable[str], package: str) -> dict[str, PackagedFile]:
    found = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and len(match[1]) in _ALGORITHMS and "/modules/" in match[2]:
            found[_key(match[2])] = PackagedFile(package, match[1])
    return found


def _key(path: str) -> str:
    """Return a path without a leading /usr: /lib is a link to /usr/lib, or the other way."""
    return path.lstrip("/").removeprefix("usr/")


def _ask_rpm(paths: Sequence[str]) -> str:
    form = "[%{FILEDIGESTS} %{FILENAMES}\\n]"
    try:
        done = subprocess.run(
            [RPM, "-q", "--qf", form, "-f", *paths],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIME,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return os.fsdecode(done.stdout)
