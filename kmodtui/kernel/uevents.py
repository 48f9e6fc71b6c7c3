"""Uevents: the kernel's own announcement that a module was loaded or unloaded.

A netlink socket of the family NETLINK_KOBJECT_UEVENT receives them at once, for ordinary
users as well. Source of the format: `lib/kobject_uevent.c`:
`add@/module/btrfs NUL ACTION=add NUL DEVPATH=/module/btrfs NUL SUBSYSTEM=module …`.
In a network namespace of its own the socket opens and stays silent, so polling has to
continue beside it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kmodtui.kernel.host import Host

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1  # udevd's own rebroadcasts go to group 2
_MAX_MESSAGE = 16 * 1024
_PREFIX = "/module/"

SEQUENCE = "/sys/kernel/uevent_seqnum"
"""Where the kernel shows the number of its last uevent."""


@dataclass(frozen=True, slots=True)
class ModuleUevent:
    """A module was added or removed, as the kernel said.

    Attributes:
        action: `add` or `remove`.
        name: the module.
        sequence: the kernel's number of the uevent; 0 if it said none.
    """

    action: str
    name: str
    sequence: int = 0


class UeventSource(Protocol):
    """Something that can wait until modules are loaded or unloaded."""

    @property
    def sequence(self) -> int:
        """The number of the last uevent that was received, of whatever subsystem; 0 if none."""
        ...

    def drain(self) -> tuple[ModuleUevent, ...]:
        """Return what has been received since the last call, without waiting."""
        ...

    async def wait(self) -> tuple[ModuleUevent, ...]:
        """Return what has happened since the last call; wait until something has.

        An empty tuple means that something was lost (ENOBUFS): read everything again.
        """
        ...

    def close(self) -> None:
        """Close the source; `wait` must not be called afterwards."""
        ...


class NoUevents:
    """A system that announces nothing: `wait` never returns."""

    @property
    def sequence(self) -> int:
        """No uevent is ever received."""
        return 0

    def drain(self) -> tuple[ModuleUevent, ...]:
        """Return nothing."""
        return ()

    async def wait(self) -> tuple[ModuleUevent, ...]:
        """Never return; polling does the work."""
        await asyncio.get_running_loop().create_future()
        return ()

    def close(self) -> None:
        """Do nothing."""


class NetlinkUevents:
    """The kernel's uevents of this machine."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sequence = 0

    @classmethod
    def open(cls) -> UeventSource:
        """Return the socket, or a silent source where the system does not allow one."""
        channel = open_channel()
        return cls(channel) if channel is not None else NoUevents()

    @property
    def sequence(self) -> int:
        """The number of the last uevent that was received."""
        return self._sequence

    def drain(self) -> tuple[ModuleUevent, ...]:
        """Return the module uevents that have queued up; none where some were lost."""
        return tuple(self._drain() or ())

    async def wait(self) -> tuple[ModuleUevent, ...]:
        """Return the module uevents that have queued up; see `UeventSource.wait`."""
        while True:
            await readable(self._channel)
            events = self._drain()
            if events is None:
                return ()
            if events:
                return tuple(events)

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()

    def _drain(self) -> list[ModuleUevent] | None:
        messages = received(self._channel)
        if messages is None:
            return None
        self._sequence = max([self._sequence, *map(parse_sequence, messages)])
        return [event for message in messages if (event := parse_uevent(message))]


def open_channel() -> socket.socket | None:
    """Return a socket that receives the kernel's uevents; None if the system allows none."""
    try:
        channel = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            _NETLINK_KOBJECT_UEVENT,
        )
    except OSError:
        return None
    try:
        channel.bind((0, _KERNEL_GROUP))
    except OSError:
        channel.close()
        return None
    return channel


async def readable(channel: socket.socket) -> None:
    """Return once something has arrived."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(channel, wake)
    try:
        await ready
    finally:
        loop.remove_reader(channel)


def received(channel: socket.socket) -> list[bytes] | None:
    """Return the messages that have arrived; None if some were lost (ENOBUFS).

    Raises:
        OSError: the socket is broken.
    """
    messages: list[bytes] = []
    while True:
        try:
            data, (sender, _groups) = channel.recvfrom(_MAX_MESSAGE)
        except BlockingIOError:
            return messages
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return None
            raise
        # Any process may send to the group; only the kernel has port 0.
        if sender == 0:
            messages.append(data)


def parse_uevent(data: bytes) -> ModuleUevent | None:
    """Return the module uevent in one netlink message, None for any other subsystem."""
    action, _, path = data.split(b"\0", 1)[0].decode("ascii", "replace").partition("@")
    name = path.removeprefix(_PREFIX)
    if action not in ("add", "remove") or name == path or "/" in name or not name:
        return None
    return ModuleUevent(action, name, parse_sequence(data))


def parse_sequence(data: bytes) -> int:
    """Return the number in a netlink message's `SEQNUM=`; 0 if it has none."""
    number = data.rpartition(b"\0SEQNUM=")[2].partition(b"\0")[0]
    return int(number) if number.isdigit() else 0


def read_sequence(host: Host) -> int | None:
    """Return the number of the last uevent that the kernel sent; None if it does not say.

    It counts the uevents of every subsystem and network namespace, those included that
    this process does not receive (`uevent_seqnum` in lib/kobject_uevent.c).
    """
    try:
        return int(host.read(SEQUENCE, 32))
    except (OSError, ValueError):
        return None
