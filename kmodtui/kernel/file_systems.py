"""Reader of the file systems that a system mounts: now, at boot, or when they are asked for.

Sources: `man 5 proc` (mountinfo), `man 5 fstab`, `man 5 systemd.mount`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.kernel.host import Host
from kmodtui.kernel.load_lists import UNITS
from kmodtui.model.text import clean, decode

_MAX_FILE = 1024 * 1024


def read_file_systems(host: Host) -> dict[str, str]:
    """Return the type of each file system that is named somewhere, with the place."""
    found: dict[str, str] = {}
    for kind, source in (*_mounted(host), *_in_fstab(host), *_in_units(host)):
        for each in kind.split(","):  # fstab takes a list to try
            found.setdefault(each.partition(".")[0], source)
    return found


def has_encrypted_disks(host: Host) -> bool:
    """Return whether /etc/crypttab or the kernel command line names an encrypted disk."""
    entries = [line for line in _lines(host, "/etc/crypttab") if line.strip()]
    if any(not line.lstrip().startswith("#") for line in entries):
        return True
    words = " ".join(_lines(host, "/proc/cmdline")).split()
    return any(word.startswith(("rd.luks", "luks.", "cryptdevice=")) for word in words)


def _mounted(host: Host) -> Iterator[tuple[str, str]]:
    for line in _lines(host, "/proc/self/mountinfo"):
        words = line.split(" ")
        if "-" in words[6:-1]:
            yield words[words.index("-", 6) + 1], f"mounted at {clean(words[4])}"


def _in_fstab(host: Host) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(host, "/etc/fstab"), 1):
        words = line.split()
        if len(words) > 2 and not words[0].startswith("#"):
            yield words[2], f"/etc/fstab:{number}"


def _in_units(host: Host) -> Iterator[tuple[str, str]]:
    for folder in UNITS:
        try:
            names = host.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.endswith(".mount"):
                path = f"{folder}/{name}"
                for number, line in enumerate(_lines(host, path), 1):
                    key, _, value = line.strip().partition("=")
                    if key == "Type" and value:
                        yield value.strip(), f"{path}:{number}"


def _lines(host: Host, path: str) -> list[str]:
    try:
        return decode(host.read(path, _MAX_FILE)).splitlines()
    except OSError:
        return []
