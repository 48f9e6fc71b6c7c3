"""The helper's operations other than load and unload, in its own process, on a directory."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from io import FileIO
from pathlib import Path

import pytest

from kmodtui.errors import HelperDiedError
from kmodtui.model.result import FilePart, ResultCode
from kmodtui.privileged import helper
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.protocol import Bye, decode_answer
from kmodtui.privileged.sockets import Process, SocketTransport
from tests.support.helper_folder import HelperFolder

IMAGE = b"\x7fELF" + bytes(range(256)) * 9000
DIGEST = hashlib.sha256(IMAGE).hexdigest()
LIST = "etc/modprobe.d/kmodtui-blacklist.conf"
BLOCKS = "etc/modprobe.d/kmodtui-block.conf"
BOOT = "etc/modules-load.d/kmodtui.conf"
OPTIONS = "etc/modprobe.d/kmodtui-options.conf"


@pytest.fixture
def folder(tmp_path: Path) -> HelperFolder:
    return HelperFolder(tmp_path / "system")


@pytest.fixture
async def session(folder: HelperFolder) -> AsyncIterator[HelperClient]:
    client = await HelperClient.connect(await folder.transport(), "test")
    yield client
    await client.close()


@pytest.fixture
def module(folder: HelperFolder) -> Path:
    """A module file in a home directory, at /home/me/hello.ko for the helper."""
    path = folder.root / "home" / "me" / "hello.ko"
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o775)
    path.write_bytes(IMAGE)
    path.chmod(0o640)
    return path


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met by another process."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# --- module files -------------------------------------------------------------------------


@pytest.mark.usefixtures("module")
async def test_the_confirmed_file_is_inserted(folder: HelperFolder, session: HelperClient) -> None:
    result = await session.insert("hello", "/home/me/hello.ko", DIGEST, ["a=b", "text=two words"])
    assert result.ok, result
    assert (result.before, result.after) == ({"hello": None}, {"hello": "Live"})
    assert folder.inserted == (IMAGE, 'a=b text="two words"')
    assert (result.command, result.exit) == ((), None)
    home, me, file = result.file
    assert home.path == "/home"
    assert me == FilePart("/home/me", os.getuid(), 0o775)
    assert file == FilePart("/home/me/hello.ko", os.getuid(), 0o640)
    again = await session.insert("hello", "/home/me/hello.ko", DIGEST)
    assert (again.code, again.errno) == (ResultCode.ALREADY_LOADED, errno.EEXIST)


async def test_insert_with_a_long_path(folder: HelperFolder, session: HelperClient) -> None:
    deep = "/" + "/".join(["\N{GRINNING FACE}" * 60] * 5 + ["x"] * 300 + ["hello.ko"])
    (folder.root / deep[1:]).parent.mkdir(parents=True)
    (folder.root / deep[1:]).write_bytes(IMAGE)
    result = await session.insert("hello", deep, DIGEST)
    assert result.ok, result.message
    assert (result.file[-1].path, len(result.file)) == (deep, 306)
    longer = "/" + "/".join(["\N{GRINNING FACE}" * 63] * 16)  # more bytes than PATH_MAX
    result = await session.insert("other", longer, DIGEST)
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.ENOENT)


async def test_a_file_other_than_the_confirmed_one_is_not_inserted(
    folder: HelperFolder, session: HelperClient, module: Path
) -> None:
    write(module, IMAGE + b"\0")
    result = await session.insert("hello", "/home/me/hello.ko", DIGEST)
    assert (result.ok, result.code) == (False, ResultCode.CHANGED_FILE)
    assert result.file[-1].mode == 0o640
    assert folder.inserted is None


async def test_a_compressed_file_is_reported(
    folder: HelperFolder, session: HelperClient, module: Path
) -> None:
    for magic in (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"):
        write(module, magic + IMAGE)
        digest = hashlib.sha256(magic + IMAGE).hexdigest()
        result = await session.insert("hello", "/home/me/hello.ko", digest)
        assert (result.ok, result.code) == (False, ResultCode.COMPRESSED)
    assert folder.inserted is None


async def test_links_and_anything_but_regular_files_are_refused(
    folder: HelperFolder, session: HelperClient, module: Path
) -> None:
    (module.parent / "link.ko").symlink_to(module)
    (folder.root / "way").symlink_to(module.parent)
    os.mkfifo(module.parent / "pipe.ko")  # opening it for reading would block
    (module.parent / "folder.ko").mkdir()
    for path, number in (
        ("/home/me/link.ko", errno.ELOOP),
        ("/way/hello.ko", errno.ELOOP),
        ("/home/me/pipe.ko", errno.EINVAL),
        ("/home/me/folder.ko", errno.EINVAL),
        ("/home/me/none.ko", errno.ENOENT),
        ("/home/me/hello.ko/more", errno.ENOTDIR),
        ("/home/" + "x" * 300, errno.ENAMETOOLONG),
    ):
        result = await session.insert("hello", path, DIGEST)
        assert (result.code, result.errno) == (ResultCode.FAILED, number), path
    assert folder.inserted is None


@pytest.mark.usefixtures("module")
async def test_the_kernels_error_for_a_file_is_reported(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.behave({"init_module": {"errno": "EKEYREJECTED"}})
    result = await session.insert("hello", "/home/me/hello.ko", DIGEST)
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EKEYREJECTED)
    assert result.message == os.strerror(errno.EKEYREJECTED)
    assert len(result.file) == 3
    folder.behave({"init_module": {"name": "other"}})
    result = await session.insert("hello", "/home/me/hello.ko", DIGEST)
    assert (result.ok, result.code) == (False, ResultCode.NOT_DONE)
    assert result.after == {"hello": None}


@pytest.mark.usefixtures("module")
async def test_a_hanging_init_does_not_block_the_session(folder: HelperFolder) -> None:
    folder.close_gate()
    folder.behave({"init_module": {"block": "gate"}})
    session = await HelperClient.connect(await folder.transport(limit=3), "test")
    hanging = asyncio.create_task(session.insert("hello", "/home/me/hello.ko", DIGEST))
    await until(lambda: folder.inserted is not None)
    assert (await session.load("xor")).ok
    assert (await hanging).code is ResultCode.TIMEOUT
    await session.close()
    # The load is completed without the helper.
    await folder.open_gate(lambda: "hello" in (folder.root / "proc" / "modules").read_text())


# --- parameters ---------------------------------------------------------------------------


async def test_a_hanging_parameter_write_does_not_block_the_session(folder: HelperFolder) -> None:
    folder.loaded("nbd 1 0 - Live")
    parameters = folder.root / "sys" / "module" / "nbd" / "parameters"
    parameters.mkdir(parents=True)
    os.mkfifo(parameters / "slow")  # without a reader, opening it blocks
    session = await HelperClient.connect(await folder.transport(limit=3), "test")
    hanging = asyncio.create_task(session.write_parameter("nbd", "slow", "1"))
    assert (await session.load("xor")).ok
    assert (await hanging).code is ResultCode.TIMEOUT
    (hung,) = children_of(session.hello.pid)
    # If it had the pipes, the dashboard would not notice the end of the helper.
    assert sorted(os.listdir(f"/proc/{hung}/fd")) == ["0", "1", "2"]
    await session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(session.hello.pid, 0)
    os.kill(hung, signal.SIGKILL)  # the helper never kills it, and it would wait forever


async def test_a_parameter_that_cannot_be_read_has_no_value(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("nbd 1 0 - Live")
    (folder.root / "sys" / "module" / "nbd" / "parameters").mkdir(parents=True)
    none = await session.write_parameter("nbd", "none", "1")
    assert (none.code, none.errno) == (ResultCode.FAILED, errno.ENOENT)
    assert (none.before, none.after) == ({"none": None}, {"none": None})


# --- the blacklist ------------------------------------------------------------------------


async def test_blacklist_and_unblacklist(folder: HelperFolder, session: HelperClient) -> None:
    others = folder.root / "etc" / "modprobe.d" / "other.conf"
    others.write_text("blacklist btrfs\n")
    result = await session.blacklist(["xor", "btrfs"])
    assert result.ok
    assert result.before == {"xor": None, "btrfs": None}
    assert result.after == {"xor": "blacklisted", "btrfs": "blacklisted"}
    written = folder.root / LIST
    lines = written.read_text().splitlines()
    assert [line for line in lines if line[0] != "#"] == ["blacklist btrfs", "blacklist xor"]
    assert stat.S_IMODE(written.stat().st_mode) == 0o644
    again = await session.blacklist(["xor"])
    assert (again.ok, again.before) == (True, {"xor": "blacklisted"})
    assert written.read_text().splitlines() == lines

    result = await session.unblacklist(["xor"])
    assert (result.ok, result.after) == (True, {"xor": None})
    assert "xor" not in written.read_text()
    result = await session.unblacklist(["btrfs", "never_was"])
    assert (result.ok, result.before) == (True, {"btrfs": "blacklisted", "never_was": None})
    assert os.listdir(written.parent) == ["other.conf"]
    assert others.read_text() == "blacklist btrfs\n"
    assert folder.calls == []


async def test_unknown_and_built_in_modules_are_not_blacklisted(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("strange 1 0 - Live")
    assert (await session.blacklist(["strange"])).ok  # from a file, and loaded
    assert (await session.blacklist(["nope"])).code is ResultCode.UNKNOWN_MODULE
    assert (await session.blacklist(["ext4"])).code is ResultCode.BUILT_IN
    assert (folder.root / LIST).read_text().count("\nblacklist ") == 1


async def test_a_blacklist_that_others_can_write_is_not_changed(
    folder: HelperFolder, session: HelperClient
) -> None:
    written = folder.root / LIST
    written.write_text("blacklist evil\n")
    written.chmod(0o666)
    result = await session.blacklist(["xor"])
    assert (result.ok, result.errno) == (False, errno.EPERM)
    assert written.read_text() == "blacklist evil\n"
    written.chmod(0o644)
    written.parent.chmod(0o777)
    assert (await session.blacklist(["xor"])).errno == errno.EPERM
    assert os.listdir(written.parent) == [written.name]


async def test_no_states_are_reported_for_a_blacklist_that_could_not_be_changed(
    folder: HelperFolder, session: HelperClient
) -> None:
    """The states of /proc/modules would be wrong here: null would mean not blacklisted."""
    folder.loaded("btrfs 1 0 - Live")
    written = folder.root / LIST
    written.write_text("blacklist btrfs\n")
    written.chmod(0o666)
    result = await session.unblacklist(["btrfs", "xor"])
    assert (result.ok, result.before, result.after) == (False, {}, {})


async def test_two_writers_do_not_lose_each_others_lines(
    folder: HelperFolder, session: HelperClient
) -> None:
    """A writer waits for the lock of another one."""
    assert (await session.unblacklist(["xor"])).ok
    lock = folder.root / "run" / "kmodtui-blacklist.lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600, "only root can block others"
    with lock.open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # as another helper has it while it writes
        writing = asyncio.create_task(session.blacklist(["xor"]))
        await until(lambda: children_of(session.hello.pid) != [])
        (folder.root / LIST).write_text("blacklist btrfs\n")
        assert not writing.done()
    assert (await writing).ok
    assert "blacklist btrfs\nblacklist xor\n" in (folder.root / LIST).read_text()


async def test_a_half_written_file_of_another_writer_is_replaced(
    folder: HelperFolder, session: HelperClient
) -> None:
    new = folder.root / (LIST + ".new")
    new.write_text("blacklist half")
    assert (await session.blacklist(["xor"])).ok
    assert not new.exists()
    assert "half" not in (folder.root / LIST).read_text()


# --- what is kept for the next boot ------------------------------------------------------------


async def test_keep_and_forget_change_only_the_list_of_kmodtui(
    folder: HelperFolder, session: HelperClient
) -> None:
    others = folder.root / "etc/modules-load.d/other.conf"
    others.write_text("xor\n")
    result = await session.keep(["xor", "btrfs"])
    assert (result.before, result.after) == (
        {"xor": None, "btrfs": None},
        {"xor": "kept", "btrfs": "kept"},
    )
    assert (folder.root / BOOT).read_text() == f"{helper.RULES_HEAD}btrfs\nxor\n"
    assert (await session.forget(["xor"])).after == {"xor": None}
    assert (await session.forget(["btrfs", "never_was"])).ok
    assert os.listdir(others.parent) == ["other.conf"]
    assert others.read_text() == "xor\n"
    assert (await session.keep(["nope"])).code is ResultCode.UNKNOWN_MODULE
    assert (await session.keep(["ext4"])).code is ResultCode.BUILT_IN


async def test_options_are_replaced_as_a_whole_and_forgotten(
    folder: HelperFolder, session: HelperClient
) -> None:
    written = folder.root / OPTIONS
    assert (await session.keep_options("xor", ["a=1", "b=x,y"])).after == {"xor": "a=1 b=x,y"}
    result = await session.keep_options("btrfs", ["c="])
    assert (result.before, result.after) == ({"btrfs": None}, {"btrfs": "c="})
    result = await session.keep_options("xor", ["a=2"])
    assert (result.before, result.after) == ({"xor": "a=1 b=x,y"}, {"xor": "a=2"})
    assert written.read_text() == f"{helper.RULES_HEAD}options btrfs c=\noptions xor a=2\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o644
    assert (await session.keep_options("ext4", ["a=1"])).code is ResultCode.BUILT_IN
    assert (await session.keep_options("xor", ["a=$HOME"])).code is ResultCode.INVALID
    assert (await session.forget_options(["xor", "btrfs"])).ok
    assert os.listdir(written.parent) == []


async def test_what_root_wrote_into_the_options_file_by_hand_stays(
    folder: HelperFolder, session: HelperClient
) -> None:
    written = folder.root / OPTIONS
    written.write_text('options snd a="x y"\noptions nothing\noptions open a=1 \\\ninstall x y\n')
    assert (await session.keep_options("xor", ["a=1"])).ok
    assert written.read_text().splitlines()[1:] == [
        "options open a=1",
        'options snd a="x y"',
        "options xor a=1",
    ]


# --- blocked modules ----------------------------------------------------------------------


async def test_block_log_and_unblock(folder: HelperFolder, session: HelperClient) -> None:
    written = folder.root / BLOCKS
    assert (await session.block(["xor"])).after == {"xor": "blocked"}
    assert written.read_text().splitlines()[1:] == [
        "blacklist xor",
        "install xor /bin/false",
        "softdep xor pre:",
    ]
    assert stat.S_IMODE(written.stat().st_mode) == 0o644
    result = await session.log_loads(["btrfs", "xor"])
    assert result.before == {"btrfs": None, "xor": "blocked"}
    assert result.after == {"btrfs": "logged", "xor": "logged"}
    assert "blacklist" not in written.read_text().replace(helper.RULES_HEAD, "")
    assert (await session.block(["btrfs"])).before == {"btrfs": "logged"}
    assert (await session.unblock(["btrfs"])).after == {"btrfs": None}
    assert "exec /sbin/modprobe --ignore-install -- xor $CMDLINE_OPTS\n" in written.read_text()
    assert (await session.unblock(["xor", "never_was"])).ok
    assert os.listdir(written.parent) == []
    assert folder.calls == []


async def test_blocking_leaves_the_blacklist_and_other_files_alone(
    folder: HelperFolder, session: HelperClient
) -> None:
    others = folder.root / "etc" / "modprobe.d" / "other.conf"
    others.write_text("install xor /bin/true\n")
    assert (await session.blacklist(["xor"])).ok
    assert (await session.block(["xor"])).before == {"xor": None}
    assert (await session.unblock(["xor"])).ok
    assert (folder.root / LIST).read_text().endswith("blacklist xor\n")
    assert others.read_text() == "install xor /bin/true\n"


async def test_unknown_and_built_in_modules_are_not_blocked(
    folder: HelperFolder, session: HelperClient
) -> None:
    assert (await session.block(["nope"])).code is ResultCode.UNKNOWN_MODULE
    assert (await session.block(["ext4"])).code is ResultCode.BUILT_IN
    assert (await session.block(["xor", "ext4"])).code is ResultCode.BUILT_IN
    assert not (folder.root / BLOCKS).exists()


async def test_thousands_are_blocked_in_several_requests_until_the_file_is_too_large(
    folder: HelperFolder, session: HelperClient
) -> None:
    names = [f"{'m' * 50}{number}" for number in range(5120)]
    folder.modules_dep(*(f"kernel/{name}.ko:" for name in names))
    written = folder.root / BLOCKS
    for start in range(0, len(names), helper.MAX_NAMES):
        before = written.read_bytes() if start else b""
        result = await session.block(names[start : start + helper.MAX_NAMES])
        if not result.ok:
            break
        assert result.before == dict.fromkeys(names[start : start + helper.MAX_NAMES])
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EFBIG)
    assert written.read_bytes() == before
    assert len(before) > helper.MAX_RULES * 0.9


async def test_a_failed_write_leaves_the_file_as_it_was(
    folder: HelperFolder, session: HelperClient
) -> None:
    """A killed helper leaves at most the .new file, which modprobe ignores."""
    assert (await session.block(["xor"])).ok
    before = (folder.root / BLOCKS).read_bytes()
    (folder.root / (BLOCKS + ".new")).mkdir()  # so that it cannot be written
    result = await session.block(["btrfs"])
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EISDIR)
    assert (folder.root / BLOCKS).read_bytes() == before


# --- symbols and log ----------------------------------------------------------------------


async def test_symbols_are_sent_unchanged(folder: HelperFolder, session: HelperClient) -> None:
    symbols = b"ffffffff81000000 T _stext\n" * 120_000 + b"\xff\n"
    (folder.root / "proc" / "kallsyms").write_bytes(symbols)
    result = await session.kallsyms()
    assert result.ok
    assert result.data == symbols
    (folder.root / "proc" / "kallsyms").unlink()
    gone = await session.kallsyms()
    assert (gone.code, gone.errno, gone.data) == (ResultCode.FAILED, errno.ENOENT, b"")


async def test_each_file_of_the_kernel_is_sent(folder: HelperFolder, session: HelperClient) -> None:
    for operation, path in helper.READABLE.items():
        assert (await session.read_file(operation)).errno in (errno.ENOENT, None)
        there = folder.root / path.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.encode())
        result = await session.read_file(operation)
        assert (result.ok, result.data) == (True, path.encode())


async def test_a_log_that_cannot_be_read_is_reported(session: HelperClient) -> None:
    for result in (await session.read_log(), await session.follow_log(lambda _: None)):
        assert (result.ok, result.errno) == (False, errno.ENOENT)


def test_records_of_the_kernel_log() -> None:
    """Each read returns a record, as for /dev/kmsg; data without a header ends the reading."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.setblocking(False)
    there.send(b"6,812,91823344,-;Btrfs loaded, zoned=no\n SUBSYSTEM=x\n")
    there.send(b"28,813,91823345,-,caller=T1;a;b\\x1b\xff\n")
    log = helper.Log.__new__(helper.Log)
    FileIO.__init__(log, here.detach())
    log.left = 3
    assert list(log.records(9)) == [
        {"seq": 812, "usec": 91823344, "level": 6, "text": "Btrfs loaded, zoned=no"},
        {"seq": 813, "usec": 91823345, "level": 4, "text": r"a;b\x1b\xff"},
    ]
    assert list(log.records(9)) == []
    there.send(b"nonsense")
    assert list(log.records(9)) == []
    for _ in range(5):
        there.send(b"6,814,1,-;flood\n")
    assert len(list(log.records(4))) == 1, "not more records than permitted are reported"
    assert log.read() == b"6,814,1,-;flood\n", "not more records are read than requested"
    assert log.read() is None
    log.close()
    there.close()


