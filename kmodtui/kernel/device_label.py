"""Reader of what a device calls itself.

Sources: attributes below /sys/bus (`Documentation/ABI/testing/sysfs-bus-*`): `product` of a USB
device, `vendor` and `model` of a SCSI device, HID_NAME in the `uevent` of a HID device, `id` of
a PNP device, `name` or `description` of others.
"""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.about.facts import BusDevice
from kmodtui.model.text import decode

_NAME = "HID_NAME="
_MAX = 4096


def read_label(host: Host, device: BusDevice) -> str:
    """Return the label of a device, or its id for PNP; empty if it has none."""
    path = device.path
    match device.bus:
        case "usb":
            owner = f"{path.rpartition('/')[0]}/{device.address.partition(':')[0]}"
            texts = [_text(host, f"{owner}/{name}") for name in ("manufacturer", "product")]
        case "scsi":
            texts = [_text(host, f"{path}/{name}") for name in ("vendor", "model")]
        case "hid":
            lines = _text(host, f"{path}/uevent").splitlines()
            texts = [line.removeprefix(_NAME) for line in lines if line.startswith(_NAME)]
        case "pnp":
            texts = _text(host, f"{path}/id").splitlines()[:1]
        case "i2c" | "mmc" | "sdio" | "spi":
            texts = [_text(host, f"{path}/name")]
        case "serio":
            texts = [_text(host, f"{path}/description")]
        case _:
            texts = []
    return " ".join(" ".join(texts).split())


def _text(host: Host, path: str) -> str:
    try:
        return decode(host.read(path, _MAX)).strip()
    except OSError:
        return ""
