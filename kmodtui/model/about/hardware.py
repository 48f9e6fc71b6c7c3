"""Which hardware a module supports, decoded and counted from its aliases.

Format of the aliases: `scripts/mod/file2alias.c`. An alias is a pattern: `*` stands for any
value, so that one alias can cover a range of devices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from kmodtui.model.about.identifiers import identifier
from kmodtui.model.about.page import Statement, some
from kmodtui.model.hardware_names import HardwareNames, IdNames
from kmodtui.model.text import clean, counted

BUSES = {
    "acpi": "ACPI",
    "acpi*": "ACPI",
    "auxiliary": "auxiliary bus",
    "bcma": "Broadcom AMBA",
    "cpu": "processor",
    "cxl": "CXL",
    "dax": "DAX",
    "dmi": "computer model (DMI)",
    "dmi*": "computer model (DMI)",
    "eisa": "EISA",
    "hdaudio": "HD audio codec",
    "hid": "HID",
    "i2c": "I²C",
    "ieee1394": "FireWire",
    "input": "input device",
    "ishtp": "Intel sensor hub",
    "mdio": "Ethernet PHY",
    "mei": "Intel management engine",
    "mhi": "MHI",
    "nd": "persistent memory",
    "of": "device tree",
    "pci": "PCI",
    "pcmcia": "PC card",
    "platform": "platform device",
    "pnp": "Plug and Play",
    "scsi": "SCSI",
    "sdio": "SDIO",
    "sdw": "SoundWire",
    "serio": "serial input port",
    "spi": "SPI",
    "ssam": "Surface aggregator",
    "ssb": "Sonics backplane",
    "tbsvc": "Thunderbolt service",
    "typec": "USB type C",
    "usb": "USB",
    "usbfunc": "USB gadget function",
    "vfio_pci": "PCI device passed to a virtual machine",
    "virtio": "virtio",
    "vmbus": "Hyper-V",
    "wmi": "WMI",
    "x86cpu": "processor",
    "xen": "Xen",
}
"""Buses by the prefix of their aliases, before the first colon."""

VIRTIO = {
    1: "network",
    2: "block",
    3: "console",
    4: "random numbers",
    5: "memory balloon",
    8: "SCSI",
    9: "9P file sharing",
    16: "graphics",
    18: "input",
    19: "socket",
    20: "crypto",
    23: "IOMMU",
    24: "memory",
    25: "sound",
    26: "file system",
    27: "persistent memory",
}
"""Kinds of virtio devices (`include/uapi/linux/virtio_ids.h`)."""

_PCI = re.compile(
    r"(?:vfio_)?pci:v(?P<vendor>[0-9A-F*]+)d(?P<device>[0-9A-F*]+)sv[0-9A-F*]+sd[0-9A-F*]+"
    r"bc(?P<base>[0-9A-F]{2}|\*)sc(?P<sub>[0-9A-F]{2}|\*)i(?P<interface>[0-9A-F]{2}|\*)\*?"
)
_USB = re.compile(
    r"usb:v(?P<vendor>[0-9A-F*]+)p(?P<device>[0-9A-F*]+)d[^d:]*dc[^d:]*dsc[^d:]*dp[^i:]*"
    r"ic(?P<base>[0-9A-F]{2}|\*)isc(?P<sub>[0-9A-F]{2}|\*)ip(?P<interface>[0-9A-F]{2}|\*)in[^:]*"
)
_VIRTIO = re.compile(r"virtio:d([0-9A-F]{8})v[0-9A-F*]*")
_EXAMPLES = 3


def is_hardware(alias: str) -> bool:
    """Return whether an alias stands for hardware."""
    return alias.partition(":")[0] in BUSES and ":" in alias


def supported(aliases: Iterable[str], evidence: str, names: HardwareNames) -> tuple[Statement, ...]:
    """Return which hardware a module supports: a statement for each bus, most devices first.

    Args:
        aliases: its aliases; those that do not stand for hardware are ignored.
        evidence: the file that contains them.
        names: names of PCI and USB hardware.
    """
    by_bus: dict[str, list[str]] = {}
    for alias in aliases:
        if is_hardware(alias):
            by_bus.setdefault(BUSES[alias.partition(":")[0]], []).append(alias)
    ordered = sorted(by_bus.items(), key=lambda item: -len(item[1]))
    return tuple(_bus(bus, found, evidence, names) for bus, found in ordered)


def _bus(bus: str, aliases: Sequence[str], evidence: str, names: HardwareNames) -> Statement:
    lines = (f"{evidence}: {counted(len(aliases), 'alias', 'aliases')}, such as "
             f"{clean(aliases[0])}",)  # fmt: skip
    match bus:
        case "PCI" | "PCI device passed to a virtual machine":
            text, files = _numbered(aliases, _PCI, names.pci)
        case "USB":
            text, files = _numbered(aliases, _USB, names.usb)
        case "virtio":
            text, files = _virtio(aliases), ()
        case _:
            rest = list(dict.fromkeys(clean(identifier(alias)) for alias in aliases))
            text, files = f"{counted(len(rest), 'id')}: {some(rest, _EXAMPLES)}", ()
    return Statement("hardware", f"{bus}: {text}", (*lines, *files))


def _virtio(aliases: Iterable[str]) -> str:
    kinds = []
    for alias in aliases:
        match = _VIRTIO.fullmatch(alias)
        number = int(match[1], 16) if match else 0
        kinds.append(VIRTIO.get(number, f"type {number}") if match else clean(alias))
    return f"{some(kinds)} {'device' if len(kinds) == 1 else 'devices'}"


def _numbered(
    aliases: Iterable[str], pattern: re.Pattern[str], names: IdNames
) -> tuple[str, tuple[str, ...]]:
    """Return devices by vendor and classes in words, and the file of the names."""
    devices: dict[tuple[str, str], None] = {}
    vendors: dict[str, None] = {}
    classes: dict[str, None] = {}
    others = 0
    for alias in aliases:
        match = pattern.fullmatch(alias)
        if match is None:
            others += 1
            continue
        vendor, device = (match[key].lower()[-4:] for key in ("vendor", "device"))
        code = "".join(match[key].lower() for key in ("base", "sub", "interface"))
        if device != "*" and "*" not in vendor:
            devices[vendor, device] = None
        elif code.strip("*"):
            owner = "" if "*" in vendor else f" of {_vendor(vendor, names)}"
            classes[_class(code, names) + owner] = None
        else:
            vendors[vendor] = None
    parts = []
    if devices:
        makers = [name for name, _ in Counter(_vendor(v, names) for v, _ in devices).most_common()]
        example = [_device(vendor, device, names) for vendor, device in devices]
        parts.append(
            f"{counted(len(devices), 'device')} of {some(makers, _EXAMPLES)}"
            + (f", such as {some(example[:1])}" if len(devices) > 1 else f": {example[0]}")
        )
    if vendors:
        every = [_vendor(vendor, names) for vendor in vendors]
        parts.append("every device" if vendors.keys() == {"*"} else
                     f"every device of {some(every, _EXAMPLES)}")  # fmt: skip
    if classes:
        parts.append(f"every device of class {some(classes, _EXAMPLES)}")
    if others:
        parts.append(counted(others, "other alias", "other aliases"))
    known = any(names.vendor(vendor) for vendor, _ in devices) or classes
    return clean("; ".join(parts)), ((names.file,) if names.file and known else ())


def _vendor(vendor: str, names: IdNames) -> str:
    return names.vendor(vendor) or f"vendor {vendor}"


def _device(vendor: str, device: str, names: IdNames) -> str:
    number = f"{vendor}:{device}"
    name = names.device(vendor, device)
    return f"{name} ({number})" if name else number


def _class(code: str, names: IdNames) -> str:
    number = code.split("*", 1)[0]
    for length in range(len(number), 0, -2):
        if name := names.class_of(number[:length]):
            return f"{name} ({number})"
    return number


def device_name(modalias: str, names: HardwareNames) -> str:
    """Return the name of a device in hwdata, given its modalias; empty if unknown."""
    for pattern, ids in ((_PCI, names.pci), (_USB, names.usb)):
        if match := pattern.fullmatch(modalias):
            vendor, device = (match[key].lower()[-4:] for key in ("vendor", "device"))
            maker, name = ids.vendor(vendor), ids.device(vendor, device)
            return clean(" ".join(filter(None, (maker, name))))
    if (match := _VIRTIO.fullmatch(modalias)) and (kind := VIRTIO.get(int(match[1], 16))):
        return f"virtio {kind} device"
    return ""
