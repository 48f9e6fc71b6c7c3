"""Module uevents are told from all others, and listening never stands in anyone's way."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.uevents import (
    ModuleUevent,
    NetlinkUevents,
    NoUevents,
    parse_uevent,
    read_sequence,
)

ADD = b"add@/module/btrfs\0ACTION=add\0DEVPATH=/module/btrfs\0SUBSYSTEM=module\0SEQNUM=660\0"


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (ADD, ModuleUevent("add", "btrfs", 660)),
        (ADD.replace(b"add", b"remove"), ModuleUevent("remove", "btrfs", 660)),
        (ADD.replace(b"660", b"x"), ModuleUevent("add", "btrfs")),
        (b"add@/module/btrfs", ModuleUevent("add", "btrfs")),
        (b"change@/module/btrfs\0", None),
        (b"add@/devices/virtual/net/dummy0\0", None),
        (b"add@/bus/pci/drivers/e1000\0", None),
        (b"add@/module/btrfs/holders\0", None),
        (b"add@/module/\0", None),
        (b"add@/modules/btrfs\0", None),
        (b"libudev\0\xfe\xed\xca\xfe", None),
        (b"add", None),
        (b"", None),
        (b"\xff\xfe@/module/x", None),
    ],
)
def test_only_modules_that_come_and_go_are_told(message: bytes, event: ModuleUevent | None) -> None:
    assert parse_uevent(message) == event


class Channel(socket.socket):
    """A datagram socket that a test writes to and that names its senders as netlink does."""

    errors: list[OSError]
    sender = 0

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, tuple[int, int]]:  # type: ignore[override]
        if self.errors:
            raise self.errors.pop(0)
        return self.recv(size), (self.sender, 1)


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel = Channel(fileno=ours.detach())
    channel.errors = []
    channel.setblocking(False)
    yield channel, kernel
    channel.close()
    kernel.close()


async def test_what_has_queued_up_comes_together(pair: tuple[Channel, socket.socket]) -> None:
    channel, kernel = pair
    uevents = NetlinkUevents(channel)
    for message in (ADD, b"add@/devices/x\0", ADD.replace(b"add@", b"remove@")):
        kernel.send(message)
    assert await uevents.wait() == (
        ModuleUevent("add", "btrfs", 660),
        ModuleUevent("remove", "btrfs", 660),
    )


async def test_other_subsystems_wake_nobody(pair: tuple[Channel, socket.socket]) -> None:
    channel, kernel = pair
    waiting = asyncio.ensure_future(NetlinkUevents(channel).wait())
    kernel.send(b"add@/devices/x\0")
    await asyncio.sleep(0)
    kernel.send(ADD)
    assert await waiting == (ModuleUevent("add", "btrfs", 660),)


async def test_a_message_that_is_not_the_kernels_is_not_believed(
    pair: tuple[Channel, socket.socket],
) -> None:
    channel, kernel = pair
    waiting = asyncio.ensure_future(NetlinkUevents(channel).wait())
    channel.sender = 4711
    kernel.send(ADD)
    while not waiting.done():
        # The socket has been emptied when the loop has come round to it.
        await asyncio.sleep(0)
        try:
            channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            break
    channel.sender = 0
    kernel.send(ADD.replace(b"btrfs", b"xor"))
    assert await waiting == (ModuleUevent("add", "xor", 660),)


async def test_the_number_of_the_last_uevent_counts_every_subsystem(
    pair: tuple[Channel, socket.socket],
) -> None:
    channel, kernel = pair
    uevents = NetlinkUevents(channel)
    assert (uevents.drain(), uevents.sequence) == ((), 0)
    kernel.send(ADD)
    kernel.send(b"add@/devices/x\0SEQNUM=661\0")
    assert uevents.drain() == (ModuleUevent("add", "btrfs", 660),)
    assert uevents.sequence == 661


def test_the_kernels_own_number_is_read_where_it_is_shown(tmp_path: Path) -> None:
    assert read_sequence(LocalHost(tmp_path)) is None
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/uevent_seqnum").write_text("4711\n")
    assert read_sequence(LocalHost(tmp_path)) == 4711


async def test_lost_messages_are_an_empty_answer(pair: tuple[Channel, socket.socket]) -> None:
    channel, kernel = pair
    channel.errors = [OSError(errno.ENOBUFS, "No buffer space available")]
    kernel.send(b"add@/devices/x\0")
    assert await NetlinkUevents(channel).wait() == ()


async def test_a_closed_wait_leaves_nothing_behind(pair: tuple[Channel, socket.socket]) -> None:
    channel, _ = pair
    descriptor = channel.fileno()
    uevents = NetlinkUevents(channel)
    waiting = asyncio.ensure_future(uevents.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert not asyncio.get_running_loop().remove_reader(descriptor)
    uevents.close()


async def test_this_machines_socket_opens_or_is_silently_done_without() -> None:
    uevents = LocalHost().uevents()
    try:
        assert isinstance(uevents, NetlinkUevents | NoUevents)
        waiting = asyncio.ensure_future(uevents.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})
    finally:
        uevents.close()


@pytest.mark.parametrize("call", ["socket", "bind"])
async def test_where_the_system_grants_no_socket_it_is_silent(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []

    class Refusing(socket.socket):
        def __init__(self, *_: object) -> None:
            if call == "socket":
                raise PermissionError(errno.EPERM, "Operation not permitted")
            super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
            opened.append(self)

        def bind(self, _: object) -> None:  # type: ignore[override]
            raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", Refusing)
    uevents = NetlinkUevents.open()
    assert isinstance(uevents, NoUevents)
    assert all(channel.fileno() == -1 for channel in opened)


async def test_a_captured_tree_announces_nothing(tmp_path: object) -> None:
    uevents = LocalHost(str(tmp_path)).uevents()
    assert isinstance(uevents, NoUevents)
    waiting = asyncio.ensure_future(uevents.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    uevents.close()
