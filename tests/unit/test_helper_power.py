"""What the helper gives up: capabilities, its environment, and time for those who misuse it."""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kmodtui.privileged import helper
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.protocol import Bye, decode_answer
from tests.support.helper_folder import HelperFolder

HELPER = Path(helper.__file__)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the helper serves root alone")


@pytest.fixture
def folder(tmp_path: Path) -> HelperFolder:
    return HelperFolder(tmp_path / "system")


def mask(*capabilities: int) -> int:
    return sum(1 << number for number in capabilities)


CHANGING = mask(helper.DAC_READ_SEARCH, helper.SYS_MODULE, helper.SYSLOG)


@needs_root
async def test_modprobe_is_limited_unless_a_rule_has_to_run(folder: HelperFolder) -> None:
    folder.behave({
        "xor": {"plan": "install /bin/true", "unload_plan": "remove /bin/true"},
    })  # fmt: skip
    async with folder.session() as session:
        for name in ("btrfs", "xor"):
            assert (await session.load(name)).ok
            assert (await session.unload([name])).ok
    assert len(folder.calls) == 4
    for call in (*folder.calls, *folder.queries):
        bounding = int(call["limits"]["CapBnd:"], 16)
        limited = call["argv"][-1] == "btrfs" or call in folder.queries
        assert (bounding == CHANGING) == limited, call
        assert call["limits"]["NoNewPrivs:"] == ("1" if limited else "0")
        assert call["umask"] == 0o022, "a rule may create files"


def started(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start the helper as root would; it says hello, and ends with its input."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", HELPER, *words], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


@needs_root
@pytest.mark.parametrize("scope", ["read", "change"])
def test_a_session_keeps_the_capabilities_of_its_scope(scope: str) -> None:
    with started(scope) as session:
        assert session.stdout is not None
        assert b'"hello"' in session.stdout.readline()
        status = dict(
            line.split(":\t")
            for line in Path(f"/proc/{session.pid}/status").read_text().splitlines()
        )
        session.stdin.close()  # type: ignore[union-attr]
    wanted = mask(helper.SYSLOG) if scope == "read" else CHANGING | mask(helper.SETPCAP)
    for kind in ("CapEff", "CapPrm"):
        assert int(status[kind], 16) == wanted
    assert int(status["CapInh"], 16) == 0
    if scope == "read":
        assert int(status["CapBnd"], 16) == wanted
        assert status["NoNewPrivs"] == "1"


