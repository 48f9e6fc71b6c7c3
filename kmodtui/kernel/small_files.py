"""Readers of small files of the kernel, for which a missing file is the same as an empty one."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.modules import canonical
from kmodtui.model.text import decode, natural_key

_MAX_FILE = 1024 * 1024


def driver_module(host: Host, folder: str) -> str:
    """Return the module of a device's driver, given its /sys directory; empty if it has none."""
    try:
        return canonical(host.readlink(f"{folder}/device/driver/module"))
    except OSError:
        return ""


def read_lines(host: Host, path: str) -> list[str]:
    """Return the lines of a file; none if it cannot be read."""
    try:
        return decode(host.read(path, _MAX_FILE)).splitlines()
    except OSError:
        return []


def read_text(host: Host, path: str) -> str:
    """Return the first line of a file without spaces around it."""
    return next(iter(read_lines(host, path)), "").strip()


def read_number(host: Host, path: str) -> int:
    """Return the number in a file, in any notation of C; 0 if there is none."""
    try:
        return int(read_text(host, path), 0)
    except ValueError:
        return 0


def list_names(host: Host, path: str) -> list[str]:
    """Return the names in a directory, `nbd2` before `nbd10`; none if it cannot be read."""
    try:
        return sorted(host.listdir(path), key=natural_key)
    except OSError:
        return []
