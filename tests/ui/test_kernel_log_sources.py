"""Where the lines of the kernel's log come from, and what is said where they do not."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.host import LocalHost
from kmodtui.services.root.access import NoRoot
from tests.ui.helpers_that_fail import RootRefused, RootThrough
from tests.ui.kernel_log import (
    CountingRoot,
    OpenLog,
    fresh,
    open_log,
    state,
    texts,
    with_log,
    without_log,
)
from tests.ui.stage import Stage, opened

RESTRICTED = "Only root may read the kernel log: kernel.dmesg_restrict=1."


@pytest.fixture
def log() -> Iterator[OpenLog]:
    log = OpenLog()
    yield log
    log.close()


def said(stage: Stage) -> str:
    return stage.pane_words("log")


async def test_root_is_asked_for_with_the_reason_and_what_to_do_without(demo: Demo) -> None:
    root = CountingRoot(demo)
    async with opened(demo, root=root) as stage:
        await stage.press("L")
        await stage.until("Read the kernel log", "y read")
        assert RESTRICTED in stage.words
        assert "Without the helper: sudo sysctl kernel.dmesg_restrict=0" in stage.words
        assert "does not prolong the root session" in stage.words
        assert not root.opened
        await stage.press("y")
        await stage.until("root: reading (demo)", lambda: "following" in state(stage))
        assert root.opened == 1
        # The same helper is not asked for again.
        await stage.press("L", "L")
        await stage.until(lambda: "following" in state(stage))
        assert root.opened == 1


async def test_without_agreement_nothing_is_read_and_the_drawer_says_why(demo: Demo) -> None:
    root = CountingRoot(demo)
    async with opened(demo, root=root) as stage:
        await stage.press("L")
        await stage.until("Read the kernel log")
        await stage.press("escape")
        await stage.until(lambda: RESTRICTED in said(stage))
        assert "Enter asks again. sudo sysctl kernel.dmesg_restrict=0" in said(stage)
        assert not root.opened
        await stage.press("enter")
        await stage.until("y read")
        await stage.press("y")
        await stage.until(lambda: "The kernel log is empty. New messages" in said(stage))


async def test_read_only_starts_no_helper_and_says_so(demo: Demo) -> None:
    root = NoRoot("kmodtui was started with --read-only.")
    for size in ((120, 40), (80, 24)):
        async with opened(demo, root=root, size=size) as stage:
            await stage.press("L")
            await stage.until(lambda: RESTRICTED in said(stage))
            assert (
                "The helper cannot read it either: kmodtui was started with --read-only."
                in said(stage)
            )
            assert "sudo sysctl kernel.dmesg_restrict=0 shows it to everyone" in said(stage)
            await stage.press("enter")
            await stage.until(lambda: RESTRICTED in said(stage))


async def test_a_log_that_is_everyones_is_read_without_a_helper(demo: Demo, log: OpenLog) -> None:
    root = CountingRoot(demo)
    await log.printk("old one", "old two")
    async with opened(with_log(demo, log), root=root) as stage:
        await stage.press("L")
        await stage.until("old two", lambda: "following" in state(stage))
        await log.printk("new one")
        await stage.until("new one")
        assert texts(stage) == ["old one", "old two", "new one"]
        assert fresh(stage) == ["new one"]
        await stage.press("L")
        await stage.until_gone("╭─ L Kernel log")
        await log.printk("meanwhile")
        await stage.press("L")
        await stage.until("meanwhile")
        assert fresh(stage) == []
        assert not root.opened


async def test_also_where_no_root_is_to_be_had(demo: Demo, log: OpenLog) -> None:
    async with opened(with_log(demo, log), root=NoRoot("Nobody wants root.")) as stage:
        await stage.press("L")
        await log.printk("Btrfs loaded")
        await stage.until("Btrfs loaded")


async def test_records_that_the_kernel_overwrote_are_told(demo: Demo, log: OpenLog) -> None:
    async with opened(with_log(demo, log)) as stage:
        await stage.press("L")
        await log.printk("before")
        await stage.until("before")
        log.next += 41
        await log.printk("after")
        await stage.until("after", "41 messages lost")


async def test_thousands_at_once_are_read_in_pieces(demo: Demo, log: OpenLog) -> None:
    async with opened(with_log(demo, log)) as stage:
        await stage.press("L")
        await log.printk(*(f"line {number}" for number in range(3000)))
        await stage.until("line 2999", "3,000 messages")


async def test_a_log_that_ends_keeps_its_lines(demo: Demo, log: OpenLog) -> None:
    async with opened(with_log(demo, log)) as stage:
        await stage.press("L")
        await log.printk("the last one")
        await stage.until("the last one")
        log.close()
        await stage.until(lambda: "No longer followed: /dev/kmsg has ended" in said(stage))
        assert "the last one" in stage.text
        assert "stopped" in state(stage)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (errno.ENOENT, "There is no /dev/kmsg here, as in most containers. Start kmodtui on the"),
        (errno.EIO, "/dev/kmsg cannot be read: Input/output error."),
    ],
)
async def test_where_there_is_no_log_no_root_is_asked_for(
    demo: Demo, refusal: int, words: str
) -> None:
    async with opened(without_log(demo, refusal)) as stage:
        await stage.press("L")
        await stage.until(lambda: words in said(stage))
        assert stage.screen is stage.dashboard


async def test_permissions_of_the_file_are_told_from_the_restriction(demo: Demo) -> None:
    async with opened(without_log(demo, errno.EACCES)) as stage:
        await stage.press("L")
        await stage.until("y read")
        assert "Only root may read the kernel log: see the permissions of /dev/kmsg." in stage.words


async def test_root_without_the_capability_is_not_sent_for_root(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.folder.write("/proc/self/status", b"CapEff:\t00000000a80425fb\n")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    async with opened(demo) as stage:
        await stage.press("L")
        await stage.until(lambda: "it lacks CAP_SYSLOG, as in most containers" in said(stage))


async def test_a_captured_tree_has_none(demo: Demo, kernel: SimulatedKernel) -> None:
    tree = replace(demo, host=LocalHost(kernel.folder.root))  # type: ignore[arg-type]
    async with opened(tree, root=NoRoot("This is a captured tree.")) as stage:
        await stage.press("L")
        await stage.until(lambda: "A captured tree has no kernel log" in said(stage))


async def test_root_given_up_stops_it_and_enter_takes_it_up_again(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.printk(6, "old")
    root = CountingRoot(demo)
    async with opened(demo, root=root) as stage:
        await open_log(stage)
        kernel.printk(6, "heard")
        await stage.until("heard")
        await stage.press("D")
        await stage.until(lambda: "No longer followed: The session" in said(stage))
        assert "Enter continues." in said(stage)
        assert "heard" in stage.text
        await stage.until("root: off")
        kernel.printk(6, "unheard")
        await stage.press("enter")
        # Root is asked for anew: it is another session.
        await stage.until("y read")
        await stage.press("y")
        await stage.until("unheard", lambda: "following" in state(stage))
        assert [text for text in texts(stage) if text] == ["old", "heard", "unheard"]
        assert fresh(stage) == ["heard", "unheard"]
        assert "Not followed" not in stage.text
        assert root.opened == 2


async def test_a_helper_that_is_killed_is_told_with_its_last_words(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.printk(6, "old")
    root = RootThrough(demo)
    async with opened(demo, root=root) as stage:
        await open_log(stage)
        await stage.until("root: reading (a test)")
        await root.sessions[0].close()
        await stage.until(lambda: "The privileged helper has ended" in said(stage))
        assert "Enter continues." in said(stage)
        assert "old" in texts(stage)
        await stage.until("root: off")
        await stage.press("L", "L")
        await stage.until("y read")
        await stage.press("y")
        await stage.until(lambda: "following" in state(stage))


async def test_who_reads_further_up_is_told_where_the_reason_stands(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    for number in range(40):
        kernel.printk(6, f"line {number}")
    root = RootThrough(demo)
    async with opened(demo, root=root) as stage:
        await open_log(stage)
        await stage.press("g")
        await stage.until("scrolled up")
        await root.sessions[0].close()
        await stage.until("40 messages · stopped · G: why", "line 0")
        await stage.press("G")
        await stage.until("No longer followed", "40 messages · stopped ")


async def test_root_that_is_refused_is_told_in_the_drawer(demo: Demo) -> None:
    async with opened(demo, root=RootRefused()) as stage:
        await stage.press("L")
        await stage.until("y read")
        await stage.press("y")
        await stage.until(lambda: "Enter tries again." in said(stage))


async def test_a_helper_that_may_not_read_it_either_is_told(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kmodtui.model.result import Result, ResultCode
    from kmodtui.privileged.client import HelperClient

    async def refused(_: HelperClient) -> Result:
        return Result(False, ResultCode.FAILED, "Operation not permitted", errno.EPERM)

    monkeypatch.setattr(HelperClient, "read_log", refused)
    async with opened(demo) as stage:
        await stage.press("L")
        await stage.until("y read")
        await stage.press("y")
        await stage.until(lambda: "could not read the kernel log: Operation not" in said(stage))


async def test_closing_it_stops_the_reading(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("L")
        await stage.until_gone("╭─ L Kernel log")
        await stage.until(lambda: not any(w.group == "log" for w in stage.dashboard.workers))
        channel = stage.app.machine.sessions.reading
        await stage.until(lambda: channel is not None and not channel._pending)  # type: ignore[attr-defined]
