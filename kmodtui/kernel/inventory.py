"""Reader of what modules provide apart from symbols: devices, drivers, file systems, ciphers.

Sources: the directories /sys/class and /sys/bus, /proc/filesystems (`fs/filesystems.c`),
/proc/devices (`fs/char_dev.c`, `block/genhd.c`), /proc/crypto (`crypto/proc.c`).
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.kernel.host import Host
from kmodtui.model.experiment.report import InventoryItem
from kmodtui.model.text import clean, decode

_CLASSES = {"net": "network interface", "block": "block device"}
_MAJORS = {"Character devices:": "character major", "Block devices:": "block major"}


def read_inventory(host: Host) -> frozenset[InventoryItem]:
    """Return what exists now; a source that cannot be read is skipped."""
    sources = (_classes, _buses, _filesystems, _majors, _algorithms)
    return frozenset(
        InventoryItem(kind, clean(name)) for read in sources for kind, name in read(host) if name
    )


def _classes(host: Host) -> Iterator[tuple[str, str]]:
    for group in _names(host, "/sys/class"):
        yield "device class", group
        for name in _names(host, f"/sys/class/{group}"):
            kind = _CLASSES.get(group)
            yield (kind, name) if kind else ("device", f"{group}/{name}")


def _buses(host: Host) -> Iterator[tuple[str, str]]:
    for bus in _names(host, "/sys/bus"):
        yield "bus", bus
        for name in _names(host, f"/sys/bus/{bus}/drivers"):
            yield "driver", f"{bus}/{name}"


def _filesystems(host: Host) -> Iterator[tuple[str, str]]:
    for line in _lines(host, "/proc/filesystems"):
        yield "file system", line.rpartition("\t")[2]


def _majors(host: Host) -> Iterator[tuple[str, str]]:
    kind = ""
    for line in _lines(host, "/proc/devices"):
        kind = _MAJORS.get(line, kind)
        if kind and line not in _MAJORS:
            yield kind, " ".join(line.split())


def _algorithms(host: Host) -> Iterator[tuple[str, str]]:
    for line in _lines(host, "/proc/crypto"):
        key, _, value = line.partition(":")
        # The driver name is unique, an algorithm can have several implementations.
        if key.strip() == "driver":
            yield "algorithm", value.strip()


def _names(host: Host, folder: str) -> list[str]:
    try:
        return host.listdir(folder)
    except OSError:
        return []  # it does not exist, or has just disappeared


def _lines(host: Host, path: str) -> list[str]:
    try:
        return decode(host.read(path)).splitlines()
    except OSError:
        return []
