"""Every operation of the helper with root from sudo and its password, and a hostile caller.

The caller's environment is full of traps, and what sudo would take out of it comes back
on its command line, as whoever may run everything is free to do.
"""

from __future__ import annotations

import asyncio
import errno
import shlex
from collections.abc import Callable, Coroutine, Iterator

import pytest

from kmodtui.model.log.record import LogRecord
from kmodtui.privileged.client import HelperClient
from tests.kernel.helper_sessions import FOLDER, PATIENCE, Open, holder, loaded, module_file
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.vm import VM

PLANTED = "/tmp/planted"
# With these modprobe would load nothing, and ld.so would complain of every program.
TRAPS = f"MODPROBE_OPTIONS='-n -q' LD_PRELOAD=/nonexistent.so PYTHONPATH={PLANTED}"
THROUGH_SUDO = f"cd {PLANTED}; {TRAPS} exec sudo -k -S -p '' {TRAPS}"
BOOT = "/etc/modules-load.d/kmodtui.conf"
NAPI = "/sys/module/virtio_net/parameters/napi_tx"

Step = Callable[[HelperClient], Coroutine[None, None, None]]


@pytest.fixture
def planted(vm: VM) -> Iterator[None]:
    """Modules of Python's name where PYTHONPATH and the current folder lead."""
    vm.run("admin", ["mkdir", PLANTED], check=True)
    for name in ("json", "re", "sitecustomize"):
        vm.write("admin", f"{PLANTED}/{name}.py", f"open('{PLANTED}/ran', 'w')".encode())
    yield
    vm.run("root", ["rm", "-r", PLANTED], check=True)


