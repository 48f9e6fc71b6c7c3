"""The demo has devices and mounts; those of a driver go with its module."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo, open_demo
from kmodtui.kernel.devices import read_bus_devices, read_class_devices


@pytest.fixture
def demo() -> Demo:
    return open_demo(pace=0)


def interfaces(demo: Demo) -> list[tuple[str, tuple[str, ...]]]:
    every = read_class_devices(demo.host)
    return [(one.name, one.modules) for one in every if one.kind == "network interface"]


def test_its_devices_have_the_modules_that_drive_them(demo: Demo) -> None:
    assert ("eth0", ("virtio_net", "virtio_pci")) in interfaces(demo)
    bound = {one.address: one.module for one in read_bus_devices(demo.host) if one.module}
    assert bound["virtio1"] == "virtio_blk"
    assert bound["0000:00:1f.2"] == "ahci"


def test_an_interface_disappears_with_its_driver_and_comes_back_with_it(demo: Demo) -> None:
    before = interfaces(demo)
    demo.kernel.unload("virtio_net")
    assert "eth0" not in dict(interfaces(demo))
    unbound = [one.driver for one in read_bus_devices(demo.host) if one.address == "virtio0"]
    assert unbound == [""]
    demo.kernel.load("virtio_net")
    assert interfaces(demo) == before
