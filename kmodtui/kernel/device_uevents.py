"""Uevents of devices: the kernel's own announcement that one appeared or got its driver.

Source of the format: `lib/kobject_uevent.c`, `drivers/base/core.c` (`dev_uevent`):
`add@PATH NUL ACTION=add NUL DEVPATH=PATH NUL SUBSYSTEM=usb NUL MODALIAS=usb:… NUL SEQNUM=…`.
Of the thousands of kernel objects, those are reported that have an alias or a driver, or that
people know (`CLASSES`).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol

from kmodtui.kernel.devices import CLASSES
from kmodtui.kernel.uevents import open_channel, readable, received
from kmodtui.model.text import clean, decode
from kmodtui.model.timeline.event import DeviceAction, DeviceChanged

_ACTIONS = {
    "add": DeviceAction.APPEARED,
    "remove": DeviceAction.DISAPPEARED,
    "bind": DeviceAction.BOUND,
    "unbind": DeviceAction.UNBOUND,
}

_NOT_DEVICES = ("module", "drivers", "bus", "queues", "slab", "bdi", "workqueue")


class DeviceSource(Protocol):
    """Something that reports what happens to devices."""

    async def wait(self) -> tuple[DeviceChanged, ...] | None:
        """Return what has happened since the last call; wait until something has.

        None means that something was lost.

        Raises:
            OSError: nothing will be reported any more.
        """
        ...

    def close(self) -> None:
        """Close the source; `wait` must not be called afterwards."""
        ...


@dataclass(frozen=True)
class DeviceUevents:
    """The kernel's uevents of this machine's devices."""

    channel: socket.socket

    @classmethod
    def open(cls) -> DeviceUevents | None:
        """Return the source; None where the system does not allow one."""
        channel = open_channel()
        return cls(channel) if channel is not None else None

    async def wait(self) -> tuple[DeviceChanged, ...] | None:
        """Return what has happened; see `DeviceSource.wait`."""
        while True:
            await readable(self.channel)
            messages = received(self.channel)
            if messages is None:
                return None
            if found := tuple(filter(None, map(parse_device_uevent, messages))):
                return found

    def close(self) -> None:
        """Close the socket."""
        self.channel.close()


def parse_device_uevent(data: bytes) -> DeviceChanged | None:
    """Return what one netlink message says about a device; None if it is about another object."""
    head, *pairs = decode(data).split("\0")
    values = dict(pair.partition("=")[::2] for pair in pairs)
    action = _ACTIONS.get(head.partition("@")[0])
    path, subsystem = values.get("DEVPATH", ""), values.get("SUBSYSTEM", "")
    if action is None or not path.startswith("/devices/") or subsystem in ("", *_NOT_DEVICES):
        return None
    alias, driver = values.get("MODALIAS", ""), values.get("DRIVER", "")
    if not alias and not driver and subsystem not in CLASSES:
        return None
    name = path.rsplit("/", 1)[-1]
    return DeviceChanged(action, *map(clean, (subsystem, name, f"/sys{path}", driver, alias)))
