"""The demo's helper: requests reach the simulated kernel, and answers are like real ones."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kmodtui import __version__
from kmodtui.demo import Demo
from kmodtui.demo.simulated_helper import SimulatedHelper
from kmodtui.errors import HelperDiedError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import ModuleState
from kmodtui.model.result import ResultCode
from kmodtui.privileged.client import HelperClient
from tests.support.simulated import make_demo


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


@pytest.fixture
async def channel(demo: Demo) -> AsyncIterator[HelperClient]:
    session = await demo.start_channel()
    yield session
    await session.close()


async def appears(demo: Demo, name: str) -> None:
    """Return as soon as a module is in /proc/modules."""
    while demo.kernel.state(name) is None:  # noqa: ASYNC110 - nothing announces this
        await asyncio.sleep(0)


async def test_sends_a_hello(channel: HelperClient) -> None:
    assert channel.hello.uid == 0
    assert channel.hello.version == __version__
    assert set(channel.hello.operations) >= {"load", "unload"}
    assert channel.via == "demo"


async def test_loads_and_unloads(demo: Demo, channel: HelperClient) -> None:
    logged: list[LogRecord] = []
    result = await channel.load("btrfs", on_log=logged.append)
    assert result.ok
    assert result.code is ResultCode.DONE
    assert (result.before, result.after) == ({"btrfs": None}, {"btrfs": "Live"})
    assert result.command[-1] == "btrfs"
    assert "insmod /lib/modules/" in result.output
    assert tuple(logged) == result.log
    assert "Btrfs loaded" in result.log[-1].text
    assert "btrfs" in read_modules(demo.host).live

    result = await channel.unload(["btrfs"])
    assert result.ok
    assert result.after == {"btrfs": None}
    assert "btrfs" not in read_modules(demo.host).by_name


async def test_parameters_are_passed(demo: Demo, channel: HelperClient) -> None:
    assert (await channel.load("dummy", ["numdummies=3"])).ok
    assert demo.host.read("/sys/module/dummy/parameters/numdummies") == b"3\n"


async def test_reloads_with_other_parameters(demo: Demo, channel: HelperClient) -> None:
    assert (await channel.load("dummy")).ok
    assert (await channel.reload("dummy", ["numdummies=3"])).ok
    assert demo.host.read("/sys/module/dummy/parameters/numdummies") == b"3\n"
    assert (await channel.reload("btrfs")).code is ResultCode.NOT_LOADED


async def test_writes_a_parameter_as_its_type_and_mode_allow(
    demo: Demo, channel: HelperClient
) -> None:
    written = await channel.write_parameter("hello", "greeting", "bye")
    assert (written.ok, written.after) == (True, {"greeting": "bye"})
    assert demo.host.read("/sys/module/hello/parameters/greeting") == b"bye\n"
    assert (await channel.load("dummy")).ok
    refused = await channel.write_parameter("dummy", "numdummies", "3")
    assert (refused.code, refused.errno) == (ResultCode.FAILED, errno.EACCES)
    none = await channel.write_parameter("dummy", "none", "3")
    assert (none.code, none.errno) == (ResultCode.FAILED, errno.ENOENT)


async def test_a_parameter_with_characters_that_a_shell_would_read(
    demo: Demo, channel: HelperClient
) -> None:
    assert (await channel.load("binder_linux", ["devices=a;b $c"])).ok
    assert demo.host.read("/sys/module/binder_linux/parameters/devices") == b"a;b $c\n"


async def test_refusals_have_the_kernels_errno(demo: Demo, channel: HelperClient) -> None:
    result = await channel.load("dummy", ["numdummies=abc"])
    assert (result.ok, result.code, result.errno) == (False, ResultCode.FAILED, errno.EINVAL)
    assert result.log[-1].text == "dummy: `abc' invalid for parameter `numdummies'"

    result = await channel.unload(["ext4"])
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EAGAIN)
    assert result.after == {"ext4": "Live"}

    await channel.load("binder_linux")
    result = await channel.unload(["binder_linux"])
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EBUSY)

    result = await channel.load("nosuch")
    assert result.code is ResultCode.UNKNOWN_MODULE
    assert result.exit is None, "nothing was run"


async def test_takes_time_and_shows_the_states(demo: Demo, tmp_path: Path) -> None:
    session = await HelperClient.connect(SimulatedHelper(demo.kernel, pace=0.01), "demo")
    uevents = demo.host.uevents()
    loading = asyncio.create_task(session.load("dummy"))
    await appears(demo, "dummy")
    assert read_modules(demo.host).by_name["dummy"].state is ModuleState.LOADING
    (event,) = await uevents.wait()
    assert (event.action, event.name) == ("add", "dummy")
    assert (await loading).ok
    uevents.close()
    await session.close()


async def test_closing_does_not_stop_the_kernel_half_way(demo: Demo) -> None:
    session = await HelperClient.connect(SimulatedHelper(demo.kernel, pace=1000), "demo")
    loading = asyncio.create_task(session.load("btrfs"))
    await appears(demo, "libcrc32c")
    await session.close()
    with pytest.raises(HelperDiedError):
        await loading
    assert demo.kernel.state("btrfs") is ModuleState.LIVE
    assert read_modules(demo.host).settled


async def test_inserts_the_file_of_a_recorded_module(demo: Demo, channel: HelperClient) -> None:
    path = demo.kernel.index.path_of("dummy")
    assert path is not None
    image = demo.host.read(path)
    digest = hashlib.sha256(image).hexdigest()
    result = await channel.insert("dummy", path, digest, ["numdummies=3"])
    assert result.ok, result
    assert result.file[-1].path == path
    assert demo.host.read("/sys/module/dummy/parameters/numdummies") == b"3\n"
    await channel.unload(["dummy"])
    changed = await channel.insert("dummy", path, "0" * 64)
    assert changed.code is ResultCode.CHANGED_FILE
    demo.kernel.folder.write("/tmp/other.ko", b"\x7fELF")
    other = hashlib.sha256(b"\x7fELF").hexdigest()
    unknown = await channel.insert("other", "/tmp/other.ko", other)
    assert (unknown.code, unknown.errno) == (ResultCode.FAILED, errno.ENOEXEC)


async def test_blacklists_and_removes_the_blacklist(demo: Demo, channel: HelperClient) -> None:
    path = "/etc/modprobe.d/kmodtui-blacklist.conf"
    assert (await channel.blacklist(["dummy"])).after == {"dummy": "blacklisted"}
    assert b"\nblacklist dummy\n" in demo.host.read(path)
    assert (await channel.unblacklist(["dummy"])).after == {"dummy": None}
    assert not demo.kernel.folder.exists(path)


async def test_symbols_and_the_log(demo: Demo, channel: HelperClient) -> None:
    assert (await channel.kallsyms()).data == demo.host.read("/proc/kallsyms")
    demo.kernel.printk(6, "first")
    assert [record.text for record in (await channel.read_log()).log] == ["first"]
    came: asyncio.Queue[LogRecord] = asyncio.Queue()
    following = asyncio.create_task(channel.follow_log(came.put_nowait))
    assert (await came.get()).text == "first"
    demo.kernel.printk(4, "second")
    assert (await came.get()).text == "second"
    following.cancel()
    assert (await channel.set_idle(60)).ok


async def test_waits_until_unused(demo: Demo, channel: HelperClient) -> None:
    await channel.load("dummy")
    demo.kernel.hold("dummy")
    unloading = asyncio.create_task(channel.unload(["dummy"], wait=60))
    loading = asyncio.create_task(channel.load("btrfs"))
    assert (await channel.set_idle(60)).ok
    assert demo.kernel.state("btrfs") is None, "one after the other, as the real one"
    demo.kernel.hold("dummy", -1)
    assert (await unloading).ok
    assert (await loading).ok
    await channel.load("dummy")
    demo.kernel.hold("dummy")
    unloading = asyncio.create_task(channel.unload(["dummy"], wait=60))
    await asyncio.sleep(0)
    unloading.cancel()
    await channel.load("nbd")
    demo.kernel.hold("dummy", -1)
    await asyncio.sleep(0.3)
    assert "dummy" in read_modules(demo.host).live


async def test_uevents_of_another_shell(demo: Demo) -> None:
    uevents = demo.host.uevents()
    await asyncio.to_thread(demo.kernel.load, "vfat")
    heard = await uevents.wait()
    while len(heard) < 2:
        heard += await uevents.wait()
    assert [(event.action, event.name) for event in heard] == [("add", "fat"), ("add", "vfat")]
    uevents.close()
