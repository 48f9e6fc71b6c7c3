"""The page with all devices, from a module to its devices and back."""

from __future__ import annotations

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.ui.stage import opened

PCI = "/sys/bus/pci/devices/0000:00:02.0"
VIRTIO = "/sys/bus/virtio"


def plug_in(kernel: SimulatedKernel) -> None:
    """Add a device that virtio_net drives, and one that nbd matches."""
    folder = kernel.folder
    folder.write(f"{VIRTIO}/devices/virtio0/modalias", b"virtio:d00000001v00001AF4\n")
    folder.write(f"{VIRTIO}/drivers/virtio_net/uevent", b"")
    folder.link(f"{VIRTIO}/devices/virtio0/driver", "../../drivers/virtio_net")
    folder.link(f"{VIRTIO}/drivers/virtio_net/module", "../../../../module/virtio_net")
    folder.write(f"{PCI}/modalias", b"pci:v00001234d00001111sv00001AF4sd00001100bc02sc00i00\n")
    folder.write("/etc/modprobe.d/a.conf", b"alias pci:v00001234d* nbd\n")


async def test_one_key_leads_from_a_module_to_its_devices_and_enter_back(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    plug_in(kernel)
    async with opened(demo) as stage:
        await stage.select("virtio_net")
        await stage.press("P")
        await stage.until("virtio0: Driven by virtio_net (module virtio_net)")
        await stage.press("enter", "enter")
        await stage.until(lambda: stage.screen is stage.dashboard, "3 Info: virtio_net")


async def test_enter_twice_on_a_device_without_a_driver_plans_to_load_its_module(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    plug_in(kernel)
    async with opened(demo) as stage:
        await stage.press("P")
        await stage.until("Devices without a driver", "nbd matches it and is not loaded")
        await stage.press("slash")
        await stage.type("module:nbd !state:driven")
        await stage.press("enter", "G", "enter", "enter")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog), "modprobe -- nbd")