class Steps:
    """What each operation does, by its name in the protocol and in the order to do them."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm

    async def insert(self, root: HelperClient) -> None:
        _, digest = module_file(self.vm, "dummy")
        result = await root.insert("dummy", f"{FOLDER}/dummy.ko", digest, ["numdummies=1"])
        assert result.ok, result
        assert result.after == {"dummy": "Live"}

    async def reload(self, root: HelperClient) -> None:
        result = await root.reload("dummy", ["numdummies=2"])
        assert result.ok, result
        assert self.vm.read("guest", "/sys/class/net/dummy1/mtu")
        assert "ld.so" not in result.output

    async def unload(self, root: HelperClient) -> None:
        result = await root.unload(["dummy"])
        assert result.ok, result
        assert "dummy" not in loaded(self.vm)
        assert "ld.so" not in result.output

    async def load(self, root: HelperClient) -> None:
        result = await root.load("tun")
        assert result.ok, result
        assert "tun" in loaded(self.vm)
        assert "ld.so" not in result.output

    async def delete(self, root: HelperClient) -> None:
        assert (await root.load("loop")).ok
        result = await root.delete("loop")
        assert result.ok, result
        assert result.command == ()
        assert "loop" not in loaded(self.vm)

    async def stop(self, root: HelperClient) -> None:
        held = await holder(self.vm)
        waiting = asyncio.create_task(root.unload(["tun"], wait=600))
        assert (await root.set_idle(900)).ok  # the helper has read both by now
        waiting.cancel()
        assert (await root.load("loop")).ok, "its turn has come"
        await held.communicate(b"")
        assert (await root.unload(["loop"])).ok
        assert "tun" in loaded(self.vm)

    async def write_parameter(self, root: HelperClient) -> None:
        before = self.vm.read("guest", NAPI).decode().strip()
        other = "N" if before == "Y" else "Y"
        assert (await root.write_parameter("virtio_net", "napi_tx", other)).ok
        assert self.vm.read("guest", NAPI).decode().strip() == other
        assert (await root.write_parameter("virtio_net", "napi_tx", before)).ok

    async def blacklist(self, root: HelperClient) -> None:
        assert (await root.blacklist(["dummy"])).after == {"dummy": "blacklisted"}
        by_alias = ["/sbin/modprobe", "-b", "-n", "-v", "rtnl-link-dummy"]
        assert "insmod" not in self.vm.run("root", by_alias).stdout

    async def unblacklist(self, root: HelperClient) -> None:
        assert (await root.unblacklist(["dummy"])).after == {"dummy": None}
        by_alias = ["/sbin/modprobe", "-b", "-n", "-v", "rtnl-link-dummy"]
        assert "insmod" in self.vm.run("root", by_alias).stdout

    async def block(self, root: HelperClient) -> None:
        assert (await root.block(["dummy"])).after == {"dummy": "blocked"}
        assert self.vm.run("root", ["/sbin/modprobe", "dummy"]).returncode == 1

    async def log_loads(self, root: HelperClient) -> None:
        assert (await root.log_loads(["dummy"])).after == {"dummy": "logged"}
        assert self.vm.run("root", ["/sbin/modprobe", "dummy"]).returncode == 0
        assert "dummy" in loaded(self.vm)

    async def unblock(self, root: HelperClient) -> None:
        assert (await root.unblock(["dummy"])).after == {"dummy": None}
        assert self.vm.run("root", ["/sbin/modprobe", "-r", "dummy"]).returncode == 0
        assert "dummy" not in loaded(self.vm)

    async def keep(self, root: HelperClient) -> None:
        self.vm.run("root", ["mkdir", "-p", "/etc/modules-load.d"], check=True)
        assert (await root.keep(["dummy"])).after == {"dummy": "kept"}
        assert self.vm.read("guest", BOOT).decode().splitlines()[1:] == ["dummy"]

    async def forget(self, root: HelperClient) -> None:
        assert (await root.forget(["dummy"])).after == {"dummy": None}
        assert self.vm.run("root", ["test", "-e", BOOT]).returncode == 1

    async def keep_options(self, root: HelperClient) -> None:
        result = await root.keep_options("dummy", ["numdummies=3"])
        assert result.after == {"dummy": "numdummies=3"}
        printed = self.vm.run("root", ["/sbin/modprobe", "-n", "-v", "dummy"]).stdout
        assert printed.split()[-1] == "numdummies=3"

    async def forget_options(self, root: HelperClient) -> None:
        assert (await root.forget_options(["dummy"])).after == {"dummy": None}
        assert (
            "numdummies" not in self.vm.run("root", ["/sbin/modprobe", "-n", "-v", "dummy"]).stdout
        )

    async def kallsyms(self, root: HelperClient) -> None:
        """The addresses, which admin himself does not see."""
        (line,) = (
            line for line in (await root.kallsyms()).data.splitlines() if line.endswith(b" _stext")
        )
        assert int(line.split()[0], 16) > 0xFFFF000000000000
        own = self.vm.run("admin", ["grep", " _stext$", "/proc/kallsyms"], check=True).stdout
        assert int(own.split()[0], 16) == 0

    async def modules(self, root: HelperClient) -> None:
        assert b"virtio_net " in (await root.read_file("modules")).data

    async def vmallocinfo(self, root: HelperClient) -> None:
        assert (await root.read_file("vmallocinfo")).data.startswith(b"0x")

    async def kprobes(self, root: HelperClient) -> None:
        assert (await root.read_file("kprobes")).ok

    async def ftrace(self, root: HelperClient) -> None:
        assert (await root.read_file("ftrace")).ok

    async def ftrace_available(self, root: HelperClient) -> None:
        assert b"vfs_read\n" in (await root.read_file("ftrace-available")).data

    async def load_stats(self, root: HelperClient) -> None:
        """Debian's kernels do not count failed loads."""
        assert (await root.read_file("load-stats")).errno == errno.ENOENT

    async def unloaded_taints(self, root: HelperClient) -> None:
        assert (await root.read_file("unloaded-taints")).errno in (None, errno.ENOENT)

    async def log(self, root: HelperClient) -> None:
        assert "Linux version" in (await root.read_log()).log[0].text
        arrived = asyncio.Event()

        def take(record: LogRecord) -> None:
            if "kmodtui was here" in record.text:
                arrived.set()

        following = asyncio.create_task(root.follow_log(take))
        self.vm.run("root", "echo kmodtui was here >/dev/kmsg", check=True)
        async with asyncio.timeout(PATIENCE):
            await arrived.wait()
        following.cancel()

    async def idle(self, root: HelperClient) -> None:
        """The last one: root is given up once nothing was asked for so long."""
        assert not (await root.set_idle(1)).ok
        assert (await root.set_idle(10)).ok
        async with asyncio.timeout(PATIENCE):
            await root.closed()


async def test_every_operation(vm: VM, session: Open, planted: None) -> None:
    steps = Steps(vm)
    async with session(before=THROUGH_SUDO, user="admin", first=ADMIN_PASSWORD) as root:
        environment = vm.read("root", f"/proc/{root.hello.pid}/environ").decode().split("\0")
        assert set(shlex.split(TRAPS)) <= set(environment), "sudo has let them through"
        names = [name for name in vars(Steps) if not name.startswith("_")]
        assert {name.replace("_", "-") for name in names} == set(root.hello.operations)
        for name in names:
            await getattr(steps, name)(root)
        assert not root.alive
    assert vm.run("root", ["test", "-e", f"{PLANTED}/ran"]).returncode == 1