# --- waiting, cancelling, exiting -----------------------------------------------------------


async def test_a_module_that_modprobe_cannot_find_is_unloaded_with_rmmod(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("tun 1 0 - Live")
    missing = {"idle": True, "exit": 1, "print": "modprobe: FATAL: Module tun not found.\n"}
    folder.behave({"modprobe tun": missing})
    result = await session.unload(["tun"])
    assert result.ok
    assert [call["argv"] for call in folder.calls] == [
        [f"{folder.root}/sbin/modprobe", "-v", "-r", "--", "tun"],
        [f"{folder.root}/sbin/rmmod", "-v", "--", "tun"],
    ]


async def test_a_module_is_unloaded_by_its_exact_name(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("a-b.c 1 0 - Live", "a_b 1 0 - Live", "btrfs 1 0 - Live")
    result = await session.delete("a-b.c")
    assert (result.ok, result.before, result.after) == (True, {"a-b.c": "Live"}, {"a-b.c": None})
    assert "a_b " in folder.modules, "not what modprobe and rmmod make of the name"
    assert (await session.delete("btrfs")).ok, "in the index, too, but modprobe is not run"
    assert folder.calls == folder.queries == []
    for name in ("a-b.c", "a", "a_b.ko", "xor"):
        assert (await session.delete(name)).code is ResultCode.NOT_LOADED
    folder.behave({"delete_module": {"errno": "EBUSY"}})
    result = await session.delete("a_b")
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EBUSY)
    assert result.message == os.strerror(errno.EBUSY)


async def test_an_unload_by_exact_name_waits_for_references_to_go(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("tun 1 1 - Live")
    unloading = asyncio.create_task(session.delete("tun", wait=60))
    assert (await session.set_idle(60)).ok
    assert "tun" in folder.modules
    folder.loaded("tun 1 0 - Live")
    assert (await unloading).ok


async def test_an_unload_waits_for_references_to_go(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("tun 1 1 - Live", "xor 1 0 - Live")
    unloading = asyncio.create_task(session.unload(["tun", "xor"], wait=60))
    loading = asyncio.create_task(session.load("btrfs"))
    assert (await session.set_idle(60)).ok
    assert folder.calls == [], "it waits before both unloads, and the next request waits for it"
    folder.loaded("tun 1 0 - Live", "xor 1 0 - Live")
    assert (await unloading).ok
    assert (await loading).ok
    assert [call["argv"][-1] for call in folder.calls] == ["tun", "xor", "btrfs"]


async def test_the_time_of_waiting_does_not_count_for_the_timeout_of_modprobe(
    folder: HelperFolder,
) -> None:
    folder.loaded("tun 1 1 - Live")
    session = await HelperClient.connect(await folder.transport(limit=2), "test")
    unloading = asyncio.create_task(session.unload(["tun"], wait=60))
    await asyncio.sleep(2.5)
    folder.loaded("tun 1 0 - Live")
    assert (await unloading).ok
    await session.close()


async def test_cancelling_an_unload_of_several_modules_keeps_the_rest(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.close_gate()
    folder.loaded("tun 1 0 - Live", "xor 1 0 - Live")
    folder.behave({"tun": {"touch": "begun", "block": "gate"}})
    unloading = asyncio.create_task(session.unload(["tun", "xor"]))
    await until((folder.root / "begun").exists)
    unloading.cancel()
    assert (await session.load("btrfs")).ok
    await folder.open_gate(lambda: "tun" not in folder.modules)
    assert (await session.unload(["btrfs"])).ok
    assert "xor" in folder.modules


async def test_an_unload_does_not_wait_longer_than_requested(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("tun 1 1 - Live")
    folder.behave({"tun": {"idle": True, "exit": 1}})
    result = await session.unload(["tun"], wait=0.3)
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EAGAIN)
    assert len(folder.calls) == 1


async def test_a_reload_waits_for_references_to_go(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("btrfs 1 1 - Live")
    reloading = asyncio.create_task(session.reload("btrfs", wait=60))
    assert (await session.set_idle(60)).ok
    assert folder.calls == []
    folder.loaded("btrfs 1 0 - Live")
    assert (await reloading).ok
    assert len(folder.calls) == 2


async def test_a_cancelled_unload_is_not_carried_out_later(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("tun 1 1 - Live")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await session.unload(["tun"], wait=60)
    assert (await session.load("xor")).ok
    folder.loaded("tun 1 0 - Live")
    # If it was still pending, it would be served with these.
    for _ in range(4):
        await session.unload(["tun"], wait=-1)
        await asyncio.sleep(0.1)
    assert [call["argv"][-1] for call in folder.calls] == ["xor"]


async def test_the_idle_timeout_can_be_set(folder: HelperFolder) -> None:
    session = await HelperClient.connect(await folder.transport(idle=0.5), "test")
    assert (await session.set_idle(3600)).ok
    for seconds in (9, 28_801, -1, float("nan")):
        assert (await session.set_idle(seconds)).code is ResultCode.INVALID
    await asyncio.sleep(1)
    assert (await session.load("xor")).ok
    await session.close()


def test_the_helper_exits_if_a_client_that_does_not_read_hangs_up(folder: HelperFolder) -> None:
    (folder.root / "proc" / "kallsyms").write_bytes(b"x" * 3_000_000)
    process = subprocess.Popen(folder.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"id": 1, "op": "kallsyms"}\n')
    process.stdin.flush()
    assert b"hello" in process.stdout.readline()
    assert b"data" in process.stdout.readline()
    process.stdin.close()
    assert process.wait(timeout=10) is not None
    process.stdout.close()


def test_a_client_that_does_not_read_is_dropped_after_a_timeout(folder: HelperFolder) -> None:
    """If it reads again, the last line is incomplete, and nothing follows it."""
    (folder.root / "proc" / "kallsyms").write_bytes(b"x" * 3_000_000)
    process = subprocess.Popen(
        folder.command(deaf=0.3), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"id": 1, "op": "kallsyms"}\n')
    process.stdin.flush()
    assert process.wait(timeout=30) == 0
    *lines, rest = process.stdout.read().split(b"\n")
    assert lines
    assert all(json.loads(line) for line in lines)
    assert re.match(rb'\{"serial": \d+, "id": 1, "data": ', rest)
    assert b"result" not in rest
    process.stdin.close()
    process.stdout.close()


async def test_invalid_requests_are_answered_with_their_id(folder: HelperFolder) -> None:
    """So that the client can report it for that request."""
    transport = await folder.transport()
    await transport.receive()
    for number, fields in enumerate(
        (
            b', "op": "none"',
            b"",
            b', "op": "load"',
            b', "op": "unload", "names": [], "wait": 0',
            b', "op": "kallsyms", "path": "/etc/shadow"',
        ),
        1,
    ):
        await transport.send(b'{"id": %d%b}\n' % (number, fields))
        answer = json.loads(await transport.receive())
        assert (answer["id"], answer["result"]["code"]) == (number, "invalid")
    await transport.close()


async def test_the_client_notices_the_idle_timeout(folder: HelperFolder) -> None:
    transport = await folder.transport(idle=0.2)
    await transport.receive()
    assert isinstance(decode_answer(await transport.receive()), Bye)
    await transport.close()
    session = await HelperClient.connect(await folder.transport(idle=0.2), "test")
    await session.closed()
    with pytest.raises(HelperDiedError, match="Privileges were dropped"):
        await session.kallsyms()
    await session.close()


async def test_a_missing_proc_modules_during_a_load_is_reported(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate", "idle": True}})
    loading = asyncio.create_task(session.load("btrfs"))
    await until((folder.root / "begun").exists)
    (folder.root / "proc" / "modules").unlink()
    await folder.open_gate(loading.done)
    assert (await loading).code is ResultCode.NO_MODULES
    folder.loaded()
    assert (await session.load("xor")).ok


def pythons() -> list[str]:
    """The Pythons of this machine from 3.9 on, the oldest that the helper supports."""
    found = {path for minor in range(9, 16) if (path := shutil.which(f"python3.{minor}"))}
    found |= {"/usr/bin/python3", sys.executable}
    question = "import sys; sys.exit(sys.version_info < (3, 9))"
    return sorted(
        python
        for python in found
        if not subprocess.run([python, "-c", question], capture_output=True, check=False).returncode
    )


@pytest.mark.parametrize("python", pythons())
async def test_it_runs_under_every_installed_python(folder: HelperFolder, python: str) -> None:
    (folder.root / "a.ko").write_bytes(IMAGE)
    (folder.root / "proc" / "kallsyms").write_bytes(IMAGE)
    process = Process.start((python, *folder.command()[1:]), own_session=True)
    session = await HelperClient.connect(await SocketTransport.over(process), "test")
    assert (await session.load("xor", ["a=b"])).ok
    assert (await session.insert("hello", "/a.ko", DIGEST)).ok
    assert (await session.blacklist(["xor"])).ok
    assert (await session.kallsyms()).data == IMAGE
    assert (await session.unload(["hello", "xor"], wait=1)).ok
    await session.close()
