"""The protocol between kmodtui and its privileged helper: one JSON object per line.

The helper is started with the scope of the session, `read` or `change`, and speaks first:

    {"hello": {"protocol": 4, "version": "0.1.0", "pid": 4711, "uid": 0,
               "operations": ["load", "unload", …]}}

Each request has an id, which counts from 1 without gaps, and all the fields of its operation:

    {"id": 1, "op": "load", "name": "btrfs", "parameters": ["key=value"]}
    {"id": 2, "op": "insert", "name": "hello", "path": "/home/me/hello.ko",
     "sha256": "9f86d0…", "parameters": []}
    {"id": 3, "op": "unload", "names": ["btrfs"], "wait": 0}
    {"id": 4, "op": "reload", "name": "btrfs", "parameters": [], "wait": 10}
    {"id": 5, "op": "delete", "module": "hello", "wait": 0}
    {"id": 6, "op": "write-parameter", "name": "nbd", "parameter": "nbds_max", "value": "4"}
    {"id": 7, "op": "blacklist", "names": ["nouveau"]}
    {"id": 8, "op": "unblacklist", "names": ["nouveau"]}
    {"id": 9, "op": "block", "names": ["nouveau"]}
    {"id": 10, "op": "log-loads", "names": ["nouveau"]}
    {"id": 11, "op": "unblock", "names": ["nouveau"]}
    {"id": 12, "op": "keep", "names": ["nbd"]}
    {"id": 13, "op": "forget", "names": ["nbd"]}
    {"id": 14, "op": "keep-options", "name": "nbd", "options": ["nbds_max=4"]}
    {"id": 15, "op": "forget-options", "names": ["nbd"]}
    {"id": 16, "op": "kallsyms"}   also: modules, vmallocinfo, kprobes, ftrace,
                                   ftrace-available, load-stats and unloaded-taints,
                                   which send these files of the kernel
    {"id": 17, "op": "log", "follow": true}
    {"id": 18, "op": "stop", "request": 17}
    {"id": 19, "op": "idle", "seconds": 1800}

It is answered by any number of lines of progress, and one result:

    {"serial": 1, "id": 1, "log": {"seq": 812, "usec": 91823344, "level": 6, "text": "Btrfs …"}}
    {"serial": 2, "id": 16, "data": "MDAwMDAwMDAw…"}
    {"serial": 3, "id": 1, "result": {"ok": true, "code": "done", "message": "", "errno": null,
        "subject": "btrfs", "command": ["/sbin/modprobe", "-v", "--", "btrfs"],
        "exit": 0, "output": "…",
        "before": {"btrfs": null}, "after": {"btrfs": "Live"}, "took": 0.43}}

`before` and `after` are what the system shows. For a change of modules they have the state
of each named module in /proc/modules: `Live`, `Loading`, `Unloading`, or null if it is not
loaded. For a parameter they have its value in /sys, null if it cannot be read; for a change
of kmodtui's files in modprobe.d and modules-load.d they have what the file says of each
named module: `blacklisted`, `blocked`, `logged`, `kept`, its options with blanks between them,
or null if nothing. `ok` is true only if `after` is what
was requested; the kernel shows a parameter in its own notation, so for parameters `ok`
means that the kernel accepted the value. `subject` is the module at which the request
stopped, or the last one; `command` is the command that ran last, empty if none ran. `file`
describes an inserted file: the directories above it from / on, then the file itself, each
with its name, owner and mode when it was opened:

    "file": [{"name": "home", "uid": 0, "mode": 493}, …]

`delete` unloads one module by its exact name in /proc/modules, whatever the index and the
rules of modprobe.d say. `wait` is the maximum number of seconds to wait for a module to become
unused before it is unloaded. `stop` ends an unanswered request, or following the log: nothing
more is begun for it, and a running program continues in the background. `data` is the next
piece of a file in base64.

Requests are served one after the other, except `stop`, `idle` and `log`, which concern the
session and are served at once. Each answer has the id of its request; `serial` counts all lines
of the helper after its hello. A line that is not a request is answered with id null. The session
ends when the helper's standard input closes; where the helper ends it, it says why:

    {"serial": 4, "bye": {"reason": "idle", "message": "No request within the idle timeout."}}

It does so where the id of a request is not the next one, and the client where an answer has no
request or not the next serial: then something else has used the connection.

`helper.py` imports nothing of kmodtui, so it repeats the few constants it needs; a test
compares them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kmodtui.errors import HelperError
from kmodtui.model.log.record import LogRecord
from kmodtui.model.result import FilePart, Result, ResultCode

PROTOCOL = 4
"""Version of this protocol; raised when an old helper would misunderstand a request."""

MAX_LINE = 1024 * 1024
"""Maximum bytes in one line of an answer."""

MAX_REQUEST = 64 * 1024
"""Maximum bytes in one line of a request; the helper refuses longer ones."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The helper's first line."""

    protocol: int
    version: str
    pid: int
    uid: int
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A line before the result of request `id`: a kernel log record, or a piece of a file."""

    serial: int
    id: int
    log: LogRecord | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of request `id`, after all its log records.

    Id 0 stands for null: the helper could not read the request.
    """

    serial: int
    id: int
    result: Result


@dataclass(frozen=True, slots=True)
class Bye:
    """The helper ends the session, or says so instead of a hello (`serial` is 0 then)."""

    reason: str
    message: str = ""
    serial: int = 0


Answer = Hello | Progress | Finished | Bye


def encode_request(request_id: int, operation: str, **fields: Any) -> bytes:
    """Return the line of a request; for the fields of each operation see above."""
    return _line({"id": request_id, "op": operation, **fields})


def decode_answer(line: bytes) -> Answer:
    """Return the answer in one line.

    Raises:
        HelperError: it is not an answer of this protocol.
    """
    try:
        message = json.loads(line)
        if "hello" in message:
            hello = message["hello"]
            return Hello(**{**_known(hello, Hello), "operations": tuple(hello["operations"])})
        if "bye" in message:
            serial = int(message.get("serial", 0))
            return Bye(**{**_known(message["bye"], Bye), "serial": serial})
        serial = int(message["serial"])
        if "log" in message:
            record = LogRecord(**_known(message["log"], LogRecord))
            return Progress(serial, int(message["id"]), record)
        if "data" in message:
            data = base64.b64decode(message["data"], validate=True)
            return Progress(serial, int(message["id"]), data=data)
        fields = _known(message["result"], Result)
        fields["code"] = ResultCode(fields["code"])
        fields["command"] = tuple(fields.get("command", ()))
        fields["file"] = tuple(_file_parts(fields.get("file", ())))
        for streamed in ("log", "data"):
            fields.pop(streamed, None)
        return Finished(serial, int(message["id"] or 0), Result(**fields))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HelperError(
            f"The privileged helper sent a malformed answer ({error}).",
            "Install the same version of kmodtui and its helper.",
        ) from error


def _file_parts(parts: Iterable[dict[str, Any]]) -> Iterator[FilePart]:
    """Yield the parts with their full paths; the answer has only the last name of each."""
    path = ""
    for part in parts:
        path += "/" + part["name"]
        yield FilePart(path, part["uid"], part["mode"])


def _known(message: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Return the fields that `kind` has; a later version may send more."""
    return {key: value for key, value in message.items() if key in kind.__dataclass_fields__}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=True).encode("ascii") + b"\n"
