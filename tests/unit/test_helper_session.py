"""A session with the real helper, in its own process, on a directory instead of /."""

from __future__ import annotations

import ast
import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kmodtui.errors import HelperDiedError
from kmodtui.model.result import Result, ResultCode
from kmodtui.privileged import helper, protocol
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.protocol import Bye, Finished, decode_answer
from tests.support.helper_folder import HelperFolder

HELPER = Path(helper.__file__)


@pytest.fixture
def folder(tmp_path: Path) -> HelperFolder:
    return HelperFolder(tmp_path / "system")


@pytest.fixture
async def session(folder: HelperFolder) -> Any:
    client = await HelperClient.connect(await folder.transport(), "test")
    yield client
    await client.close()


async def raw(folder: HelperFolder, *lines: bytes, **limits: float) -> list[Result]:
    """Send raw lines and return the results."""
    transport = await folder.transport(**limits)
    await transport.receive()
    for line in lines:
        await transport.send(line)
    results = []
    while len(results) < sum(line.count(b"\n") for line in lines):
        answer = decode_answer(await transport.receive())
        assert isinstance(answer, Finished)
        results.append(answer.result)
    await transport.close()
    return results


async def test_a_load_is_done_when_the_kernel_lists_the_module(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.behave({"btrfs": {"print": "insmod /lib/x.ko \n"}})
    result = await session.load("btrfs", ["a=b", "c=1,2"])
    assert result.ok
    assert (result.before, result.after) == ({"btrfs": None}, {"btrfs": "Live"})
    assert result.output == "insmod /lib/x.ko \n"
    assert result.exit == 0
    modprobe = str(folder.root / "sbin" / "modprobe")
    assert result.command == (modprobe, "-v", "--", "btrfs", "a=b", "c=1,2")


async def test_modprobe_runs_with_a_fixed_environment(
    folder: HelperFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODPROBE_OPTIONS", "--force")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/evil")
    session = await HelperClient.connect(await folder.transport(), "test")
    await session.load("btrfs")
    await session.close()
    (call,) = folder.calls
    assert call["env"] == {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    assert call["cwd"] == "/"
    assert call["fds"] == [0, 1, 2, 3]  # 3 is the directory that is being listed


async def test_exit_status_0_alone_is_not_success(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.behave({"btrfs": {"idle": True}})
    result = await session.load("btrfs")
    assert (result.ok, result.code, result.exit) == (False, ResultCode.NOT_DONE, 0)
    folder.loaded("xor 4096 0 - Live")
    folder.behave({"xor": {"idle": True}})
    result = await session.unload(["xor"])
    assert (result.ok, result.code) == (False, ResultCode.NOT_DONE)
    assert result.after == {"xor": "Live"}


async def test_a_failed_modprobe_is_success_if_the_kernel_lists_the_module(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.behave({"btrfs": {"exit": 1}})
    assert (await session.load("btrfs")).ok


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("could not insert 'btrfs': Invalid argument", errno.EINVAL),
        ("could not insert 'btrfs': Exec format error", errno.ENOEXEC),
        ("could not insert 'btrfs': Key was rejected by service", errno.EKEYREJECTED),
        ("could not insert 'btrfs': Unknown symbol in module, or unknown parameter (see dmesg)",
         errno.ENOENT),
        ("something else", None),
    ],
)  # fmt: skip
async def test_the_errno_is_taken_from_modprobes_message(
    folder: HelperFolder, session: HelperClient, words: str, number: int | None
) -> None:
    text = f"modprobe: ERROR: {words}\n"
    folder.behave({"btrfs": {"idle": True, "exit": 1, "print": text}})
    result = await session.load("btrfs")
    assert (result.code, result.errno) == (ResultCode.FAILED, number)
    assert result.message == text.strip()


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("xor 4096 1 btrfs, Live", errno.EAGAIN),
        ("xor 4096 1 - Live", errno.EAGAIN),
        ("xor 4096 0 [permanent], Live", errno.EBUSY),
        ("xor 4096 1 - Loading", errno.EBUSY),
    ],
)
async def test_the_errno_of_a_refused_unload_is_taken_from_the_state(
    folder: HelperFolder, session: HelperClient, line: str, number: int
) -> None:
    folder.loaded(line)
    folder.behave({"xor": {"idle": True, "exit": 1, "print": "modprobe: FATAL: in use.\n"}})
    result = await session.unload(["xor"])
    assert (result.ok, result.code, result.errno) == (False, ResultCode.FAILED, number)


