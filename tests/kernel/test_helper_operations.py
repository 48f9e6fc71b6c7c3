"""What the helper does beside loading and unloading by name, on Debian's kernel, as root."""

from __future__ import annotations

import asyncio
import errno
import hashlib

import pytest

from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.model.log.record import LogRecord
from kmodtui.model.result import FilePart, ResultCode
from tests.kernel.helper_sessions import FOLDER, PATIENCE, Open, holder, loaded, module_file, until
from tests.kernel.vm import VM

LIST = "/etc/modprobe.d/kmodtui-blacklist.conf"


async def test_a_module_file_goes_in(vm: VM, session: Open) -> None:
    _, digest = module_file(vm, "dummy")
    vm.run("admin", ["chmod", "775", FOLDER], check=True)
    vm.run("admin", ["chmod", "664", f"{FOLDER}/dummy.ko"], check=True)
    uid = int(vm.run("admin", ["id", "-u"], check=True).stdout)
    async with session() as root:
        result = await root.insert("dummy", f"{FOLDER}/dummy.ko", digest, ["numdummies=2"])
        assert result.ok, result
        assert (result.before, result.after) == ({"dummy": None}, {"dummy": "Live"})
        assert [part.path for part in result.file] == [
            "/home", "/home/admin", FOLDER, f"{FOLDER}/dummy.ko",
        ]  # fmt: skip
        assert result.file[0] == FilePart("/home", 0, 0o755)
        assert result.file[2:] == (
            FilePart(FOLDER, uid, 0o775), FilePart(f"{FOLDER}/dummy.ko", uid, 0o664),
        )  # fmt: skip
        assert vm.read("root", "/sys/class/net/dummy1/mtu")
        again = await root.insert("dummy", f"{FOLDER}/dummy.ko", digest)
        assert (again.code, again.errno) == (ResultCode.ALREADY_LOADED, errno.EEXIST)
        assert (await root.unload(["dummy"])).ok


async def test_a_value_in_quotes_arrives_whole(vm: VM, session: Open) -> None:
    """As modprobe hands it over: spaces belong to the value."""
    _, digest = module_file(vm, "dummy")
    async with session() as root:
        result = await root.insert("dummy", f"{FOLDER}/dummy.ko", digest, ["numdummies=1 x"])
        assert (result.code, result.errno) == (ResultCode.FAILED, errno.EINVAL)
        assert any("`1 x' invalid for parameter `numdummies'" in log.text for log in result.log)
        assert "dummy" not in loaded(vm)


async def test_what_is_not_inserted(vm: VM, session: Open) -> None:
    image, digest = module_file(vm, "dummy")
    needs, needs_digest = module_file(vm, "btrfs")
    assert needs
    vm.run("admin", ["ln", "-sf", f"{FOLDER}/dummy.ko", f"{FOLDER}/link.ko"], check=True)
    vm.write("admin", f"{FOLDER}/broken.ko", image[:-5000])
    vm.write("admin", f"{FOLDER}/text.ko", b"no module")
    vm.write("admin", f"{FOLDER}/packed.ko.xz", b"\xfd7zXZ\0" + image)
    packed = hashlib.sha256(b"\xfd7zXZ\0" + image).hexdigest()
    text = hashlib.sha256(b"no module").hexdigest()
    before = loaded(vm)
    async with session() as root:
        for path, sha256, code, number in (
            ("dummy.ko", "0" * 64, ResultCode.CHANGED_FILE, errno.ESTALE),
            ("broken.ko", digest, ResultCode.CHANGED_FILE, errno.ESTALE),
            ("link.ko", digest, ResultCode.FAILED, errno.ELOOP),
            ("packed.ko.xz", packed, ResultCode.COMPRESSED, errno.ENOEXEC),
            ("text.ko", text, ResultCode.FAILED, errno.ENOEXEC),
            ("none.ko", digest, ResultCode.FAILED, errno.ENOENT),
            ("btrfs.ko", needs_digest, ResultCode.FAILED, errno.ENOENT),
        ):
            result = await root.insert("x", f"{FOLDER}/{path}", sha256)
            assert (result.code, result.errno) == (code, number), (path, result)
        unknown = [log.text for log in result.log]
        assert any("btrfs: Unknown symbol" in text for text in unknown), unknown
        endless = await root.insert("x", "/proc/kmsg", text)  # a regular file, by its mode
        assert endless.code is ResultCode.CHANGED_FILE
        other = await root.insert("another", f"{FOLDER}/dummy.ko", digest)
        assert (other.code, other.after) == (ResultCode.NOT_DONE, {"another": None})
    assert loaded(vm) - before == {"dummy"}


async def test_nothing_is_executed_to_insert(vm: VM, session: Open) -> None:
    _, digest = module_file(vm, "dummy")
    trace = "exec strace -f -e trace=execve,init_module,finit_module -o /tmp/insert"
    async with session(before=trace) as root:
        assert (await root.insert("dummy", f"{FOLDER}/dummy.ko", digest)).ok
    lines = vm.read("root", "/tmp/insert").decode().splitlines()
    calls = [line.split(" ", 1)[1].strip() for line in lines if "(" in line and "---" not in line]
    assert [call.split("(")[0] for call in calls] == ["execve", "init_module"]


