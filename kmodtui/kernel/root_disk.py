"""Finds the devices that the root file system is on, with the aliases of their drivers.

Sources: `man 5 proc` (mountinfo), /sys/dev/block, the directory `slaves` of stacked devices
(`Documentation/ABI/testing/sysfs-block`), and the attribute `modalias` of the devices above.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kmodtui.kernel.host import Host
from kmodtui.kernel.in_root import real_path
from kmodtui.model.text import clean, decode

_MAX_DEPTH = 32
_MAX_FILE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RootDisk:
    """What the kernel needs to mount the root file system.

    Attributes:
        kind: the type of the file system; empty if unknown.
        aliases: by which the drivers of its devices are found, with the device that has each.
    """

    kind: str = ""
    aliases: tuple[tuple[str, str], ...] = ()


def read_root_disk(host: Host) -> RootDisk:
    """Return what is known of the root file system and its devices."""
    for line in _text(host, "/proc/self/mountinfo").splitlines():
        words = line.split(" ")
        if len(words) < 10 or words[4] != "/" or "-" not in words[6:-2]:
            continue
        at = words.index("-", 6)
        found: dict[str, str] = {}
        for device in _block_devices(host, words[2], words[at + 2]):
            for folder in _above(device):
                if alias := _text(host, f"{folder}/modalias").strip():
                    found.setdefault(clean(alias), clean(folder))
        return RootDisk(clean(words[at + 1]), tuple(found.items()))
    return RootDisk()


def _block_devices(host: Host, number: str, source: str) -> Iterator[str]:
    """Yield the directories of a block device and of those it is stacked on."""
    entry = f"/sys/dev/block/{number}"
    if not host.exists(entry) and source.startswith("/dev/"):
        # Btrfs has a number of its own, which belongs to no device.
        entry = f"/sys/class/block/{source.rsplit('/', 1)[-1]}"
    left, seen = [entry], set()
    while left:
        try:
            path = real_path(left.pop(), host.readlink)
        except OSError:
            continue
        if path in seen or not host.exists(path):
            continue
        seen.add(path)
        yield path
        try:
            left += [f"{path}/slaves/{name}" for name in host.listdir(f"{path}/slaves")]
        except OSError:
            continue


def _above(path: str) -> Iterator[str]:
    """Yield a device's directory and those of its parents, the nearest first."""
    parts = path.split("/")[:_MAX_DEPTH]
    for length in range(len(parts), 3, -1):
        yield "/".join(parts[:length])


def _text(host: Host, path: str) -> str:
    try:
        return decode(host.read(path, _MAX_FILE))
    except OSError:
        return ""
