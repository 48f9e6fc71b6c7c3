"""Hidden addresses are read through the helper once the person has agreed, and not before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.host import LocalHost
from kmodtui.model.result import Result
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.root.access import NoRoot
from kmodtui.services.root.demo import DemoRoot
from kmodtui.ui.dialogs.addresses import AddressesHiddenError, why_hidden
from tests.ui.stage import Stage, opened


class _Seeing:
    """A session whose root sees the addresses that were hidden in the folder."""

    def __init__(self, channel: HelperClient, rows: Callable[[], bytes]) -> None:
        self._channel, self._rows = channel, rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def kallsyms(self) -> Result:
        return replace(await self._channel.kallsyms(), data=self._rows())


class SeeingRoot(DemoRoot):
    def __init__(self, demo: Demo, rows: Callable[[], bytes]) -> None:
        super().__init__(demo)
        self.opened = 0
        self._rows = rows

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        self.opened += 1
        return _Seeing(await super().open(foreground, scope), self._rows)  # type: ignore[return-value]


@pytest.fixture
def shown(kernel: SimulatedKernel) -> bytes:
    """Hide the addresses; returns the rows as they were."""
    rows = kernel.folder.read("/proc/kallsyms")
    kernel.folder.write("/proc/kallsyms", re.sub(rb"(?m)^[0-9a-f]{16}", b"0" * 16, rows))
    return rows


async def show_symbols(stage: Stage, module: str) -> None:
    await stage.select(module)
    await stage.press("v")
    await stage.until(f"4 Symbols of {module}", "addresses hidden")


async def test_a_reads_them_after_asking(demo: Demo, shown: bytes) -> None:
    root = SeeingRoot(demo, lambda: shown)
    async with opened(demo, size=(200, 50), root=root) as stage:
        await show_symbols(stage, "crc16")
        address = re.search(rb"([0-9a-f]+) t crc16_init_0", shown)
        assert address
        assert address[1].decode() not in stage.text
        await stage.press("A")
        await stage.until("Read symbol addresses", "y read")
        assert not root.opened
        await stage.press("y")
        await stage.until(address[1].decode())
        assert "addresses hidden" not in stage.text
        assert root.opened == 1


async def test_without_agreement_nothing_is_opened(demo: Demo, shown: bytes) -> None:
    root = SeeingRoot(demo, lambda: shown)
    async with opened(demo, root=root) as stage:
        await stage.press("A")
        await stage.until("Read symbol addresses")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.calm()
        assert not root.opened


async def test_where_root_sees_none_either_it_says_so(demo: Demo, shown: bytes) -> None:
    async with opened(demo) as stage:
        await stage.press("A")
        await stage.until("Read symbol addresses")
        await stage.press("y")
        await stage.until(lambda: "The demo has no addresses" in stage.toasts)
        assert "No addresses" in stage.toasts
        assert "failed" not in stage.toasts


async def test_a_question_that_cannot_be_read_is_not_answered(demo: Demo, shown: bytes) -> None:
    root = SeeingRoot(demo, lambda: shown)
    async with opened(demo, root=root) as stage:
        await stage.press("A")
        await stage.until("Read symbol addresses")
        await stage.resize(39, 10)
        await stage.until(lambda: "too small" in " ".join(stage.text.split()))
        await stage.press("y")
        await stage.calm()
        assert not root.opened
        await stage.resize(120, 40)
        await stage.until("Read symbol addresses")
        await stage.press("y")
        await stage.until(lambda: root.opened)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"2\n", "kernel.kptr_restrict is 2, which hides them. To show them to root, set it to 1"),
        (b"0\n", "Root sees no addresses either, and kernel.kptr_restrict is 0."),
    ],
)
def test_the_reason_is_the_value_that_the_kernel_has(
    tmp_path: Path, value: bytes, words: str
) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/kptr_restrict").write_bytes(value)
    error = AddressesHiddenError(*why_hidden(LocalHost(tmp_path)))
    assert words in str(error)


async def test_where_there_is_no_root_the_reason_is_told(demo: Demo, shown: bytes) -> None:
    async with opened(demo, root=NoRoot("This is a captured tree.")) as stage:
        await stage.press("A")
        await stage.until("Root privileges are not available", "This is a captured tree.")
        await stage.press("enter", "B")
        await stage.until("All symbols of /proc/kallsyms")
        await stage.press("tab")
        stage.send("A", "q")
        await stage.until("Root privileges are not available", "This is a captured tree.")
        await stage.press("escape")
        await stage.until("All symbols of /proc/kallsyms")


async def test_what_is_typed_behind_the_key_waits_for_the_question(demo: Demo) -> None:
    async with opened(demo) as stage:
        stage.send("A", "q", "t")
        await stage.until("Read symbol addresses")
        await stage.calm()
        assert stage.app.is_running
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_in_the_browser_an_address_can_be_looked_up_then(demo: Demo, shown: bytes) -> None:
    root = SeeingRoot(demo, lambda: shown)
    async with opened(demo, root=root) as stage:
        found = re.search(rb"([0-9a-f]+) t crc16_init_0", shown)
        assert found
        inside = f"{int(found[1], 16) + 4:x}"
        await stage.press("B")
        await stage.until("All symbols of /proc/kallsyms")
        await stage.type(inside)
        await stage.until("Addresses are hidden")
        await stage.press("tab", "A")
        await stage.until("Read symbol addresses")
        await stage.press("y")
        await stage.until("crc16_init_0+0x4/0x20")


async def test_enter_twice_on_a_modules_symbol_tells_everything_of_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("crc16")
        await stage.press("v", "4", "enter", "enter")
        await stage.until("Symbol crc16_init_0", "function", "32 bytes to the next symbol")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