@needs_root
def test_the_environment_is_cleared_before_anything_reads_it(tmp_path: Path) -> None:
    """OpenSSL, which hashlib uses, loads the modules that its configuration names."""
    config = tmp_path / "openssl.cnf"
    os.mkfifo(config)
    with started("change", OPENSSL_CONF=str(config), SUDO_USER="somebody") as session:
        assert session.stdin is not None
        assert session.stdout is not None
        watched = [session.stdout]
        readers: list[int] = []
        while not select.select(watched, [], [], 0.02)[0] and not readers:
            try:
                readers.append(os.open(config, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue  # nobody reads it
        assert readers == []
        assert b'"hello"' in session.stdout.readline()
        # A child of the helper imports hashlib now.
        digest = b"0" * 64
        session.stdin.write(
            b'{"id": 1, "op": "insert", "name": "kmodtui_none", "path": "%b", "sha256": "%b", '
            b'"parameters": []}\n' % (os.fsencode(HELPER), digest)
        )
        session.stdin.flush()
        answer = session.stdout.readline()
        assert b'"changed-file"' in answer or b'"no-modules"' in answer
        session.stdin.close()


def in_process(folder: HelperFolder, idle: float = 60.0) -> tuple[helper.Session, int, int]:
    """Return a session in this process, and the ends of its pipes to write to and to read."""
    source, requests = os.pipe()
    answers, sink = os.pipe()
    machine = helper.Machine(str(folder.root), "6.1.0-test", os.getuid())
    return helper.Session(machine, source, sink, "change", idle), requests, answers


def test_time_in_suspend_counts_as_idle(
    folder: HelperFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is accepted after it, not even one that wakes the helper."""
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert began <= helper.now() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    session, requests, answers = in_process(folder)
    os.write(requests, b'{"id": 1, "op": "idle", "seconds": 600}\n')
    times = iter([began, began + 3600])
    monkeypatch.setattr(helper, "now", lambda: next(times, began + 3600))
    session.run()
    os.close(session.sink)
    hello, bye = os.read(answers, 65536).splitlines()
    assert b'"hello"' in hello
    assert decode_answer(bye) == Bye("idle", "No request within the idle timeout.", serial=1)
    os.close(requests)
    os.close(answers)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    written: list[str] = []
    monkeypatch.setattr(helper.syslog, "syslog", lambda _, text: written.append(text))
    return written


def test_the_result_is_logged_if_the_input_closes_meanwhile(
    folder: HelperFolder, logged: list[str]
) -> None:
    session, requests, answers = in_process(folder)
    os.write(requests, b'{"id": 1, "op": "load", "name": "btrfs", "parameters": []}\n')
    os.write(requests, b'{"id": 2, "op": "load", "name": "xor", "parameters": []}\n')
    os.close(requests)
    folder.behave({"btrfs": {"touch": "begun"}})
    session.run()
    results = [line for line in logged if line.startswith("result: ")]
    # Whichever step it was in, what it says is so.
    loaded = "btrfs 16384" in folder.modules
    assert len(results) == 2
    assert ('"code": "done"' in results[0]) == loaded
    assert 'id 2 {"code": "stopped"' in results[1]
    assert logged[-1].startswith("end: input closed")
    os.close(session.source)
    os.close(answers)
    os.close(session.sink)


async def test_the_result_of_a_running_child_is_logged(
    folder: HelperFolder, tmp_path: Path
) -> None:
    """The client closes the session while modprobe runs; modprobe ends soon afterwards."""
    folder.close_gate()
    folder.behave({"btrfs": {"touch": "begun", "block": "gate"}})
    log = tmp_path / "syslog"
    os.environ["KMODTUI_TEST_SYSLOG"] = str(log)
    try:
        client = await HelperClient.connect(await folder.transport(), "test")
    finally:
        del os.environ["KMODTUI_TEST_SYSLOG"]
    loading = asyncio.create_task(client.load("btrfs"))
    await folder.until_there_is("begun")
    opening = asyncio.create_task(folder.open_gate(lambda: "btrfs" in folder.modules))
    await client.close()
    with pytest.raises(Exception, match="was closed"):
        await loading
    await opening
    lines = log.read_text().splitlines()
    result = next(line for line in lines if line.startswith("result: id 1 "))
    assert re.search(r'"code": "(done|stopped)"', result)
    assert lines[-1].startswith("end: input closed")


async def test_a_client_that_sends_junk_is_dropped(folder: HelperFolder) -> None:
    transport = await folder.transport()
    await transport.receive()
    await transport.send(b"junk\n" * (helper.MAX_INVALID + 10))
    lines = []
    while line := await transport.receive():
        lines.append(decode_answer(line))
    assert len(lines) == helper.MAX_INVALID + 2
    bye = lines[-1]
    assert isinstance(bye, Bye)
    assert (bye.reason, bye.message) == ("unexpected", "Too many invalid requests.")
    await transport.close()


def test_a_client_that_sends_too_much_is_dropped(
    folder: HelperFolder, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request is logged, so that there must not be too many."""
    monkeypatch.setattr(helper, "MAX_PER_MINUTE", 5)
    session, requests, answers = in_process(folder)
    for number in range(1, 9):
        os.write(requests, b'{"id": %d, "op": "idle", "seconds": 60}\n' % number)
    session.run()
    os.close(session.sink)
    last = os.read(answers, 65536).splitlines()[-1]
    assert decode_answer(last) == Bye("unexpected", "Too many requests in a minute.", serial=6)
    assert sum(line.startswith("request: ") for line in logged) == 5
    for descriptor in (session.source, requests, answers):
        os.close(descriptor)


def test_owners_are_those_of_what_was_opened(
    folder: HelperFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that is replaced meanwhile has no say: everything is opened from there."""
    home = folder.root / "home"
    (home / "built").mkdir(parents=True)
    (home / "built" / "a.ko").write_bytes(b"first")
    other = folder.root / "other"
    (other / "built").mkdir(parents=True)
    (other / "built" / "a.ko").write_bytes(b"second")
    (other / "built").chmod(0o777)
    real_open = os.open

    def open_and_swap(path: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        descriptor = real_open(path, flags, *rest, dir_fd=dir_fd)
        if path == "home":
            home.rename(folder.root / "moved")
            other.rename(home)
        return descriptor

    monkeypatch.setattr(helper.os, "open", open_and_swap)
    machine = helper.Machine(str(folder.root), "6.1.0-test", os.getuid())
    descriptor, parts = machine.open_file("/home/built/a.ko")
    monkeypatch.undo()
    with os.fdopen(descriptor, "rb") as file:
        assert file.read() == b"first"
    assert [part["name"] for part in parts] == ["home", "built", "a.ko"]
    assert parts[1]["mode"] != 0o777
