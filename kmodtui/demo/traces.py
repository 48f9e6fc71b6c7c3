"""Devices, drivers, file systems and algorithms that appear in the demo with a module.

`traces.json` was recorded on Debian 12's kernel 6.1, by comparing /sys/class, /sys/bus,
/proc/filesystems, /proc/devices and /proc/crypto before and after loading each module.
`base` lists what exists after boot, `modules` what each module adds, both as pairs of
kind and name (see `kernel.inventory`).
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.demo.system_folder import SystemFolder
from kmodtui.kernel.uevents import ModuleUevent

_CLASSES = {"network interface": "net", "block device": "block"}
_MAJORS = {"character major": "Character devices:", "block major": "Block devices:"}


def leave_traces(kernel: SimulatedKernel) -> None:
    """Show devices, drivers, file systems and algorithms, and follow the modules from now on."""
    text = resources.files(__package__).joinpath("traces.json").read_text(encoding="utf-8")
    recorded: dict[str, Any] = json.loads(text)
    traces = _Traces(kernel.folder)
    for kind, name in recorded["base"]:
        traces.show(kind, name)
    traces.publish()

    def follow(event: ModuleUevent) -> None:
        things = recorded["modules"].get(event.name, ())
        for kind, name in things if event.action == "add" else reversed(things):
            (traces.show if event.action == "add" else traces.hide)(kind, name)
        if things:
            traces.publish()

    kernel.on_uevent(follow)


def log_boot(kernel: SimulatedKernel) -> None:
    """Add the recorded messages of the modules that were loaded at boot to the kernel log."""
    for name in reversed(kernel.loaded):
        recorded = kernel.recording(name)
        for level, text in recorded.load_log if recorded else ():
            kernel.printk(level, text)


class _Traces:
    """The files in /proc and /sys that show them."""

    def __init__(self, folder: SystemFolder) -> None:
        self._folder = folder
        self._lists: dict[str, list[str]] = {
            kind: [] for kind in ("file system", *_MAJORS, "algorithm")
        }

    def show(self, kind: str, name: str) -> None:
        """Add a thing; those in a list of /proc appear with `publish`."""
        if kind in self._lists:
            self._lists[kind].append(name)
        elif not self._folder.exists(path := _path(kind, name)):
            self._folder.install(path, {})

    def hide(self, kind: str, name: str) -> None:
        """Remove a thing; those in a list of /proc disappear with `publish`."""
        if kind not in self._lists:
            self._folder.remove(_path(kind, name))
        elif name in self._lists[kind]:
            self._lists[kind].remove(name)

    def publish(self) -> None:
        """Write the lists of /proc."""
        lists = self._lists
        systems = "".join(f"nodev\t{name}\n" for name in lists["file system"])
        majors = "\n".join(
            f"{title}\n" + "".join(f"{name.rjust(len(name) + 1)}\n" for name in lists[kind])
            for kind, title in _MAJORS.items()
        )
        algorithms = "\n".join(
            f"name         : {name}\ndriver       : {name}\nrefcnt       : 1\n"
            for name in lists["algorithm"]
        )
        self._folder.write("/proc/filesystems", systems.encode())
        self._folder.write("/proc/devices", majors.encode())
        self._folder.write("/proc/crypto", algorithms.encode())


def _path(kind: str, name: str) -> str:
    """Return the directory in /sys that shows a thing."""
    match kind:
        case "driver":
            bus, _, driver = name.partition("/")
            return f"/sys/bus/{bus}/drivers/{driver}"
        case "bus":
            return f"/sys/bus/{name}"
        case "device class":
            return f"/sys/class/{name}"
        case "device":
            return f"/sys/class/{name}"
        case _:
            return f"/sys/class/{_CLASSES[kind]}/{name}"
