"""The kernel's log as it comes: read by kmodtui itself where it may, else by the helper."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from kmodtui.errors import HelperError, KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kmsg import KernelLog
from kmodtui.kernel.system import read_process, read_system
from kmodtui.model.log_record import LogRecord
from kmodtui.model.text import clean
from kmodtui.privileged.client import HelperClient

AT_ONCE = 1000
"""Records that are handed over at most in one turn of the event loop."""

GATHERING = 0.1
"""Seconds in which records gather that come right behind others: the screen is drawn once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that have come together.

    Attributes:
        records: in their order.
        fresh: whether they have come since the reading began; else the log held them.
    """

    records: tuple[LogRecord, ...]
    fresh: bool


class HiddenLogError(KmodtuiError):
    """The kernel does not show its log to this process.

    Attributes:
        helps: whether root would be shown it.
    """

    title = "The kernel's log is hidden"

    def __init__(self, message: str, hint: str, *, helps: bool = False) -> None:
        super().__init__(message, hint)
        self.helps = helps


def open_log(host: Host) -> KernelLog:
    """Return the log as this process may read it.

    Raises:
        HiddenLogError: it may not, or there is none; the message says why.
    """
    try:
        return host.kernel_log()
    except OSError as error:
        raise _hidden(host, error) from error


def _hidden(host: Host, error: OSError) -> HiddenLogError:
    if not host.live:
        return HiddenLogError(
            "A captured tree has no kernel log: there is no kernel behind it.",
            "Start kmodtui without --root to read this machine's.",
        )
    elsewhere = "Start kmodtui on the machine itself to read its log."
    if error.errno not in (errno.EPERM, errno.EACCES):
        if isinstance(error, FileNotFoundError):
            cause = "There is no /dev/kmsg here, as in most containers."
        else:
            cause = f"/dev/kmsg cannot be read: {os.strerror(error.errno or 0)}."
        return HiddenLogError(cause, elsewhere)
    process = read_process(host)
    if process.uid == 0 and process.capabilities is not None:
        return HiddenLogError(
            "The kernel hides its log from this root, which lacks CAP_SYSLOG as in most "
            "containers.",
            elsewhere,
        )
    restricted = read_system(host).dmesg_restrict
    if error.errno == errno.EACCES or not restricted:
        return HiddenLogError(
            "The permissions of /dev/kmsg leave the kernel's log to root.",
            "sudo dmesg --follow shows it too.",
            helps=True,
        )
    return HiddenLogError(
        f"kernel.dmesg_restrict={restricted} leaves the kernel's log to root.",
        "sudo sysctl kernel.dmesg_restrict=0 shows it to everyone until the next boot.",
        helps=True,
    )


async def directly(log: KernelLog) -> AsyncGenerator[Batch, None]:
    """Yield what a log holds and what comes, for ever; the log is closed afterwards.

    Nothing wakes up while nothing is logged.

    Raises:
        UnreadableError: it cannot be read any more.
    """
    fresh = False
    try:
        while True:
            records = log.read(AT_ONCE)
            if records:
                yield Batch(tuple(records), fresh)
            if len(records) == AT_ONCE:
                await asyncio.sleep(0)
                continue
            fresh = True
            if records:
                await asyncio.sleep(GATHERING)
            await log.more()
    except EOFError:
        raise UnreadableError("/dev/kmsg has come to an end.") from None
    except OSError as error:
        raise UnreadableError(
            f"/dev/kmsg cannot be read any more: {os.strerror(error.errno or 0)}."
        ) from error
    finally:
        log.close()


async def through_helper(channel: HelperClient) -> AsyncGenerator[Batch, None]:
    """Yield what the log holds and what comes, as the helper reads it, while that lives.

    Raises:
        HelperError: it cannot read the log, or has ended; the message says why.
    """
    # Only an answer of its own tells where what the log holds ends, and the new begins.
    held = await channel.read_log()
    if not held.ok:
        raise HelperError(f"The helper could not read the kernel's log: {clean(held.message)}")
    yield Batch(held.log, fresh=False)
    last = held.log[-1].seq if held.log else -1
    come: list[LogRecord] = []
    woken = asyncio.Event()

    def take(record: LogRecord) -> None:
        if record.seq > last:  # it begins with what the log holds
            come.append(record)
            woken.set()

    following = asyncio.create_task(channel.follow_log(take), name="kernel log")
    following.add_done_callback(lambda _: woken.set())
    try:
        while not following.done():
            await woken.wait()
            woken.clear()
            while come:
                records = tuple(come[:AT_ONCE])
                del come[:AT_ONCE]
                yield Batch(records, fresh=True)
                await asyncio.sleep(0 if come else GATHERING)
    finally:
        following.cancel()
        await asyncio.wait({following})
    ended = following.result()
    raise HelperError(f"The helper does not follow the log any more: {clean(ended.message)}")
