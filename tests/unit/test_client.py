"""The client's side of a session, against helpers that behave in every way a process can."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import textwrap
from contextlib import suppress
from typing import Any

import pytest

from kmodtui.errors import (
    HelperDiedError,
    HelperError,
    HelperVersionError,
    RootSessionEndedError,
    UnexpectedAnswerError,
)
from kmodtui.model.log.record import LogRecord
from kmodtui.model.result import ResultCode
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.sockets import Process, SocketTransport

HELLO = {
    "protocol": 4, "version": "0.1.0", "pid": 1, "uid": 0,
    "operations": ["load", "unload"], "later": "field",
}  # fmt: skip

OPENING = f"""
import json, sys, time
serial = 0
def say(message):
    global serial
    if isinstance(message, dict) and "hello" not in message:
        serial += 1
        message = {{"serial": serial, **message}}
    print(json.dumps(message), flush=True)
def hear():
    return json.loads(sys.stdin.readline())
hello = {HELLO!r}
"""


async def script(body: str) -> SocketTransport:
    """Start a helper of a few lines."""
    code = OPENING + textwrap.dedent(body)
    return await SocketTransport.over(Process.start([sys.executable, "-I", "-S", "-c", code]))


async def connect(body: str, **options: Any) -> HelperClient:
    return await HelperClient.connect(await script(body), "test", **options)


async def test_what_is_printed_before_the_hello_is_passed_over() -> None:
    client = await connect("""
        print("Last login: yesterday")
        print("")
        say({"hello": hello})
        sys.stdin.read()
    """)
    assert client.hello.operations == ("load", "unload")
    assert client.alive
    assert client.via == "test"
    await client.close()
    assert not client.alive


async def test_another_version_is_told_with_what_to_do() -> None:
    with pytest.raises(HelperVersionError, match=r"protocol 5; this kmodtui speaks 4") as told:
        await connect("""
            say({"hello": {**hello, "protocol": 5}})
            sys.stdin.read()
        """)
    assert "kmodtui helper install" in told.value.hint


async def test_who_dies_before_the_hello_is_quoted() -> None:
    with pytest.raises(HelperDiedError, match=r"did not start: python3: no such file \\x1b"):
        await connect("""
            sys.stderr.write("first\\npython3: no such file \\x1b\\n")
        """)


async def test_a_silent_helper_is_not_waited_for_for_ever() -> None:
    with pytest.raises(HelperDiedError, match="did not start within 0 seconds"):
        await connect("sys.stdin.read()", within=0.2)


async def test_a_helper_that_is_not_root_says_so() -> None:
    with pytest.raises(HelperDiedError, match="can change nothing"):
        await connect("""
            say({"bye": {"reason": "not-root", "message": "It can change nothing."}})
        """)


async def test_log_lines_come_as_they_are_said_and_with_the_result() -> None:
    client = await connect("""
        say({"hello": hello})
        number = hear()["id"]
        say({"id": number, "log": {"seq": 1, "usec": 2, "level": 6, "text": "Btrfs loaded"}})
        hear()
        say({"id": number, "result": {"ok": True, "code": "done", "took": 0.5}})
        sys.stdin.read()
    """)
    came: asyncio.Queue[LogRecord] = asyncio.Queue()
    loading = asyncio.create_task(client.load("btrfs", ["a=b"], came.put_nowait))
    assert await came.get() == LogRecord(1, 2, 6, "Btrfs loaded")
    assert not loading.done()
    other = asyncio.create_task(client.unload(["xor"]))
    result = await loading
    assert result.ok
    assert result.log == (LogRecord(1, 2, 6, "Btrfs loaded"),)
    await client.close()
    with pytest.raises(HelperDiedError):
        await other


async def test_answers_find_their_requests_in_any_order() -> None:
    client = await connect("""
        say({"hello": hello})
        first, second = hear(), hear()
        for request in (second, first):
            subject = request.get("name") or request["names"][0]
            say({"id": request["id"], "result": {"ok": True, "code": "done", "subject": subject}})
        sys.stdin.read()
    """)
    one, two = await asyncio.gather(client.load("a"), client.unload(["b"]))
    assert (one.subject, two.subject) == ("a", "b")
    await client.close()


async def test_death_in_the_middle_of_a_load() -> None:
    client = await connect("""
        say({"hello": hello})
        hear()
        sys.stderr.write("Killed")
    """)
    with pytest.raises(HelperDiedError, match="Killed") as told:
        await client.load("btrfs")
    assert "read again" in told.value.hint
    await client.closed()
    assert not client.alive
    with pytest.raises(HelperDiedError):
        await client.load("btrfs")
    await client.close()


async def test_root_given_up_by_the_helper() -> None:
    client = await connect("""
        say({"hello": hello})
        say({"bye": {"reason": "idle", "message": ""}})
    """)
    end = await client.closed()
    assert isinstance(end.why, RootSessionEndedError)
    assert not end.told
    with pytest.raises(HelperDiedError, match="Privileges were dropped"):
        await client.load("btrfs")
    await client.close()


async def test_a_log_that_is_followed_is_no_answer_that_is_waited_for() -> None:
    client = await connect("""
        say({"hello": hello})
        hear()
    """)
    following = asyncio.create_task(client.follow_log(lambda _: None))
    end = await client.closed()
    assert not end.told
    assert str(end.why) == (
        "The privileged helper has ended unexpectedly. The next change starts the helper again."
    )
    with pytest.raises(HelperDiedError):
        await following
    await client.close()


async def test_who_closes_a_session_knows_why_it_has_ended() -> None:
    client = await connect("""
        say({"hello": hello})
        sys.stdin.read()
    """)
    await client.close()
    assert (await client.closed()).told


@pytest.mark.parametrize(
    "answer",
    ['"nonsense"', "{'id': number}", "{'id': number, 'result': {'ok': True, 'code': 'new'}}",
     "{'id': 'x', 'result': {'ok': True, 'code': 'done'}}", "[1]", "{'hello': hello}", "None",
     "{'id': number, 'log': {'seq': 1}}", "{'id': number, 'log': 5}", "{'bye': 'x'}",
     "{'id': number, 'result': {'ok': True, 'code': 'done', 'file': [5]}}", "'x' * 3_000_000"],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_ends_the_session(answer: str) -> None:
    client = await connect(f"""
        say({{"hello": hello}})
        number = hear()["id"]
        say({answer})
        sys.stdin.read()
    """)
    with pytest.raises(HelperError):
        await client.load("btrfs")
    assert not client.alive
    await client.close()


RESULT = "'result': {'ok': True, 'code': 'done'}"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (f"'serial': 1, 'id': 7, {RESULT}", "an answer to request 7"),
        (f"'serial': 1, 'id': 1, {RESULT}}}, {{'serial': 2, 'id': 1, {RESULT}",
         "an answer to request 1"),
        (f"'serial': 2, 'id': 1, {RESULT}", "answer 2 instead of 1"),
        (f"'serial': 0, 'id': 1, {RESULT}", "answer 0 instead of 1"),
        ("'serial': 1, 'id': 7, 'data': ''", "an answer to request 7"),
    ],
)  # fmt: skip
async def test_an_answer_that_nobody_asked_for_ends_the_session(answer: str, what: str) -> None:
    """Somebody else has sent a request, or read an answer."""
    client = await connect(f"""
        say({{"hello": hello}})
        hear()
        for answer in ({{{answer}}},):
            print(json.dumps(answer), flush=True)
        sys.stdin.read()
    """)
    with suppress(UnexpectedAnswerError):
        assert (await client.load("btrfs")).ok
    end = await client.closed()
    assert isinstance(end.why, UnexpectedAnswerError)
    assert f"the privileged helper sent {what}," in str(end.why)
    assert end.told == (what != "an answer to request 1"), "else it is shown as a notification"
    assert not client.alive
    await client.close()


async def test_what_passes_the_connection_on_cannot_write_requests() -> None:
    """Such as run0, and the shell that waits for polkit's agent: they run as the same user."""
    process = Process.start(["sleep", "600"])
    try:
        for number in (0, 1):
            with pytest.raises(OSError, match="No such device or address"):
                os.open(f"/proc/{process.popen.pid}/fd/{number}", os.O_RDWR)
    finally:
        process.popen.kill()
        process.popen.wait()
        process.discard()