async def test_the_blacklist_is_what_modprobe_makes_of_it(vm: VM, session: Open) -> None:
    alias = "rtnl-link-dummy"  # what `ip link add type dummy` has the kernel ask for
    vm.write("root", "/etc/modprobe.d/mine.conf", b"# mine\n")
    async with session() as root:
        result = await root.blacklist(["dummy"])
        assert (result.ok, result.after) == (True, {"dummy": "blacklisted"})
        assert vm.run("root", ["stat", "-c", "%a %U", LIST]).stdout == "644 root\n"
        vm.run("root", ["modprobe", "-b", alias])
        assert "dummy" not in loaded(vm)
        assert (await root.load("dummy")).ok, "by its name it can be loaded still"
        assert (await root.unload(["dummy"])).ok
        assert (await root.blacklist(["nosuch"])).code is ResultCode.UNKNOWN_MODULE
        result = await root.unblacklist(["dummy"])
        assert (result.ok, result.before, result.after) == (
            True, {"dummy": "blacklisted"}, {"dummy": None},
        )  # fmt: skip
        assert vm.run("root", ["test", "-e", LIST]).returncode == 1
        vm.run("root", ["modprobe", "-b", alias])
        assert "dummy" in loaded(vm)
    assert vm.read("root", "/etc/modprobe.d/mine.conf") == b"# mine\n"
    vm.run("root", ["rm", "/etc/modprobe.d/mine.conf"], check=True)


async def test_symbols_have_their_addresses(vm: VM, session: Open) -> None:
    async with session() as root:
        result = await root.kallsyms()
    assert result.ok
    seen = vm.read("root", "/proc/kallsyms")
    assert result.data == seen
    stext = next(line for line in result.data.splitlines() if line.endswith(b" T _stext"))
    assert int(stext.split()[0], 16) > 0xFFFF000000000000
    assert len(parse_symbols(result.data).core.raw) > 3_000_000


async def test_the_log_is_read_and_followed(vm: VM, session: Open) -> None:
    async with session() as root:
        whole = await root.read_log()
        assert whole.ok
        assert whole.log[0].seq == 0
        assert "Linux version" in whole.log[0].text
        assert len(whole.log) == whole.log[-1].seq + 1
        came: list[LogRecord] = []
        arrived = asyncio.Event()

        def take(record: LogRecord) -> None:
            came.append(record)
            if "kmodtui was here" in record.text:
                arrived.set()

        following = asyncio.create_task(root.follow_log(take))
        assert (await root.load("nbd")).ok, "other requests go on"
        vm.run("root", "echo '<4>kmodtui was here' > /dev/kmsg", check=True)
        async with asyncio.timeout(PATIENCE):
            await arrived.wait()
        assert came[0].seq == 0
        assert [record.seq for record in came] == list(range(len(came)))
        assert came[-1].level == 4
        following.cancel()
        count = len(came)
        vm.run("root", "echo and later >/dev/kmsg", check=True)
        assert (await root.unload(["nbd"])).ok
        assert len(came) == count


async def test_following_the_log_does_not_keep_root(session: Open) -> None:
    async with session(idle_timeout=3) as root:
        following = asyncio.create_task(root.follow_log(lambda _: None))
        async with asyncio.timeout(PATIENCE):
            await root.closed()
        following.cancel()


async def test_an_unload_waits_until_nobody_uses_it(vm: VM, session: Open) -> None:
    async with session() as root:
        assert (await root.load("tun")).ok
        held = await holder(vm)
        busy = await root.unload(["tun"], wait=2)
        assert (busy.code, busy.errno) == (ResultCode.FAILED, errno.EAGAIN)
        waiting = asyncio.create_task(root.unload(["tun"], wait=600))
        assert (await root.set_idle(900)).ok
        assert "tun" in loaded(vm)
        await held.communicate(b"")
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).ok
        assert "tun" not in loaded(vm)


async def test_who_stops_waiting_keeps_the_module(vm: VM, session: Open) -> None:
    async with session() as root:
        assert (await root.load("tun")).ok
        held = await holder(vm)
        waiting = asyncio.create_task(root.unload(["tun"], wait=600))
        assert (await root.set_idle(900)).ok  # the helper has read both by now
        waiting.cancel()
        assert (await root.load("nbd")).ok, "its turn has come"
        await held.communicate(b"")
        assert (await root.unload(["nbd"])).ok
        assert "tun" in loaded(vm)


@pytest.mark.full
async def test_an_init_that_takes_long_is_left_in_the_kernel(vm: VM, session: Open) -> None:
    """test_bpf works for a long time in its init: the session goes on, and so does the init."""
    async with session(child_timeout=8) as root:
        hanging = asyncio.create_task(
            root.load("test_bpf", ["test_suite=test_bpf", "test_range=0,899"])
        )
        assert (await root.load("nbd")).ok
        result = await hanging
        assert (result.code, result.after) == (ResultCode.TIMEOUT, {"test_bpf": "Loading"})
        assert any(record.text.startswith("test_bpf: #0 ") for record in result.log)
        busy = await root.load("test_bpf")
        assert busy.code is ResultCode.ALREADY_LOADED
        vm.run("root", ["kill", "-KILL", str(root.hello.pid)], check=True)
        await root.closed()
    assert vm.read("root", "/sys/module/test_bpf/initstate") == b"coming\n"
    await until(lambda: vm.read("root", "/sys/module/test_bpf/initstate") == b"live\n")
