"""Which module drives each device, and why others have no driver."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.kernel.device_label import read_label
from kmodtui.kernel.host import LocalHost
from kmodtui.model.about.facts import BusDevice
from kmodtui.model.devices.device import Device, DeviceState
from kmodtui.model.devices.names import readable_name
from kmodtui.model.hardware_names import HardwareNames, IdNames
from kmodtui.services.devices import read_devices
from tests.support.tiny_system import RELEASE, tiny_system, write

TOP = f"/lib/modules/{RELEASE}"
PCI = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"
BRIDGE = "pci:v00008086d000029C0sv00001AF4sd00001100bc06sc00i00"


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    """A machine with a network card that e1000 and another module match."""
    host = tiny_system(tmp_path, {"e1000": b"\x7fELF", "other": b"\x7fELF"})
    aliases = "alias pci:v00008086d0000100E* e1000\nalias pci:v00008086d0000100E* other\n"
    write(host, f"{TOP}/modules.alias", aliases + "alias pci:v00001234d* gone\n")
    add(host, "pci", "0000:00:02.0", PCI)
    return host


def add(host: LocalHost, bus: str, address: str, modalias: str) -> str:
    write(host, f"/sys/bus/{bus}/devices/{address}/modalias", f"{modalias}\n")
    return f"/sys/bus/{bus}/devices/{address}"


def bind(host: LocalHost, path: str, driver: str, module: str = "") -> None:
    folder = f"/sys/bus/pci/drivers/{driver}"
    write(host, f"{folder}/uevent", "")
    Path(host.locate(path), "driver").symlink_to(f"../../drivers/{driver}")
    if module:
        Path(host.locate(folder), "module").symlink_to(f"../../../../module/{module}")


def only(host: LocalHost) -> Device:
    (device,) = read_devices(host, RELEASE).devices
    return device


def test_a_device_without_a_driver_has_the_module_that_would_fit(host: LocalHost) -> None:
    device = only(host)
    assert (device.state, device.module) == (DeviceState.NOT_LOADED, "e1000")
    assert device.others == ("other",)
    assert device.reason == "e1000 matches it and is not loaded."


def test_blocked_and_blacklisted_modules_are_told_apart_with_the_line(host: LocalHost) -> None:
    write(host, "/etc/modprobe.d/a.conf", "blacklist e1000\nblacklist other\n")
    device = only(host)
    assert device.state is DeviceState.BLACKLISTED
    assert "/etc/modprobe.d/a.conf:1" in device.reason
    write(host, "/etc/modprobe.d/a.conf", "install e1000 /bin/false\ninstall other /bin/false\n")
    device = only(host)
    assert device.state is DeviceState.BLOCKED
    assert device.reason == "e1000 matches it, but is blocked: /etc/modprobe.d/a.conf:1."


def test_a_module_that_the_kernel_itself_refuses_is_blocked(host: LocalHost) -> None:
    write(host, "/proc/cmdline", "module_blacklist=e1000,other\n")
    assert only(host).state is DeviceState.BLOCKED


def test_one_that_can_be_loaded_comes_before_a_blocked_one(host: LocalHost) -> None:
    write(host, "/etc/modprobe.d/a.conf", "install e1000 /bin/false\n")
    assert (only(host).module, only(host).state) == ("other", DeviceState.NOT_LOADED)


def test_a_module_without_its_file_is_missing(host: LocalHost) -> None:
    for name in ("e1000", "other"):
        os.remove(host.locate(f"{TOP}/kernel/{name}.ko"))
    device = only(host)
    assert device.state is DeviceState.MISSING
    assert f"{TOP}/kernel/e1000.ko" in device.reason


def test_a_loaded_module_that_is_not_bound_is_no_reason_to_load_it(host: LocalHost) -> None:
    write(host, "/etc/modprobe.d/a.conf", "alias pci:v00008086d0000100E* e1000\n")
    write(host, "/proc/modules", "e1000 4096 0 - Live 0x0\n")
    assert (only(host).state, only(host).module) == (DeviceState.NOT_BOUND, "e1000")


def test_driven_devices_come_last_and_have_their_driver(host: LocalHost) -> None:
    bind(host, "/sys/bus/pci/devices/0000:00:02.0", "e1000", "e1000")
    bind(host, add(host, "pci", "0000:00:00.0", BRIDGE), "own driver")
    add(host, "usb", "1-1:1.0", "usb:v1D6Bp0001d0000dc00dsc00dp00ic08isc06ip50in00")
    write(host, "/proc/modules", "e1000 4096 0 - Live 0x0\n")
    found = read_devices(host, RELEASE)
    reasons = [each.reason for each in found.devices]
    assert reasons == [
        "No module of this kernel matches it.",
        "Driven by own driver (built in).",
        "Driven by e1000 (module e1000).",
    ]
    assert found.devices[2].others == ("other",)
    assert found.summary == ("3 devices, 1 of them without a driver.",)


def test_devices_of_the_firmware_that_need_no_driver_are_only_counted(host: LocalHost) -> None:
    add(host, "acpi", "PNP0C0F:00", "acpi:PNP0C0F:")
    add(host, "acpi", "PNP0303:00", "acpi:PNP0303:")
    write(host, "/sys/bus/acpi/devices/PNP0303:00/physical_node/uevent", "")
    found = read_devices(host, RELEASE)
    assert (len(found.devices), found.silent) == (1, 1)


def test_a_tree_without_devices_says_so(tmp_path: Path) -> None:
    found = read_devices(tiny_system(tmp_path, {}), RELEASE)
    assert found.summary == ("This system shows no devices in /sys/bus.",)


def test_without_an_index_devices_are_shown_and_the_reason_is_said(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    write(host, "/proc/sys/kernel/osrelease", f"{RELEASE}\n")
    add(host, "pci", "0000:00:02.0", PCI)
    found = read_devices(host, RELEASE)
    assert found.devices[0].state is DeviceState.NO_MODULE
    assert RELEASE in found.summary[-1]


@pytest.mark.parametrize(
    ("bus", "modalias", "label", "name"),
    [
        ("pci", PCI, "", "Intel Corporation 82540EM"),
        ("pci", BRIDGE.replace("8086", "1AF4"), "", "bridge 1af4:29c0"),
        ("acpi", "acpi:PNP0C0A:", "", "battery"),
        ("pnp", "", "PNP0b00", "real-time clock"),
        ("virtio", "virtio:d00000001v00001AF4", "", "virtio network device"),
        ("usb", "usb:v1D6Bp0002d0", "Linux xHCI Host Controller", "Linux xHCI Host Controller"),
        ("usb", "usb:v1D6Bp0002d0", "", "USB device 1d6b:0002"),
        ("platform", "platform:pcspkr", "", "platform device"),
        ("mei", "mei:x", "a\x1b[31m", "a\\x1b[31m"),
    ],
)
def test_devices_have_readable_names(bus: str, modalias: str, label: str, name: str) -> None:
    names = HardwareNames(IdNames("/p", "8086  Intel Corporation\n\t100e  82540EM\n"), IdNames())
    assert readable_name(BusDevice(bus, "0", "/sys", modalias), label, names) == name


def test_a_device_says_what_it_is(host: LocalHost) -> None:
    write(host, "/sys/bus/usb/devices/1-1/product", "Keyboard\n")
    write(host, "/sys/bus/hid/devices/0003:1/uevent", "DRIVER=hid\nHID_NAME=A  Mouse\n")
    usb = BusDevice("usb", "1-1:1.0", "/sys/bus/usb/devices/1-1:1.0")
    assert read_label(host, usb) == "Keyboard"
    assert read_label(host, BusDevice("hid", "0003:1", "/sys/bus/hid/devices/0003:1")) == "A Mouse"


def test_the_verb_shows_the_devices_of_a_module(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(host, "pci", "0000:00:00.0", BRIDGE)
    assert run(["devices", "e1000", "--root", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "pci 0000:00:02.0: e1000 matches it and is not loaded. Also matches: other." in text
    assert "29c0" not in text
    assert run(["devices", "--no-driver", "--json", "--root", str(tmp_path)]) == 0
    states = [each["state"] for each in json.loads(capsys.readouterr().out)["devices"]]
    assert states == ["not loaded", "no module"]
    assert run(["devices", "ext4", "--root", str(tmp_path)]) == 1
    assert "No device of this machine is matched by ext4." in capsys.readouterr().err
