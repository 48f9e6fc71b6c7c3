"""Devices, drivers and mounts of the demo's machine.

`devices.json` was recorded on the guest of the recording, right after boot: links and files
of /sys/bus and /sys/class, /proc/self/mountinfo and /proc/swaps. A driver is bound only while
its module is loaded; the devices that it makes are there only as long.
"""

from __future__ import annotations

import json
import posixpath
from importlib import resources

from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.demo.system_folder import SystemFolder
from kmodtui.kernel.uevents import ModuleUevent
from kmodtui.model.modules import canonical

_CLASS = "/sys/class/"


def leave_devices(kernel: SimulatedKernel) -> None:
    """Show the devices, and follow the modules of their drivers from now on."""
    text = resources.files(__package__).joinpath("devices.json").read_text(encoding="utf-8")
    recorded: dict[str, dict[str, str]] = json.loads(text)
    folder = kernel.folder
    for path, content in recorded["files"].items():
        folder.write(path, content.encode())
    for path, target in recorded["links"].items():
        _link(folder, path, target)
    owned = _by_module(recorded["links"])

    def follow(event: ModuleUevent) -> None:
        for path, target in owned.get(event.name, ()):
            if event.action == "add":
                _link(folder, path, target)
            else:
                folder.remove(path)

    kernel.on_uevent(follow)


def _link(folder: SystemFolder, path: str, target: str) -> None:
    """Create a link; what it leads to has to exist, or the entry would not."""
    folder.link(path, target)
    if path.startswith((_CLASS, "/sys/block/", "/sys/bus/")) and not folder.exists(path):
        folder.write(f"{_resolved(path, target)}/uevent", b"")


def _by_module(links: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return the links that exist only while a module is loaded."""
    modules = {
        posixpath.dirname(path): canonical(target)
        for path, target in links.items()
        if path.startswith("/sys/bus/") and path.endswith("/module")
    }
    found: dict[str, list[tuple[str, str]]] = {}
    driven: dict[str, str] = {}  # module by directory of a device
    for path, target in links.items():
        if path.endswith("/driver"):
            module = modules.get(_resolved(path, target), "")
            if module:
                driven[posixpath.dirname(path)] = module
                found.setdefault(module, []).append((path, target))
    for path, target in links.items():
        if path.startswith((_CLASS, "/sys/block/")):
            device = _resolved(path, target)
            for above, module in driven.items():
                if device.startswith(f"{above}/"):
                    found[module].append((path, target))
    for driver, module in modules.items():
        found.setdefault(module, []).append((f"{driver}/module", links[f"{driver}/module"]))
    return found


def _resolved(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
