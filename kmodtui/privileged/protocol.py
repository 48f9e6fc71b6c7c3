"""What kmodtui and its privileged helper say to each other: one JSON object a line.

The helper speaks first:

    {"hello": {"protocol": 3, "version": "0.1.0", "pid": 4711, "uid": 0,
               "operations": ["load", "unload", …]}}

Then a request, with an id of the client's choosing and all the fields of its kind:

    {"id": 1, "op": "load", "name": "btrfs", "parameters": ["key=value"]}
    {"id": 2, "op": "insert", "name": "hello", "path": "/home/me/hello.ko",
     "sha256": "9f86d0…", "parameters": []}
    {"id": 3, "op": "unload", "names": ["btrfs"], "wait": 0}
    {"id": 4, "op": "reload", "name": "btrfs", "parameters": [], "wait": 10}
    {"id": 5, "op": "write-parameter", "name": "nbd", "parameter": "nbds_max", "value": "4"}
    {"id": 6, "op": "blacklist", "names": ["nouveau"]}
    {"id": 7, "op": "unblacklist", "names": ["nouveau"]}
    {"id": 8, "op": "kallsyms"}
    {"id": 9, "op": "log", "follow": true}
    {"id": 10, "op": "stop", "request": 9}
    {"id": 11, "op": "idle", "seconds": 1800}

is answered by any number of lines that tell what is going on, and one result:

    {"id": 1, "log": {"seq": 812, "usec": 91823344, "level": 6, "text": "Btrfs loaded, …"}}
    {"id": 8, "data": "MDAwMDAwMDAw…"}
    {"id": 1, "result": {"ok": true, "code": "done", "message": "", "errno": null,
        "subject": "btrfs", "command": ["/sbin/modprobe", "-v", "--", "btrfs"],
        "exit": 0, "output": "…",
        "before": {"btrfs": null}, "after": {"btrfs": "Live"}, "took": 0.43}}

`before` and `after` are what the system shows. For what changes modules it is what
/proc/modules says of each one that was named: `Live`, `Loading`, `Unloading`, or null
where it is not loaded. Of a parameter it is what /sys shows, null where nothing can be
read; of a name on the blacklist `blacklisted`, or null where this file has no such line.
`ok` is true only if `after` is what was asked for; the value of a parameter is shown in
the kernel's own words, so there it means that the kernel took what was written. `subject`
is the module at which it stopped, or the last one; `command` is what ran last, empty if
no program ran. `file` tells of a file that was inserted: the folders above it from / on, and then
itself, each with its name, owner and mode, as they were when it was opened:

    "file": [{"name": "home", "uid": 0, "mode": 493}, …]

`wait` is for how many seconds at the most a request waits for references to go before
it unloads. `stop` ends a request that is still to be answered, or the following of the
log: nothing more is begun for it, and what runs is left to itself. `data` is base64 of
the next piece of a file.

Requests are served one after the other; `stop`, `idle` and `log` are about the session,
and are not kept waiting by others. Each answer carries the id of its request. A line that
is no request at all is answered with id null. The session ends when the helper's standard
input closes; where the helper ends it of itself, it says why:

    {"bye": {"reason": "idle", "message": "Nothing was asked for a while."}}

`helper.py` imports nothing of kmodtui, so it repeats the few constants it needs;
a test holds both to the same values.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kmodtui.errors import HelperError
from kmodtui.model.log_record import LogRecord
from kmodtui.model.result import FilePart, Result, ResultCode

PROTOCOL = 3
"""Version of this protocol: it changes when an old helper would misunderstand."""

MAX_LINE = 1024 * 1024
"""Bytes of one line of an answer at the most."""

MAX_REQUEST = 64 * 1024
"""Bytes of one line of a request at the most; the helper refuses longer ones."""


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
    """A line before the result of request `id`: a kernel-log record, or a piece of a file."""

    id: int
    log: LogRecord | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of request `id`; its log records have come before it.

    Id 0 stands for null: the helper could not read the line it answers.
    """

    id: int
    result: Result


@dataclass(frozen=True, slots=True)
class Bye:
    """The helper ends the session: `idle`, or `not-root` in place of a hello."""

    reason: str
    message: str = ""


Answer = Hello | Progress | Finished | Bye


def encode_request(request_id: int, operation: str, **fields: Any) -> bytes:
    """Return the line of a request; the fields of each operation stand above."""
    return _line({"id": request_id, "op": operation, **fields})


def decode_answer(line: bytes) -> Answer:
    """Return what the helper said in one line.

    Raises:
        HelperError: it is no line of this protocol.
    """
    try:
        message = json.loads(line)
        if "hello" in message:
            hello = message["hello"]
            return Hello(**{**_known(hello, Hello), "operations": tuple(hello["operations"])})
        if "bye" in message:
            return Bye(**_known(message["bye"], Bye))
        if "log" in message:
            return Progress(int(message["id"]), LogRecord(**_known(message["log"], LogRecord)))
        if "data" in message:
            data = base64.b64decode(message["data"], validate=True)
            return Progress(int(message["id"]), data=data)
        fields = _known(message["result"], Result)
        fields["code"] = ResultCode(fields["code"])
        fields["command"] = tuple(fields.get("command", ()))
        fields["file"] = tuple(_file_parts(fields.get("file", ())))
        for streamed in ("log", "data"):
            fields.pop(streamed, None)
        return Finished(int(message["id"] or 0), Result(**fields))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HelperError(
            f"The privileged helper answered something that makes no sense ({error}).",
            "Install the same version of kmodtui and its helper.",
        ) from error


def _file_parts(told: Iterable[dict[str, Any]]) -> Iterator[FilePart]:
    """Give the parts with their paths, of which each is told by its own name alone."""
    path = ""
    for part in told:
        path += "/" + part["name"]
        yield FilePart(path, part["uid"], part["mode"])


def _known(message: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Return the fields that `kind` has: a later minor version may send more."""
    return {key: value for key, value in message.items() if key in kind.__dataclass_fields__}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=True).encode("ascii") + b"\n"