async def test_unloading_several_stops_at_the_first_that_stays(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("a 1 0 - Live", "b 1 1 - Live", "c 1 0 - Live")
    folder.behave({"b": {"idle": True, "exit": 1}})
    result = await session.unload(["a", "b", "c"])
    assert result.subject == "b"
    assert result.after == {"a": None, "b": "Live", "c": "Live"}
    assert [call["argv"][-1] for call in folder.calls] == ["a", "b"]


async def test_a_module_that_was_unloaded_with_another_is_not_unloaded_again(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("btrfs 1 0 - Live", "xor 1 1 btrfs, Live")
    folder.behave({"btrfs": {"also": ["xor"]}})
    result = await session.unload(["btrfs", "xor"])
    assert result.ok
    assert len(folder.calls) == 1


async def test_a_reload_uses_the_new_parameters(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("btrfs 1 0 - Live")
    result = await session.reload("btrfs", ["a=b"])
    assert result.ok
    assert (result.before, result.after) == ({"btrfs": "Live"}, {"btrfs": "Live"})
    modprobe = str(folder.root / "sbin" / "modprobe")
    assert [call["argv"] for call in folder.calls] == [
        [modprobe, "-v", "-r", "--", "btrfs"],
        [modprobe, "-v", "--", "btrfs", "a=b"],
    ]


async def test_a_reload_stops_if_the_unload_fails(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("btrfs 1 1 - Live")
    folder.behave({"btrfs": {"idle": True, "exit": 1}})
    result = await session.reload("btrfs")
    assert (result.code, result.errno) == (ResultCode.FAILED, errno.EAGAIN)
    assert len(folder.calls) == 1


async def test_a_reload_does_not_unload_a_module_that_could_not_be_loaded(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("strange 1 0 - Live", "btrfs 1 0 - Live")
    assert (await session.reload("strange")).code is ResultCode.UNKNOWN_MODULE
    folder.behave({"btrfs": {"plan": "install /bin/sh -c x"}})
    assert (await session.reload("btrfs", ["a=$(x)"])).code is ResultCode.INVALID
    assert (await session.reload("xor")).code is ResultCode.NOT_LOADED
    assert folder.calls == []


async def test_a_parameter_is_written_and_read_back(
    folder: HelperFolder, session: HelperClient
) -> None:
    parameters = folder.root / "sys" / "module" / "nbd" / "parameters"
    parameters.mkdir(parents=True)
    (parameters / "nbds_max").write_text("16\n")
    builtin = await session.write_parameter("nbd", "nbds_max", "4")
    assert (builtin.ok, builtin.code) == (False, ResultCode.NOT_LOADED)
    assert (parameters / "nbds_max").read_text() == "16\n"
    folder.loaded("nbd 1 0 - Live")
    result = await session.write_parameter("nbd", "nbds_max", "4")
    assert (result.ok, result.command) == (True, ())
    assert (result.before, result.after) == ({"nbds_max": "16"}, {"nbds_max": "4"})
    assert (parameters / "nbds_max").read_text() == "4"
    none = await session.write_parameter("nbd", "none", "4")
    assert (none.ok, none.code, none.errno) == (False, ResultCode.FAILED, errno.ENOENT)
    (parameters / "link").symlink_to(folder.root / "behaviour.json")
    link = await session.write_parameter("nbd", "link", "4")
    assert (link.ok, link.errno) == (False, errno.ELOOP)
    assert not (parameters / "none").exists()
    assert folder.calls == []


async def test_a_failed_later_step_is_reported_with_the_states(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("btrfs 1 0 - Live")
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate"}})
    reloading = asyncio.create_task(session.reload("btrfs"))
    await folder.until_there_is("begun")
    (folder.root / "lib/modules/6.1.0-test/modules.dep").unlink()
    await folder.open_gate(reloading.done)
    result = await reloading
    assert (result.ok, result.code) == (False, ResultCode.NO_MODULES)
    assert (result.before, result.after) == ({"btrfs": "Live"}, {"btrfs": None})


async def test_an_unexpected_line_in_proc_modules_does_not_end_the_session(
    folder: HelperFolder, session: HelperClient
) -> None:
    (folder.root / "proc" / "modules").write_text("odd\n\nxor 1 0 - Live 0x0\nx y z\n")
    result = await session.load("xor")
    assert (result.code, result.before) == (ResultCode.ALREADY_LOADED, {"xor": "Live"})


async def test_names_are_reported_in_the_kernels_spelling(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.modules_dep("kernel/sound/snd-pcm.ko.xz:")
    assert (await session.load("snd-pcm")).after == {"snd_pcm": "Live"}
    assert (await session.unload(["snd-pcm"])).after == {"snd_pcm": None}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ext4", ResultCode.BUILT_IN),
        ("nope", ResultCode.UNKNOWN_MODULE),
        ("xor", ResultCode.ALREADY_LOADED),
    ],
)
async def test_nothing_is_run_for_a_module_that_cannot_be_loaded(
    folder: HelperFolder, session: HelperClient, name: str, code: ResultCode
) -> None:
    folder.loaded("xor 1 0 - Live")
    assert (await session.load(name)).code == code
    assert folder.calls == []


async def test_a_module_that_is_not_loaded_is_not_unloaded(
    folder: HelperFolder, session: HelperClient
) -> None:
    folder.loaded("xor 1 0 - Live")
    result = await session.unload(["xor", "btrfs"])
    assert (result.code, result.subject) == (ResultCode.NOT_LOADED, "btrfs")
    assert folder.calls == []


async def test_an_index_that_others_can_write_is_not_trusted(
    folder: HelperFolder, session: HelperClient
) -> None:
    index = folder.root / "lib/modules/6.1.0-test/modules.dep"
    index.chmod(0o664)
    result = await session.load("btrfs")
    assert (result.code, result.errno) == (ResultCode.NO_MODULES, errno.EPERM)
    index.chmod(0o644)
    index.parent.chmod(0o777)
    assert (await session.load("btrfs")).code == ResultCode.NO_MODULES
    index.parent.chmod(0o755)
    read_by_modprobe = index.with_name("modules.dep.bin")
    read_by_modprobe.write_bytes(b"")
    read_by_modprobe.chmod(0o666)
    assert (await session.load("btrfs")).errno == errno.EPERM
    read_by_modprobe.unlink()
    index.unlink()
    assert (await session.load("btrfs")).code == ResultCode.NO_MODULES
    assert folder.calls == []


async def test_a_kernel_without_modules_is_reported(
    folder: HelperFolder, session: HelperClient
) -> None:
    (folder.root / "proc" / "modules").unlink()
    assert (await session.load("btrfs")).code == ResultCode.NO_MODULES
    assert (await session.unload(["btrfs"])).code == ResultCode.NO_MODULES


@pytest.mark.parametrize("multicall", ["busybox", "toybox", "modprobe"])
async def test_only_kmods_modprobe_is_run(tmp_path: Path, multicall: str) -> None:
    folder = HelperFolder(tmp_path / "system", multicall)
    folder.loaded("xor 1 0 - Live")
    async with folder.session() as session:
        for result in (await session.load("btrfs"), await session.unload(["xor"])):
            assert (result.code, result.errno) == (ResultCode.NO_MODPROBE, errno.ENOENT)
            assert result.message == f"{folder.root}/sbin/modprobe is missing or not kmod's."
    assert folder.calls == []


async def test_the_index_can_be_in_usr_lib(folder: HelperFolder, session: HelperClient) -> None:
    (folder.root / "usr").mkdir(mode=0o755)
    (folder.root / "lib").rename(folder.root / "usr/lib")
    assert (await session.load("btrfs")).ok


async def test_a_missing_modprobe_is_reported(folder: HelperFolder, session: HelperClient) -> None:
    (folder.root / "bin" / "kmod").unlink()
    assert (await session.load("btrfs")).code is ResultCode.NO_MODPROBE
    (folder.root / "sbin" / "modprobe").unlink()
    result = await session.load("btrfs")
    assert result.code is ResultCode.NO_MODPROBE
    assert result.errno == errno.ENOENT


async def test_a_modprobe_that_others_can_write_is_not_run(
    folder: HelperFolder, session: HelperClient
) -> None:
    for loose, tight in (((folder.root / "bin" / "kmod"), 0o755), (folder.root / "bin", 0o755)):
        loose.chmod(0o777)
        result = await session.load("btrfs")
        assert (result.ok, result.errno) == (False, errno.EPERM)
        assert f"{loose} is writable by users other than root" in result.message
        loose.chmod(tight)
    assert folder.calls == []


async def test_parameters_with_a_meaning_in_a_shell(
    folder: HelperFolder, session: HelperClient
) -> None:
    dangerous = ["path=$(reboot)"]
    folder.behave({"btrfs": {"plan": "install /bin/sh -c something $CMDLINE_OPTS\n"}})
    result = await session.load("btrfs", dangerous)
    assert result.code == ResultCode.INVALID
    # The rule can be at the end of a plan that is longer than MAX_OUTPUT.
    long = "insmod /lib/modules/x/needed.ko \n" * 2000
    folder.behave({"btrfs": {"plan": long + "install /bin/sh -c something $CMDLINE_OPTS\n"}})
    assert (await session.load("btrfs", dangerous)).code == ResultCode.INVALID
    assert folder.calls == []
    # Without a rule there is no shell, so any parameter is safe.
    folder.behave({})
    assert (await session.load("btrfs", dangerous)).ok


async def test_a_hanging_modprobe_does_not_block_the_session(folder: HelperFolder) -> None:
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate"}})
    async with folder.session(limit=2) as session:  # a slow machine loads xor within it
        hanging = asyncio.create_task(session.load("btrfs"))
        await folder.until_there_is("begun")
        assert (await session.load("xor")).ok, "it is served after the timeout of the other"
        result = await hanging
        assert (result.ok, result.code) == (False, ResultCode.TIMEOUT)
        assert (result.subject, result.after) == ("btrfs", {"btrfs": None})
        assert result.command[-1] == "btrfs"
    await folder.open_gate(lambda: "btrfs" in folder.modules)


async def test_after_cancelling_the_next_request_is_served_at_once(
    folder: HelperFolder, session: HelperClient
) -> None:
    """The timeout is a minute, but a cancelled request is left running at once."""
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate"}})
    hanging = asyncio.create_task(session.load("btrfs"))
    await folder.until_there_is("begun")
    hanging.cancel()
    async with asyncio.timeout(20):
        assert (await session.load("xor")).ok
    assert "btrfs" not in folder.modules
    await folder.open_gate(lambda: "btrfs" in folder.modules)  # it was not killed


async def test_cancelling_a_followed_log_is_answered(folder: HelperFolder) -> None:
    (folder.root / "dev").mkdir()
    (folder.root / "dev" / "kmsg").write_bytes(
        b"6,1,5,-;early\n"
    )  # a regular file, because it must be seekable
    transport = await folder.transport()
    await transport.receive()
    await transport.send(b'{"id": 1, "op": "log", "follow": true}\n')
    assert json.loads(await transport.receive())["log"]["text"] == "early"
    await transport.send(b'{"id": 2, "op": "stop", "request": 1}\n')
    answers = [json.loads(await transport.receive()) for _ in range(2)]
    assert [(told["id"], told["result"]["code"]) for told in answers] == [
        (1, "stopped"), (2, "done"),
    ]  # fmt: skip
    await transport.close()


async def test_a_cancelled_request_is_answered(folder: HelperFolder) -> None:
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate"}})
    transport = await folder.transport()
    await transport.receive()
    await transport.send(b'{"id": 1, "op": "load", "name": "btrfs", "parameters": []}\n')
    await folder.until_there_is("begun")
    await transport.send(b'{"id": 2, "op": "stop", "request": 1}\n')
    answers = [json.loads(await transport.receive()) for _ in range(2)]
    assert {told["id"]: told["result"]["code"] for told in answers} == {1: "stopped", 2: "done"}
    await folder.open_gate(lambda: "btrfs" in folder.modules)
    await transport.close()


def test_syslog_has_the_whole_request(
    folder: HelperFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a long prefix precedes the important part; blanks do not fill the log."""
    written: list[str] = []
    monkeypatch.setattr(helper.syslog, "syslog", lambda _, text: written.append(text))
    here, there = os.pipe()
    machine = helper.Machine(str(folder.root), "6.1.0-test", os.getuid())
    session = helper.Session(machine, here, there, "change", who="uid=7")
    session.accept(b'{"id": 1, "op": "idle",' + b" " * 2600 + b'"seconds": 77}')
    session.accept(b'{"id": 2, "op": "idle",' + b" " * 60_000 + b'"seconds": 79}')
    session.accept(b'{"id": 3, "op": "idle", "\x1b' + b"x" * 60_000 + b'"seconds": 78}')
    os.close(here)
    os.close(there)
    for number, seconds in ((1, 77), (2, 79)):
        logged = f'request: {{"id": {number}, "op": "idle", "seconds": {seconds}}} (uid=7)'
        assert logged in written
    assert any(line.startswith("refused: {") and " bytes) (uid=7)" in line for line in written)
    assert not any("78" in line for line in written), "nothing of a refused line is done"
    assert sum(map(len, written)) < 1200
    assert all(line.isascii() and line.isprintable() for line in written)
    assert all(line.endswith("(uid=7)") for line in written)


async def test_requests_are_served_in_order(folder: HelperFolder, session: HelperClient) -> None:
    """Simultaneous requests are served one after the other."""
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate"}})
    first = asyncio.create_task(session.load("btrfs"))
    await folder.until_there_is("begun")
    second = asyncio.create_task(session.unload(["btrfs"]))
    idle = await session.set_idle(60)
    assert idle.ok, "requests about the session itself are served at once"
    assert len(folder.calls) == 1
    folder.behave({})
    await folder.open_gate(first.done)
    assert (await first).ok
    assert (await second).ok


async def test_the_helper_exits_with_its_input_while_modprobe_runs(folder: HelperFolder) -> None:
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate", "print": "x" * 100}})
    transport = await folder.transport()
    session = await HelperClient.connect(transport, "test")
    loading = asyncio.create_task(session.load("btrfs"))
    while not (folder.root / "begun").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    await session.close()
    assert asyncio.get_running_loop().time() - began < 1
    with pytest.raises(HelperDiedError):
        await loading
    with pytest.raises(ProcessLookupError):
        os.kill(session.hello.pid, 0)
    # The running modprobe is completed.
    await folder.open_gate(lambda: "btrfs" in (folder.root / "proc" / "modules").read_text())


async def test_output_is_capped(folder: HelperFolder, session: HelperClient) -> None:
    folder.behave({"btrfs": {"print": "x" * 30000 + "\n"}})
    assert len((await session.load("btrfs")).output) == 30001
    folder.behave({"xor": {"print": "y" * 1_000_000}})
    result = await session.load("xor")
    assert len(result.output) <= helper.MAX_OUTPUT


async def test_too_many_at_once(folder: HelperFolder, session: HelperClient) -> None:
    folder.close_gate()
    folder.behave({"btrfs": {"block": "gate"}, "xor": {"block": "gate"}})
    tasks = [asyncio.create_task(session.load("btrfs")) for _ in range(helper.MAX_JOBS)]
    while len(folder.calls) < 1:  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    result = await session.load("xor")
    assert (result.code, result.errno) == (ResultCode.BUSY, errno.EBUSY)
    await folder.open_gate(lambda: all(task.done() for task in tasks))
    codes = [result.code for result in await asyncio.gather(*tasks)]
    assert codes == [ResultCode.DONE] + [ResultCode.ALREADY_LOADED] * (helper.MAX_JOBS - 1)


async def test_hanging_children_count_until_they_exit(folder: HelperFolder) -> None:
    """Otherwise a session could start any number of processes."""
    folder.close_gate()
    names = [f"m{number}" for number in range(helper.MAX_JOBS)]
    folder.modules_dep(*(f"{name}.ko:" for name in [*names, "last"]))
    folder.behave({name: {"plan_block": "gate", "idle": True} for name in names})
    async with folder.session(limit=0.01) as session:
        for name in names:
            assert (await session.load(name)).code is ResultCode.TIMEOUT
        assert (await session.load("last")).code is ResultCode.BUSY
        while len(folder.queries) < len(names):  # noqa: ASYNC110 - other processes make them
            await asyncio.sleep(0.01)
        ended = asyncio.create_task(folder.open_gate(lambda: "last" in folder.modules))
        while (await session.load("last")).code is ResultCode.BUSY:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        folder.loaded("last 1 0 - Live")
        await ended


async def test_the_helper_exits_after_the_idle_timeout(folder: HelperFolder) -> None:
    transport = await folder.transport(idle=0.2)
    await transport.receive()
    answer = decode_answer(await transport.receive())
    assert answer == Bye("idle", "No request within the idle timeout.", serial=1)
    assert await transport.receive() == b""
    await transport.close()


async def test_invalid_lines_are_answered_and_do_not_end_the_session(folder: HelperFolder) -> None:
    long = b'{"id": 1, "op": "load", "name": "' + b"x" * 300_000 + b'"}\n'
    good = b'{"id": 1, "op": "load", "name": "btrfs", "parameters": []}\n'
    lines = [b"nonsense\n", b"\xff\xfe\n", b"[" * 60_000 + b"\n", long, b"null\n", good]
    results = await raw(folder, *lines)
    assert [result.code for result in results[:5]] == [ResultCode.INVALID] * 5
    assert results[5].ok


async def test_a_line_that_is_too_long_is_refused_before_its_end(folder: HelperFolder) -> None:
    transport = await folder.transport()
    await transport.receive()
    await transport.send(b"x" * (helper.MAX_REQUEST * 3))
    answer = decode_answer(await transport.receive())
    assert answer == Finished(1, 0, Result(False, ResultCode.INVALID, "The line is too long.",
                                        errno.EMSGSIZE))  # fmt: skip
    await transport.send(b'\n{"id": 1, "op": "load", "name": "btrfs", "parameters": []}\n')
    answer = decode_answer(await transport.receive())
    assert isinstance(answer, Finished)
    assert (answer.id, answer.result.ok) == (1, True)
    await transport.close()


@pytest.mark.parametrize("number", [1, 3, 2**40])
async def test_a_request_out_of_turn_ends_the_session(folder: HelperFolder, number: int) -> None:
    """Another process has sent a request, or has taken one away."""
    transport = await folder.transport()
    await transport.receive()
    await transport.send(b'{"id": 1, "op": "idle", "seconds": 60}\n')
    await transport.receive()
    line = b'{"id": %d, "op": "load", "name": "btrfs", "parameters": []}\n' % number
    await transport.send(line)
    message = f"Request {number} arrived instead of request 2."
    assert decode_answer(await transport.receive()) == Bye("unexpected", message, serial=2)
    assert await transport.receive() == b""
    assert folder.calls == []
    await transport.close()


async def test_a_line_sent_in_parts_is_one_line(folder: HelperFolder) -> None:
    transport = await folder.transport()
    await transport.receive()
    for byte in b'{"id": 1, "op": "load", "name": "btrfs", "parameters": []}\n':
        await transport.send(bytes([byte]))
    answer = decode_answer(await transport.receive())
    assert isinstance(answer, Finished)
    assert answer.result.ok
    await transport.close()


def test_it_is_python_3_9_and_the_standard_library() -> None:
    tree = ast.parse(HELPER.read_text(), feature_version=(3, 9))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_it_can_be_read_in_one_sitting() -> None:
    """At most 750 lines of code: it only has what needs root."""
    text = HELPER.read_text()
    said: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said |= set(range(node.lineno, (node.end_lineno or 0) + 1))  # a docstring
    code = [
        line
        for number, line in enumerate(text.splitlines(), 1)
        if number not in said and line.strip() and not line.lstrip().startswith("#")
    ]
    assert len(code) <= 750


def test_it_never_uses_a_shell_or_force() -> None:
    text = HELPER.read_text()
    for word in ("shell=", "os.system", "popen(", "--force", '"-f"', "eval(", "exec("):
        assert word not in text


def test_protocol_and_helper_have_the_same_constants() -> None:
    assert helper.PROTOCOL == protocol.PROTOCOL
    assert helper.MAX_REQUEST == protocol.MAX_REQUEST
    from kmodtui import __version__

    assert __version__ == helper.VERSION


def test_it_does_not_start_without_isolated_mode(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    done = subprocess.run(
        [sys.executable, HELPER], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        input=b"", capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert b"-I -S" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_planted_python_modules_are_not_imported(tmp_path: Path) -> None:
    """In the helper's directory, in the current directory and in PYTHONPATH."""
    copy = tmp_path / "helper.py"
    copy.write_bytes(HELPER.read_bytes())
    for name in ("json", "re", "select", "syslog", "subprocess", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    done = subprocess.run(
        [sys.executable, "-I", "-S", copy, "change"], cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        input=b"", capture_output=True, check=False,
    )  # fmt: skip
    assert b'"hello"' in done.stdout or b'"bye"' in done.stdout
    assert not (tmp_path / "ran").exists()


def test_without_root_it_reports_that() -> None:
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                   "/usr/bin/python3", "-I", "-S", "/dev/stdin", "change"]  # fmt: skip
        # An unprivileged user may not be able to read this directory, so pass the source.
        script = (
            "import sys; sys.argv=['helper', 'read']; exec(compile(sys.stdin.read(), 'h', 'exec'))"
        )
        command[-2:] = ["-c", script]
        try:
            done = subprocess.run(command, input=HELPER.read_bytes(), capture_output=True,
                                  check=False)  # fmt: skip
        except FileNotFoundError:
            pytest.skip("setpriv is not installed")
    else:
        done = subprocess.run([sys.executable, "-I", "-S", HELPER, "read"], input=b"",
                              capture_output=True, check=False)  # fmt: skip
    answer = decode_answer(done.stdout)
    assert isinstance(answer, Bye)
    assert answer.reason == "not-root"
    assert done.returncode == 1


def test_bad_options_are_refused() -> None:
    for options in (
        [], ["--detach"], ["all"], [""], ["read", "--idle=60"], ["change", "x"],
        ["read", "change"], ["--detach", "read"], ["read", "--detach", "x"],
    ):  # fmt: skip
        done = subprocess.run([sys.executable, "-I", "-S", HELPER, *options], input=b"",
                              capture_output=True, check=False)  # fmt: skip
        assert done.returncode != 0
        assert b"usage" in done.stderr
        assert done.stdout == b""


def test_unknown_fields_of_an_answer_are_ignored() -> None:
    folder_result = {"serial": 1, "id": 1, "result": {"ok": True, "code": "done", "new": 1}}
    answer = decode_answer(json.dumps(folder_result).encode())
    assert isinstance(answer, Finished)
    assert answer.result.ok
