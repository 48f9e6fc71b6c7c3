"""Invalid and hostile requests are refused before a process is started."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmodtui.privileged import helper
from kmodtui.privileged.helper import FIELDS, OPERATIONS, Machine
from tests.support.helper_folder import RELEASE, HelperFolder

NAMES: list[Any] = [
    "", " ", "-", "--", "-r", "--force", "-f", "-C/tmp/x", "--dirname=/tmp", "a b", "a\n",
    "\nbtrfs",
    "btrfs\n", "btrfs\0", "a;reboot", "$(reboot)", "`reboot`", "a|b", "a&b", "a>b", "../btrfs",
    "/tmp/evil.ko", "./evil.ko", "btrfs.ko", "a/b", "*", "?", "[a]", "a:b", "a=b", "fs-btrfs;x",
    "pci:v00008086d*", "ünï", "\u202ebtrfs", "btrfs\u200b", "x" * 56, "x" * 100_000, "\ud800",
    "a\x1b[31m", "ａ", "１", "a\x7f", "%s%n", "\\btrfs", "'btrfs'", '"btrfs"', "btrfs #", "!btrfs",
    *(WRONG_TYPES := [None, 0, 1, True, False, 1.5, 10**400, [], [[]], ["-"], {}, {"a": "b"}]),
]  # fmt: skip

PARAMETERS: list[Any] = [
    "", "=", "=x", "a", "-a=b", "--force=1", "a b=c", "a\n=b", "a=b\n", "a=b\nc=d", "a=\0",
    "a=\x1b[2J",
    "a=\x7f", "a=\x9b", "a=\u2028", "a=\ud800", "a;b=c", "a$b=c", "a.b=c", "a-b=c", "ä=b",
    "x" * 65 + "=1",
    "a=" + "x" * 2000, *WRONG_TYPES,
]  # fmt: skip

VALUES_OF_PARAMETERS: list[Any] = [
    "", "\n", "1\n", "a\0", "\x1b[2J", "\x7f", "\x85", "\u2028", "\ud800", "x" * 1025, *WRONG_TYPES,
]  # fmt: skip

PATHS: list[Any] = [
    "", "/", "//", "a", "a.ko", "./a.ko", "../a.ko", "~/a.ko", "/a/", "/a//b", "/a/./b", "/a/../b",
    "/..", "/.", "/a/..", "/a\0", "/a\n", "\n/a", "/a\n/b", "/\x1b[2J", "/\ud800", "/\u2028",
    "file:///a.ko", "/x" * 513, "/" + "x" * 1024, "/" * 2000, *WRONG_TYPES,
]  # fmt: skip

DIGESTS: list[Any] = [
    "", "0", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 63 + "\n", "0" * 64 + "\n", " " * 64,
    "０" * 64, "sha256:" + "0" * 57, *WRONG_TYPES,
]  # fmt: skip

NO_NUMBERS: list[Any] = [
    -1, -0.5, 10**9, 10**400, float("nan"), float("inf"), float("-inf"), True, False, None, "1",
    "", [], [1], {},
]  # fmt: skip

SHELL = " \t\"'`$&|;<>()[]{}*?!~#^\\\n"
"""Characters that mean something to a shell, or to kmod in a line of modprobe.d."""

PROPER: dict[str, dict[str, Any]] = {
    # Valid fields: each request is harmless, or refused for another reason.
    "load": {"name": "btrfs", "parameters": []},
    "insert": {"name": "btrfs", "path": "/a.ko", "sha256": "0" * 64, "parameters": []},
    "unload": {"names": ["gone"], "wait": 0},
    "delete": {"module": "gone", "wait": 0},
    "reload": {"name": "gone", "parameters": [], "wait": 0},
    "write-parameter": {"name": "gone", "parameter": "a", "value": "b"},
    "blacklist": {"names": ["ext4"]},
    "unblacklist": {"names": ["gone"]},
    "block": {"names": ["ext4"]},
    "log-loads": {"names": ["ext4"]},
    "unblock": {"names": ["gone"]},
    "keep": {"names": ["ext4"]},
    "forget": {"names": ["gone"]},
    "keep-options": {"name": "ext4", "options": ["a=1", "b=+p,/x@y:1.5%"]},
    "forget-options": {"names": ["gone"]},
    **{operation: {} for operation in helper.READABLE},
    "log": {"follow": False},
    "stop": {"request": 7},
    "idle": {"seconds": 60},
}

CHANGES_ANY = {"unblacklist", "unblock", "forget", "forget-options"}
"""The operations that accept any name: it may belong to a module that was removed."""

EXACT_NAMES: list[Any] = [
    "", " ", "a b", "a\n", "\na", "a\0", "a\0b", "a/b", "/", "../a", "/tmp/evil.ko", "a\x1b[31m",
    "a\x7f", "\x9b", "ünï", "\u202ea", "\u2028", "\ud800", "ａ", "x" * 56, "x" * 100_000,
    *WRONG_TYPES,
]  # fmt: skip

HOSTILE: dict[str, list[Any]] = {
    "name": NAMES,
    "module": EXACT_NAMES,
    "names": [*NAMES, [], *([name] for name in NAMES), *(["gone", name] for name in NAMES),
              ["a", "a"], ["a-b", "a_b"], ["gone"] * 2, [f"m{n}" for n in range(257)]],
    "parameters": [*PARAMETERS, *([p] for p in PARAMETERS), *(["good=1", p] for p in PARAMETERS),
                   [f"p{n}=1" for n in range(65)]],
    "options": [*PARAMETERS, [], *([p] for p in PARAMETERS), *(["good=1", p] for p in PARAMETERS),
                *([f"a=b{char}c"] for char in SHELL), [f"p{n}=1" for n in range(65)]],
    "parameter": ["", "a=b", "a b", "../a", "a/b", "a-b", "a.b", "a\n", "x" * 65, "ä",
                  *WRONG_TYPES],
    "value": VALUES_OF_PARAMETERS,
    "path": PATHS,
    "sha256": DIGESTS,
    "wait": [*NO_NUMBERS, 3600.1],
    "follow": [0, 1, None, "", "true", [], {}],
    "request": ["1", 1.5, True, None, [], {}],
    "seconds": [*NO_NUMBERS, 0, 9, 9.99, 28_801],
}  # fmt: skip

LINES: list[bytes] = [
    b"", b" ", b"null", b"true", b"0", b'""', b"[]", b"{}", b"{", b"}", b"[" * 50_000,
    b'{"id":' * 9_000,
    b"\x00", b"\xff\xfe{\x00}\x00", "{}".encode("utf-16"), "{}".encode("utf-32"), b"\xef\xbb\xbf{}",
    b'{"id": 1}',
    b'{"op": "load"}', b'{"id": 1, "op": "load"}', b'{"id": 1, "op": "load", "name": "btrfs"}',
    b'{"id": 1, "op": "load", "name": "btrfs", "parameters": [], "more": 1}',
    b'{"id": 1, "op": "load", "name": "xor", "name": "btrfs", "parameters": []}',
    b'{"id": 1, "id": 2, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": NaN, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": Infinity, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": 1.0, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": true, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": "1", "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": null, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": 0, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": -1, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": 9007199254740993, "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": ' + b"9" * 10_000 + b', "op": "load", "name": "btrfs", "parameters": []}',
    b'{"id": 1, "op": "Load", "name": "btrfs", "parameters": []}',
    b'{"id": 1, "op": "run", "command": ["reboot"]}',
    b'{"id": 1, "op": "__class__", "name": "btrfs"}',
    b'{"id": 1, "op": ["load"], "name": "btrfs", "parameters": []}',
    b'{"id": 1, "op": {"load": 1}, "name": "btrfs", "parameters": []}',
    b'{"id": 1, "op": "load", "name": "btrfs", "parameters": {}}',
    b'{"id": 1, "op": "load", "name": "btrfs", "parameters": "a=b"}',
    b'{"id": 1, "op": "load", "name": "btrfs", "parameters": null}',
    b'{"id": 1, "op": "load", "names": ["btrfs"], "parameters": []}',
    b'{"id": 1, "op": "unload", "name": "btrfs"}', b'{"id": 1, "op": "unload", "names": []}',
    b'{"id": 1, "op": "unload", "names": "btrfs"}',
    b'{"id": 1, "op": "reload", "names": ["btrfs"], "parameters": []}',
    b'{"id": 1, "op": "reload", "name": "btrfs"}',
    b'{"id": 1, "op": "write-parameter", "name": "btrfs", "parameters": ["a=b"]}',
    b'{"id": 1, "op": "write-parameter", "name": "btrfs", "parameter": "a="}',
    b'{"id": 1, "op": "write-parameter", "name": "btrfs", "parameter": "../../x=1"}',
    b'{"id": 1, "op": "write-parameter", "name": "..", "parameter": "a=1"}',
    b'{"id": 1, "op": "unload", "names": {"btrfs": 1}}',
    b'{"id": 1, "op": "unload", "names": ["btrfs", "btrfs"]}',
    b'{"id": 1, "op": "unload", "names": ["a-b", "a_b"]}',
    b'{"id": 1, "op": "unload", "names": ["btrfs"], "wait": 0, "force": true}',
    b'{"id": 1, "op": "unload", "names": ["btrfs"]}',
    b'{"id": 1, "op": "delete", "name": "btrfs", "wait": 0}',
    b'{"id": 1, "op": "delete", "names": ["btrfs"], "wait": 0}',
    b'{"id": 1, "op": "delete", "module": "btrfs"}',
    b'{"id": 1, "op": "delete", "module": ["btrfs"], "wait": 0}',
    b'{"id": 1, "op": "delete", "module": "btrfs", "wait": 0, "flags": 512}',
    b'{"id": 1, "op": "kallsyms", "path": "/etc/shadow"}',
    b'{"id": 1, "op": "vmallocinfo", "path": "/proc/kcore"}',
    b'{"id": 1, "op": "/proc/kcore"}',
    b'{"id": 1, "op": "kprobes/../../kcore"}',
    b'{"id": 1, "op": ["kprobes"]}',
    b'{"id": 1, "op": "load-stats", "path": "/etc/shadow"}',
    b'{"id": 1, "op": "modules/stats"}',
    b'{"id": 1, "op": "log"}', b'{"id": 1, "op": "log", "follow": true, "path": "/etc/shadow"}',
    b'{"id": 1, "op": "blacklist", "names": ["btrfs"], "path": "/etc/passwd"}',
    b'{"id": 1, "op": "block", "names": ["btrfs"], "command": "/bin/true"}',
    b'{"id": 1, "op": "block", "names": ["btrfs /bin/true"]}',
    b'{"id": 1, "op": "block", "names": ["btrfs\\ninstall xor /bin/sh"]}',
    b'{"id": 1, "op": "log-loads", "names": ["btrfs; reboot"]}',
    b'{"id": 1, "op": "unblock", "names": ["btrfs"], "path": "/etc/passwd"}',
    b'{"id": 1, "op": "keep", "names": ["btrfs\\nxor"]}',
    b'{"id": 1, "op": "keep", "names": ["btrfs"], "file": "/etc/modules"}',
    b'{"id": 1, "op": "keep-options", "name": "btrfs", "options": ["a=1\\ninstall xor /bin/sh"]}',
    b'{"id": 1, "op": "keep-options", "name": "btrfs", "options": ["a=1\\\\"]}',
    b'{"id": 1, "op": "keep-options", "name": "btrfs", "options": ["a=$(reboot)"]}',
    b'{"id": 1, "op": "keep-options", "names": ["btrfs"], "options": ["a=1"]}',
    b'{"id": 1, "op": "forget-options", "name": "btrfs", "options": []}',
    b'{"id": 1, "op": "insert", "name": "a", "path": "/a.ko", "parameters": []}',
    b'{"id": 1, "op": "insert", "name": "a", "fd": 3, "sha256": "", "parameters": []}',
    b'//{"id": 1}', b"{'id': 1}", b'{"id": 1,}', b'{"id": 01}',
]  # fmt: skip

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)

PROCESSES: list[str] = []
"""The processes that this one has started, by the name of the audit event."""


def _note_processes(event: str, _: object) -> None:
    if event in ("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system",
                 "subprocess.Popen"):  # fmt: skip
        PROCESSES.append(event)


sys.addaudithook(_note_processes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> HelperFolder:
    folder = HelperFolder(tmp_path_factory.mktemp("hostile") / "system")
    # An accepted request would find a module to work on.
    folder.loaded("btrfs 1 0 - Live", "a_b 1 0 - Live")
    return folder


@pytest.fixture(autouse=True)
def nothing_runs(folder: HelperFolder) -> Iterator[None]:
    PROCESSES.clear()
    yield
    assert PROCESSES == []
    assert folder.calls == []


def attempt(folder: HelperFolder, line: bytes, scope: str = "change") -> str:
    """Handle a line as a session does; return the code with which it was refused."""
    machine = Machine(str(folder.root), RELEASE, Path(folder.root).stat().st_uid)
    try:
        asked = helper.checked(helper.parse(line), scope)
        begin = OPERATIONS[asked["op"]][0]
        if begin:
            next(begin(machine, asked))  # the first step, which would be run in a process
    except helper.FAILURES as error:
        return helper.outcome_of(error).code
    return "begun"


def test_the_corpus_has_every_operation_and_every_field() -> None:
    assert PROPER.keys() == OPERATIONS.keys()
    assert HOSTILE.keys() == FIELDS.keys()
    for name, operation in OPERATIONS.items():
        assert set(operation[1:]) == set(PROPER[name])


@pytest.mark.parametrize("op", sorted(set(PROPER) - CHANGES_ANY))
def test_valid_requests_are_not_refused_as_invalid(folder: HelperFolder, op: str) -> None:
    """Otherwise the tests below would prove nothing."""
    line = json.dumps({"id": 1, "op": op, **PROPER[op]}).encode()
    assert attempt(folder, line) != "invalid"


@pytest.mark.parametrize("op", sorted(PROPER))
def test_a_session_that_reads_changes_nothing(folder: HelperFolder, op: str) -> None:
    line = json.dumps({"id": 1, "op": op, **PROPER[op]}).encode()
    reads = op in (*helper.READABLE, "log", "stop", "idle")
    assert (attempt(folder, line, "read") == "invalid") != reads


@pytest.mark.parametrize(
    ("op", "field"), [(op, field) for op, fields in PROPER.items() for field in fields]
)
def test_hostile_values(folder: HelperFolder, op: str, field: str) -> None:
    for value in HOSTILE[field]:
        if field == "parameters" and value == []:
            continue  # none
        line = json.dumps({"id": 1, "op": op, **PROPER[op], field: value}).encode()
        assert attempt(folder, line) == "invalid", repr(value)[:80]


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line)[:40])
def test_hostile_lines(folder: HelperFolder, line: bytes) -> None:
    assert attempt(folder, line) == "invalid"


@pytest.mark.parametrize("depth", [10, 1_000, 100_000, 1_000_000])
def test_nesting(folder: HelperFolder, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    assert attempt(folder, nested) == "invalid"
    line = b'{"id": 1, "op": "unload", "wait": 0, "names": ' + nested + b"}"
    assert attempt(folder, line) == "invalid"
    objects = b'{"id":' * depth + b"1" + b"}" * depth
    assert attempt(folder, objects) == "invalid"


@given(line=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes(folder: HelperFolder, line: bytes) -> None:
    assert attempt(folder, line) == "invalid"


@given(data=st.data(), op=st.sampled_from(sorted(set(PROPER) - CHANGES_ANY)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_value_in_any_field(folder: HelperFolder, data: st.DataObject, op: str) -> None:
    request = {"id": 1, "op": op, **PROPER[op]}
    request[data.draw(st.sampled_from(sorted(request)))] = data.draw(VALUES)
    attempt(folder, json.dumps(request).encode("utf-8", "surrogatepass"))  # nothing runs


@given(data=st.data(), op=st.sampled_from(sorted(PROPER)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_other_fields(folder: HelperFolder, data: st.DataObject, op: str) -> None:
    more = data.draw(st.dictionaries(st.text(max_size=9), VALUES, min_size=1, max_size=3))
    line = json.dumps({"id": 1, "op": op, **PROPER[op], **more}).encode("utf-8", "surrogatepass")
    if not set(more) <= {"id", "op", *PROPER[op]}:
        assert attempt(folder, line) == "invalid"


@given(name=st.from_regex(re.compile(helper.NAME), fullmatch=True))
def test_a_valid_name_that_is_not_in_the_index(folder: HelperFolder, name: str) -> None:
    known = name.replace("-", "_") in ("btrfs", "xor", "ext4", "a_b")
    request = {"id": 1, "op": "load", "name": name, "parameters": []}
    if not known:
        assert attempt(folder, json.dumps(request).encode()) == "unknown-module"
