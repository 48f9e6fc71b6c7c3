"""Sessions with the real helper in a guest: the client runs here and the helper there."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from kmodtui.privileged import helper
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.sockets import Process, SocketTransport
from tests.kernel.vm import VM

PATH = "/root/helper.py"
RULE = "/etc/modprobe.d/kmodtui-test.conf"
FOLDER = "/home/admin/built"
PATIENCE = 180
"""Seconds that a step may take under emulation on a busy machine; most take less than one."""

Open = Callable[..., AbstractAsyncContextManager[HelperClient]]


@pytest.fixture
def session(vm: VM) -> Open:
    text = Path(helper.__file__).read_text()

    @asynccontextmanager
    async def open_(
        *,
        before: str = "exec",
        user: str = "root",
        first: str = "",
        scope: str = "change",
        **constants: float,
    ) -> AsyncIterator[HelperClient]:
        """Open one with a copy of the helper, with other constants if some are given."""
        copy = text
        for name, value in constants.items():
            copy, found = re.subn(rf"(?m)^{name.upper()} = .*$", f"{name.upper()} = {value}", copy)
            assert found == 1
        vm.write("root", PATH, copy.encode())
        command = f"{before} /usr/bin/python3 -I -S {PATH} {scope}"
        transport = await SocketTransport.over(Process.start(vm.ssh(user, command)))
        if first:
            await transport.send(first.encode() + b"\n")
        client = await HelperClient.connect(transport, "ssh", within=PATIENCE)
        try:
            yield client
        finally:
            await client.close()

    return open_


@pytest.fixture
def rule(vm: VM) -> Iterator[Callable[[str], None]]:
    """Write a rule for modprobe; it is gone after the test."""
    yield lambda text: vm.write("root", RULE, text.encode() + b"\n")
    vm.run("root", ["rm", "-f", RULE], check=True)


class Gate:
    """Holds up every load of dummy, in the install command of a rule, until it is opened."""

    PATH = "/run/gate"
    RULE = f"install dummy /bin/cat {PATH} && /sbin/modprobe --ignore-install dummy"

    def __init__(self, vm: VM) -> None:
        self._vm = vm
        self._keeper: asyncio.subprocess.Process | None = None

    async def reached(self) -> None:
        """Wait until a load stands at the gate."""
        # A pipe with a name: opening it for writing waits until somebody reads from it.
        self._keeper = await _process(self._vm, f"exec 3>{self.PATH}; echo reached; exec cat")

    async def open(self) -> None:
        """Let the load go on; `reached` comes first."""
        assert self._keeper
        await self._keeper.communicate(b"")


@pytest.fixture
def gate(vm: VM, rule: Callable[[str], None]) -> Iterator[Gate]:
    """Have every load of dummy wait; the rule is gone after the test."""
    vm.run("root", ["mkfifo", Gate.PATH], check=True)
    rule(Gate.RULE)
    yield Gate(vm)
    vm.run("root", ["rm", Gate.PATH], check=True)


def loaded(vm: VM) -> set[str]:
    return {line.split()[0] for line in vm.read("root", "/proc/modules").decode().splitlines()}


def alive(vm: VM, pid: int) -> bool:
    return vm.run("root", ["test", "-d", f"/proc/{pid}"]).returncode == 0


def module_file(vm: VM, name: str) -> tuple[bytes, str]:
    """Copy a module of the distribution to where a person builds; return it and its SHA-256."""
    path = vm.run("root", ["modinfo", "-n", name], check=True).stdout.strip()
    image = vm.read("root", path)
    vm.run("admin", ["mkdir", "-p", FOLDER], check=True)
    vm.write("admin", f"{FOLDER}/{name}.ko", image)
    return image, hashlib.sha256(image).hexdigest()


async def holder(vm: VM) -> asyncio.subprocess.Process:
    """Return a process that holds /dev/net/tun until its input ends."""
    return await _process(vm, "exec 3<>/dev/net/tun; echo held; exec cat")


async def _process(vm: VM, command: str) -> asyncio.subprocess.Process:
    """Start a command of root that runs until its input ends; return when it has printed a line."""
    process = await asyncio.create_subprocess_exec(
        *vm.ssh("root", command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert await process.stdout.readline()
    return process


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so in the guest, which sends no word of it."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.3)
