"""Reader of the devices of a machine: on its buses, and as programs see them.

Sources: /sys/bus/BUS/devices with the attribute `modalias` and the link `driver`
(`Documentation/ABI/testing/sysfs-bus-*`), /sys/class.
"""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.about.facts import BusDevice, ClassDevice
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode, natural_key

CLASSES = {
    "net": "network interface",
    "block": "block device",
    "input": "input device",
    "sound": "sound device",
    "drm": "graphics device",
    "graphics": "framebuffer",
    "hwmon": "sensor",
    "iio": "sensor",
    "thermal": "temperature zone",
    "tty": "serial port",
    "misc": "device node",
    "video4linux": "video device",
    "dvb": "TV receiver",
    "rc": "remote control receiver",
    "rtc": "clock",
    "watchdog": "watchdog",
    "leds": "LED",
    "backlight": "backlight",
    "power_supply": "power supply",
    "bluetooth": "Bluetooth adapter",
    "ieee80211": "wireless adapter",
    "rfkill": "radio switch",
    "mmc_host": "card reader",
    "scsi_host": "SCSI host",
    "nvme": "NVMe controller",
    "ata_port": "ATA port",
    "tpm": "TPM",
    "ptp": "PTP clock",
    "i2c-adapter": "I²C adapter",
    "gpio": "GPIO chip",
    "hidraw": "HID device",
    "typec": "USB type C port",
    "usbmisc": "USB device node",
    "printer": "printer",
    "ppdev": "parallel port",
    "infiniband": "InfiniBand device",
}
"""Directories of /sys/class that people know, with the name of what is in them."""

_MAINBOARD = "/sys/class/dmi/id"
_MAX_ALIAS = 4096
_MAX_DEPTH = 32


def read_bus_devices(host: Host) -> tuple[BusDevice, ...]:
    """Return the devices on all buses that have a modalias or a driver, by bus and address."""
    found = []
    for bus in _names(host, "/sys/bus"):
        for address in _names(host, f"/sys/bus/{bus}/devices"):
            path = f"/sys/bus/{bus}/devices/{address}"
            modalias = _text(host, f"{path}/modalias")
            driver = _link(host, f"{path}/driver")
            if modalias or driver:
                module = canonical(_link(host, f"{path}/driver/module")) if driver else ""
                words = (bus, address, path, modalias, driver, module)
                found.append(BusDevice(*map(clean, words)))
    return tuple(found)


def read_other_aliases(host: Host) -> dict[str, str]:
    """Return the aliases of input devices and of the mainboard, which are on no bus."""
    folders = [f"/sys/class/input/{name}" for name in _names(host, "/sys/class/input")]
    aliases = ((_text(host, f"{folder}/modalias"), folder) for folder in (*folders, _MAINBOARD))
    return {clean(alias): clean(folder) for alias, folder in aliases if alias}


def read_class_devices(host: Host) -> tuple[ClassDevice, ...]:
    """Return network interfaces, disks, input devices and others, with the modules they need."""
    modules: dict[str, str] = {}
    found = []
    for group, kind in CLASSES.items():
        for name in _names(host, f"/sys/class/{group}"):
            path = f"/sys/class/{group}/{name}"
            above = _modules_above(host, _resolved(host, path), modules)
            found.append(ClassDevice(kind, clean(name), clean(path), above))
    return tuple(found)


def _resolved(host: Host, path: str) -> str:
    """Return where an entry of /sys/class leads to: `../../devices/…` from its directory."""
    target = _link(host, path, whole=True)
    parts = path.split("/")[1:-1] if not target.startswith("/") else []
    for part in filter(None, target.split("/")):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts) if target else ""


def _modules_above(host: Host, path: str, known: dict[str, str]) -> tuple[str, ...]:
    """Return the modules of the drivers of a device's parents, the nearest first."""
    found: dict[str, None] = {}
    parts = path.split("/")[:_MAX_DEPTH]
    # /sys/devices itself is not a device.
    for length in range(len(parts), 3, -1):
        folder = "/".join(parts[:length])
        if folder not in known:
            known[folder] = clean(canonical(_link(host, f"{folder}/driver/module")))
        if known[folder]:
            found[known[folder]] = None
    return tuple(found)


def _names(host: Host, folder: str) -> list[str]:
    try:
        return sorted(host.listdir(folder), key=natural_key)
    except OSError:
        return []


def _text(host: Host, path: str) -> str:
    try:
        return decode(host.read(path, _MAX_ALIAS)).strip()
    except OSError:
        return ""


def _link(host: Host, path: str, *, whole: bool = False) -> str:
    """Return the last part of a link's target, or all of it; empty if there is none."""
    try:
        target = host.readlink(path)
    except OSError:
        return ""
    return target if whole else target.rsplit("/", 1)[-1]
