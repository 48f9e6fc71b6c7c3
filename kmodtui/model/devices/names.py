"""Readable names of devices, from what the bus shows and from hwdata."""

from __future__ import annotations

import re

from kmodtui.model.about.facts import BusDevice
from kmodtui.model.about.hardware import device_name
from kmodtui.model.hardware_names import HardwareNames
from kmodtui.model.text import clean

_PCI = re.compile(r"pci:v0000(....)d0000(....)sv.{8}sd.{8}bc(..)sc(..)i..")
_USB = re.compile(r"usb:v(....)p(....)d.*")
_FIRMWARE_ID = re.compile(r"(?:acpi:)?([A-Z]{3,4}[0-9A-F]{4}|LNX[A-Z]+)", re.IGNORECASE)

_PCI_CLASSES = {
    "01": "storage controller",
    "02": "network controller",
    "03": "graphics controller",
    "04": "multimedia controller",
    "05": "memory controller",
    "06": "bridge",
    "07": "communication controller",
    "08": "system peripheral",
    "09": "input controller",
    "0b": "processor",
    "0c": "serial bus controller",
    "0d": "wireless controller",
    "10": "encryption controller",
    "11": "signal processing controller",
    "12": "processing accelerator",
}
"""Base classes of PCI devices (`include/linux/pci_ids.h`), for machines without hwdata."""

BRIDGE = "06"

_KINDS = {
    "acpi": "ACPI device",
    "cpu": "processor",
    "hdaudio": "HD audio codec",
    "hid": "HID device",
    "i2c": "I²C device",
    "pci": "PCI device",
    "pnp": "Plug and Play device",
    "scsi": "SCSI device",
    "serio": "PS/2 port",
    "usb": "USB device",
    "wmi": "WMI device",
}
"""What is on a bus, where nothing else is known."""

_FIRMWARE_NAMES = {
    "ACPI0003": "AC adapter",
    "LNXCPU": "processor",
    "LNXPWRBN": "power button",
    "LNXSLPBN": "sleep button",
    "LNXSYBUS": "system bus",
    "LNXSYSTM": "system",
    "LNXTHERM": "thermal zone",
    "LNXVIDEO": "graphics adapter",
    "PNP0103": "event timer (HPET)",
    "PNP0303": "PS/2 keyboard",
    "PNP0400": "parallel port",
    "PNP0501": "serial port",
    "PNP0800": "PC speaker",
    "PNP0A03": "PCI host bridge",
    "PNP0A08": "PCI Express host bridge",
    "PNP0B00": "real-time clock",
    "PNP0C01": "system board",
    "PNP0C02": "motherboard resources",
    "PNP0C09": "embedded controller",
    "PNP0C0A": "battery",
    "PNP0C0B": "fan",
    "PNP0C0C": "power button",
    "PNP0C0D": "lid",
    "PNP0C0E": "sleep button",
    "PNP0C0F": "interrupt link",
    "PNP0C14": "firmware interface (WMI)",
    "PNP0F13": "PS/2 mouse",
}
"""Devices by the id that the firmware gives them (`drivers/acpi`, the list of PNP ids)."""


def readable_name(device: BusDevice, label: str, names: HardwareNames) -> str:
    """Return the name of a device for people.

    Args:
        device: the device.
        label: what the device calls itself, or its id; empty if unknown.
        names: names of PCI and USB hardware.
    """
    if name := device_name(device.modalias, names):
        return name
    if match := _PCI.fullmatch(device.modalias):
        vendor, number, base, sub = (part.lower() for part in match.groups())
        kind = names.pci.class_of(base + sub) or _PCI_CLASSES.get(base, "PCI device")
        return clean(f"{kind} {vendor}:{number}")
    match = _FIRMWARE_ID.match(device.modalias or label)
    if match and (name := _FIRMWARE_NAMES.get(match[1].upper(), "")):
        return name
    if label:
        return clean(label)
    if match := _USB.fullmatch(device.modalias):
        return f"USB device {match[1].lower()}:{match[2].lower()}"
    return _KINDS.get(device.bus, f"{device.bus} device")


def is_bridge(modalias: str) -> bool:
    """Return whether a device is a PCI bridge, most of which need no driver."""
    match = _PCI.fullmatch(modalias)
    return match is not None and match[3] == BRIDGE