async def test_an_answer_that_is_nested_too_deep_ends_the_session() -> None:
    client = await connect("""
        say({"hello": hello})
        hear()
        print("[" * 100_000, flush=True)
        sys.stdin.read()
    """)
    with pytest.raises(HelperError, match="malformed answer"):
        await client.load("btrfs")
    assert not client.alive
    await client.close()


async def test_nobody_waits_for_ever_when_the_reading_itself_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport = await script("""
        say({"hello": hello})
        say({"id": hear()["id"], "result": {"ok": True, "code": "done"}})
        sys.stdin.read()
    """)
    client = await HelperClient.connect(transport, "test")
    receive = transport.receive

    async def broken() -> bytes:
        await receive()
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(transport, "receive", broken)
    async with asyncio.timeout(10):
        with pytest.raises(HelperError, match="a mistake of ours"):
            await client.load("btrfs")
    assert not client.alive
    await client.close()


async def test_to_stop_waiting_is_not_the_end_of_the_session() -> None:
    client = await connect("""
        say({"hello": hello})
        first, stop, second = hear(), hear(), hear()
        assert (stop["op"], stop["request"]) == ("stop", first["id"])
        for request in (first, stop, second):
            say({"id": request["id"], "result": {"ok": True, "code": "done", "subject": "x"}})
        sys.stdin.read()
    """)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await client.load("hangs")
    assert (await client.load("other")).code is ResultCode.DONE
    await client.close()


