"""Reader of hwdata's pci.ids and usb.ids, wherever a distribution installs them."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.hardware_names import HardwareNames, IdNames

FOLDERS = ("/usr/share/hwdata", "/usr/share/misc", "/var/lib/pciutils", "/var/lib/usbutils")
_MAX_FILE = 16 * 1024 * 1024


def read_hardware_names(host: Host) -> HardwareNames:
    """Return the names of hardware; none where the files are not installed."""
    return HardwareNames(_read(host, "pci.ids"), _read(host, "usb.ids"))


def _read(host: Host, name: str) -> IdNames:
    for folder in FOLDERS:
        path = f"{folder}/{name}"
        try:
            with host.open(path) as file:
                data = file.read(_MAX_FILE)
        except OSError:
            continue
        return IdNames(path, data.decode("utf-8", "replace"))
    return IdNames()
