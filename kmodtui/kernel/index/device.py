"""Reader of a device's modalias, the alias by which the kernel requests a module for it.

Sources: `modalias` attributes below /sys/devices (`Documentation/ABI/testing/sysfs-bus-*`);
for device files, `/sys/dev/char` and `/sys/dev/block` by major and minor number.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_PCI = re.compile(r"(?:(?P<domain>[0-9a-fA-F]{4,8}):)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
_USB = re.compile(r"\d+-\d+(?:\.\d+)*(?::\d+\.\d+)?")
_MAX_PARTS = 64
"""Most subdirectories of a device that are read."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its modaliases.

    Attributes:
        path: its directory in /sys.
        modaliases: its own and then those of its parts; may be empty.
        module: the module of its current driver; empty without a driver, or if that is
            built in.
    """

    path: str
    modaliases: tuple[str, ...]
    module: str


def names_device(text: str) -> bool:
    """Return whether a text names a device: a path in /sys or /dev, a PCI or USB address."""
    return (
        text.startswith(("/sys/", "/dev/"))
        or _PCI.fullmatch(text) is not None
        or _USB.fullmatch(text) is not None
    )


def read_device(host: Host, text: str) -> Device:
    """Return the device with this path or address; see `names_device`.

    Raises:
        UnreadableError: there is no such device.
    """
    folder = _folder(host, text)
    if not host.exists(folder):
        raise UnreadableError(
            f"There is no device {clean(text)}.", f"{clean(folder)} does not exist."
        )
    found = [_modalias(host, folder), _modalias(host, f"{folder}/device")]
    # A USB device has no modalias itself, but its interfaces have.
    try:
        parts = [name for name in host.listdir(folder) if ":" in name][:_MAX_PARTS]
    except OSError:
        parts = []
    found += [_modalias(host, f"{folder}/{part}") for part in parts]
    module = _driver(host, folder) or _driver(host, f"{folder}/device")
    return Device(clean(folder), tuple(dict.fromkeys(filter(None, found))), module)


def _folder(host: Host, text: str) -> str:
    if text.startswith("/sys/"):
        return text.rstrip("/").removesuffix("/modalias")
    if text.startswith("/dev/"):
        return _of_device_file(host, text)
    if match := _PCI.fullmatch(text):
        address = text.lower() if match["domain"] else f"0000:{text.lower()}"
        return f"/sys/bus/pci/devices/{address}"
    return f"/sys/bus/usb/devices/{text}"


def _of_device_file(host: Host, path: str) -> str:
    try:
        status = host.stat(path)
    except OSError as error:
        raise UnreadableError(
            f"There is no device file {clean(path)}.", os.strerror(error.errno or 0) + "."
        ) from None
    if stat.S_ISCHR(status.st_mode):
        kind = "char"
    elif stat.S_ISBLK(status.st_mode):
        kind = "block"
    else:
        raise UnreadableError(f"{clean(path)} is not a device file.")
    return f"/sys/dev/{kind}/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _modalias(host: Host, folder: str) -> str:
    try:
        return decode(host.read(f"{folder}/modalias", 4096)).strip()
    except OSError:
        return ""


def _driver(host: Host, folder: str) -> str:
    try:
        return clean(canonical(host.readlink(f"{folder}/driver/module")))
    except OSError:
        return ""