async def test_closing_twice_and_while_waiting() -> None:
    client = await connect("""
        say({"hello": hello})
        sys.stdin.read()
    """)
    loading = asyncio.create_task(client.load("btrfs"))
    await asyncio.sleep(0)
    await asyncio.gather(client.close(), client.close())
    await client.close()
    with pytest.raises(HelperDiedError):
        await loading


async def test_a_helper_that_does_not_leave_is_not_waited_for_for_ever() -> None:
    client = await connect("""
        say({"hello": hello})
        sys.stdin.read()
        time.sleep(40)
    """)
    async with asyncio.timeout(30):
        await client.close()


async def test_a_mistake_in_showing_a_log_line_is_the_callers() -> None:
    client = await connect("""
        say({"hello": hello})
        number = hear()["id"]
        say({"id": number, "log": {"seq": 1, "usec": 2, "level": 6, "text": "x"}})
        say({"id": number, "result": {"ok": True, "code": "done"}})
        stop = hear()
        assert (stop["op"], stop["request"]) == ("stop", number)
        say({"id": hear()["id"], "result": {"ok": True, "code": "done"}})
        sys.stdin.read()
    """)

    def broken(record: LogRecord) -> None:
        raise ValueError(record.text)

    with pytest.raises(ValueError, match="x"):
        await client.load("btrfs", on_log=broken)
    assert (await client.load("btrfs")).ok
    await client.close()


async def test_a_request_that_is_too_long_is_refused_and_not_sent() -> None:
    client = await connect("""
        say({"hello": hello})
        assert hear()["name"] == "short"
        say({"id": 1, "result": {"ok": True, "code": "done"}})
        sys.stdin.read()
    """)
    long = await client.load("long", ["a=" + "ü" * 1000] * 64)
    assert (long.ok, long.code, long.errno) == (False, ResultCode.INVALID, errno.EMSGSIZE)
    assert (await client.load("short")).ok
    await client.close()


async def test_an_answer_to_nobody_ends_the_waiting_of_all() -> None:
    client = await connect("""
        say({"hello": hello})
        hear()
        say({"id": None, "result": {"ok": False, "code": "invalid", "message": "Too long."}})
        sys.stdin.read()
    """)
    with pytest.raises(HelperError, match=r"a request that it could not read \(Too long\.\)"):
        await client.load("btrfs")
    assert not client.alive
    await client.close()


async def test_pieces_of_a_file_come_with_the_result() -> None:
    client = await connect("""
        say({"hello": hello})
        number = hear()["id"]
        for piece in ("AAFh", "", "Yg=="):
            say({"id": number, "data": piece})
        say({"id": number, "result": {"ok": True, "code": "done"}})
        sys.stdin.read()
    """)
    assert (await client.kallsyms()).data == b"\0\1ab"
    await client.close()


async def test_a_log_that_is_followed_is_handed_over_and_not_kept() -> None:
    client = await connect("""
        say({"hello": hello})
        follow = hear()
        say({"id": follow["id"], "log": {"seq": 1, "usec": 2, "level": 6, "text": "x"}})
        stop = hear()
        say({"id": follow["id"], "result": {"ok": False, "code": "stopped"}})
        say({"id": stop["id"], "result": {"ok": stop["request"] == follow["id"], "code": "done"}})
        read = hear()
        say({"id": read["id"], "log": {"seq": 2, "usec": 2, "level": 6, "text": "y"}})
        say({"id": read["id"], "result": {"ok": True, "code": "done"}})
        sys.stdin.read()
    """)
    came: asyncio.Queue[LogRecord] = asyncio.Queue()
    following = asyncio.create_task(client.follow_log(came.put_nowait))
    assert await came.get() == LogRecord(1, 2, 6, "x")
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert [record.text for record in (await client.read_log()).log] == ["y"]
    await client.close()
