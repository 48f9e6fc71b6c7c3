"""Follows the kernel log: kmodtui reads it itself if permitted, otherwise through the helper."""

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
from kmodtui.model.log.record import LogRecord
from kmodtui.model.text import clean
from kmodtui.privileged.client import HelperClient

AT_ONCE = 1000
"""Most records per batch, so that the event loop is not blocked."""

GATHERING = 0.1
"""Seconds for which records are collected, so that the screen is drawn once for many."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are reported together.

    Attributes:
        records: in order.
        fresh: whether they are new; False for those that the log already had.
    """

    records: tuple[LogRecord, ...]
    fresh: bool


class HiddenLogError(KmodtuiError):
    """The kernel log cannot be read by this process, or there is none.

    Attributes:
        helps: whether the helper could read it.
    """

    title = "The kernel log is hidden"

    def __init__(self, message: str, hint: str, *, helps: bool = False) -> None:
        super().__init__(message, hint)
        self.helps = helps


def open_log(host: Host) -> KernelLog:
    """Open the log with the privileges of this process.

    Raises:
        HiddenLogError: it cannot be opened; the message says why.
    """
    try:
        return host.kernel_log()
    except OSError as error:
        raise _hidden(host, error) from error


def _hidden(host: Host, error: OSError) -> HiddenLogError:
    if not host.live:
        return HiddenLogError(
            "A captured tree has no kernel log.",
            "Start kmodtui without --root to read the log of this machine.",
        )
    elsewhere = "Start kmodtui on the host to read its kernel log."
    if error.errno not in (errno.EPERM, errno.EACCES):
        if isinstance(error, FileNotFoundError):
            cause = "There is no /dev/kmsg here, as in most containers."
        else:
            cause = f"/dev/kmsg cannot be read: {os.strerror(error.errno or 0)}."
        return HiddenLogError(cause, elsewhere)
    process = read_process(host)
    if process.uid == 0 and process.capabilities is not None:
        return HiddenLogError(
            "Even root may not read the kernel log here: it lacks CAP_SYSLOG, as in most "
            "containers.",
            elsewhere,
        )
    restricted = read_system(host).dmesg_restrict
    if error.errno == errno.EACCES or not restricted:
        return HiddenLogError(
            "Only root may read the kernel log: see the permissions of /dev/kmsg.",
            "sudo dmesg --follow shows it too.",
            helps=True,
        )
    return HiddenLogError(
        f"Only root may read the kernel log: kernel.dmesg_restrict={restricted}.",
        "sudo sysctl kernel.dmesg_restrict=0 shows it to everyone until the next boot.",
        helps=True,
    )


async def directly(log: KernelLog) -> AsyncGenerator[Batch, None]:
    """Yield the records in a log and then new ones, without polling; close the log at the end.

    Raises:
        UnreadableError: the log cannot be read any more.
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
        raise UnreadableError("/dev/kmsg has ended.") from None
    except OSError as error:
        raise UnreadableError(
            f"/dev/kmsg cannot be read any more: {os.strerror(error.errno or 0)}."
        ) from error
    finally:
        log.close()


async def through_helper(channel: HelperClient) -> AsyncGenerator[Batch, None]:
    """Yield the records in the log and then new ones, read by the helper.

    Raises:
        HelperError: the helper cannot read the log, or has exited; the message says why.
    """
    # A separate request, because `follow_log` does not report where the new records start.
    existing = await channel.read_log()
    if not existing.ok:
        raise HelperError(f"The helper could not read the kernel log: {clean(existing.message)}")
    yield Batch(existing.log, fresh=False)
    last = existing.log[-1].seq if existing.log else -1
    new: list[LogRecord] = []
    woken = asyncio.Event()

    def on_log(record: LogRecord) -> None:
        if record.seq > last:  # the first ones are those already read
            new.append(record)
            woken.set()

    following = asyncio.create_task(channel.follow_log(on_log), name="kernel log")
    following.add_done_callback(lambda _: woken.set())
    try:
        while not following.done():
            await woken.wait()
            woken.clear()
            while new:
                records = tuple(new[:AT_ONCE])
                del new[:AT_ONCE]
                yield Batch(records, fresh=True)
                await asyncio.sleep(0 if new else GATHERING)
    finally:
        following.cancel()
        await asyncio.wait({following})
    result = following.result()
    raise HelperError(f"The helper stopped following the kernel log: {clean(result.message)}")
