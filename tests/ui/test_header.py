"""The first line: which machine, which kernel, what is loaded, what is allowed."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.services.monitor import Monitor
from tests.ui.kernel_log import OpenLog, with_log
from tests.ui.stage import opened


async def test_it_tells_machine_kernel_totals_taint_and_privilege(demo: Demo) -> None:
    async with opened(demo) as stage:
        for words in (
            "DEMO",
            "debian",
            "Linux 6.1.0-56-amd64 x86_64",
            "10 modules 1.3 MiB",
            "taint OE",
            "root: off",
        ):
            assert words in stage.header


async def test_a_narrow_one_leaves_out_whole_pieces_and_never_that_it_is_a_demo(
    demo: Demo,
) -> None:
    pieces = {"DEMO", "debian", "Linux 6.1.0-56-amd64", "taint OE", "root: off"}
    async with opened(demo) as stage:
        for width in (100, 80, 64, 50, 41):
            await stage.resize(width, 24)
            await stage.until(lambda width=width: len(stage.header.rstrip()) < width)
            await stage.calm()
            shown = {piece.strip() for piece in stage.header.split("·")}
            assert "DEMO" in shown
            assert shown <= pieces | {"Linux 6.1.0-56-amd64 x86_64", "10 modules 1.3 MiB"}


async def test_totals_and_taint_follow_the_kernel(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await stage.other_shell(lambda: kernel.load("btrfs"))
        await stage.until(lambda: "16 modules 3.5 MiB" in stage.header)
        kernel.folder.write("/proc/sys/kernel/tainted", b"0\n")
        await stage.press("r")
        await stage.until(lambda: "untainted" in stage.header)


async def test_a_fault_in_watching_is_told(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Monitor, _uevents: object) -> None:
        raise RuntimeError("this is a fault")

    monkeypatch.setattr(Monitor, "_follow", broken)
    async with opened(demo, ready=False, faults=["this is a fault"]) as stage:
        await stage.until("Internal error (a bug in kmodtui).")
        # What is on the screen is not followed any more, and must not look as if it were.
        await stage.until(lambda: "STOPPED" in stage.header)
        assert stage.app.is_running


async def test_a_new_taint_flag_is_explained(demo: Demo, kernel: SimulatedKernel) -> None:
    """What it means, which module has it, and the line that the kernel logged."""
    kernel.folder.write("/proc/sys/kernel/tainted", b"0\n")
    log = OpenLog()
    async with opened(with_log(demo, log)) as stage:
        assert "untainted" in stage.header
        assert not stage.toasts
        await log.printk("hello: loading out-of-tree module taints kernel.", "hello: ready")
        kernel.folder.write("/proc/sys/kernel/tainted", b"4096\n")
        await stage.press("r")
        await stage.until(lambda: "taint O" in stage.header)
        await stage.until(lambda: "Taint flag O added" in stage.toasts)
        assert "An out-of-tree module was loaded" in stage.toasts
        assert "Module: hello" in stage.toasts
        assert "Kernel log: hello: loading out-of-tree module taints kernel." in stage.toasts
        assert "a explains all flags." in stage.toasts
    log.close()
