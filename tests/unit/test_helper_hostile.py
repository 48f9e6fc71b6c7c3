"""Nothing that is not a proper request reaches a subprocess, whoever sends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmodtui.privileged import helper
from kmodtui.privileged.helper import Job, Machine
from tests.support.helper_folder import RELEASE, HelperFolder

NAMES: list[Any] = [
    "", " ", "-", "--", "-r", "--force", "-f", "-C/tmp/x", "--dirname=/tmp", "a b", "a\n",
    "\nbtrfs",
    "btrfs\n", "btrfs\0", "a;reboot", "$(reboot)", "`reboot`", "a|b", "a&b", "a>b", "../btrfs",
    "/tmp/evil.ko", "./evil.ko", "btrfs.ko", "a/b", "*", "?", "[a]", "a:b", "a=b", "fs-btrfs;x",
    "pci:v00008086d*", "ünï", "\u202ebtrfs", "btrfs\u200b", "x" * 56, "x" * 100_000, "\ud800",
    "a\x1b[31m", "ａ", "１", "a\x7f", "%s%n", "\\btrfs", "'btrfs'", '"btrfs"', "btrfs #", "!btrfs",
    None, 0, 1, True, False, 1.5, 10**400, [], ["btrfs"], [["btrfs"]], {}, {"btrfs": 1},
]  # fmt: skip

PARAMETERS: list[Any] = [
    "", "=", "=x", "a", "-a=b", "--force=1", "a b=c", "a\n=b", "a=b\n", "a=b\nc=d", "a=\0",
    "a=\x1b[2J",
    "a=\x7f", "a=\x9b", "a=\u2028", "a=\ud800", "a;b=c", "a$b=c", "a.b=c", "a-b=c", "ä=b",
    "x" * 65 + "=1",
    "a=" + "x" * 2000, None, 1, True, [], ["a=b"], {"a": "b"},
]  # fmt: skip

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
    b'{"id": 1, "op": "unload", "names": ["btrfs"], "force": true}',
    b'//{"id": 1}', b"{'id': 1}", b'{"id": 1,}', b'{"id": 01}',
]  # fmt: skip

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> HelperFolder:
    folder = HelperFolder(tmp_path_factory.mktemp("hostile") / "system")
    # Whatever is let through would find a module to work on.
    folder.loaded("btrfs 1 0 - Live", "a_b 1 0 - Live")
    return folder


@pytest.fixture(autouse=True)
def nothing_runs(folder: HelperFolder) -> Iterator[None]:
    yield
    assert folder.calls == []


def attempt(folder: HelperFolder, line: bytes) -> str:
    """Take a line as a session does; return the code with which it was refused."""
    machine = Machine(str(folder.root), RELEASE, Path(folder.root).stat().st_uid)
    try:
        job = Job(machine, helper.check_fields(helper.parse(line)))
    except helper.FAILURES as error:
        return helper.broken_off(error).code
    if hasattr(job, "child"):  # it ran: let the fixture see it
        job.child.wait()
    return "ran"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:30])
def test_hostile_names(folder: HelperFolder, name: Any) -> None:
    load = {"id": 1, "op": "load", "name": name, "parameters": []}
    unload = {"id": 1, "op": "unload", "names": ["btrfs", name], "wait": 0}
    write = {"id": 1, "op": "write-parameter", "name": name, "parameter": "a", "value": "b"}
    for request in (load, {**load, "op": "reload", "wait": 0}, unload, write):
        assert attempt(folder, json.dumps(request).encode()) == "invalid"


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: repr(parameter)[:30])
def test_hostile_parameters(folder: HelperFolder, parameter: Any) -> None:
    load = {"id": 1, "op": "load", "name": "xor", "parameters": ["good=1", parameter]}
    for request in (load, {**load, "op": "reload", "name": "btrfs", "wait": 0}):
        assert attempt(folder, json.dumps(request).encode()) == "invalid"


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line)[:40])
def test_hostile_lines(folder: HelperFolder, line: bytes) -> None:
    assert attempt(folder, line) == "invalid"


def test_too_many(folder: HelperFolder) -> None:
    names = [f"m{number}" for number in range(helper.MAX_NAMES + 1)]
    parameters = [f"p{number}=1" for number in range(helper.MAX_PARAMETERS + 1)]
    for request in (
        {"id": 1, "op": "unload", "names": names},
        {"id": 1, "op": "load", "name": "xor", "parameters": parameters},
    ):
        assert attempt(folder, json.dumps(request).encode()) == "invalid"


@given(line=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes(folder: HelperFolder, line: bytes) -> None:
    assert attempt(folder, line) == "invalid"


@given(data=st.data(), op=st.sampled_from(sorted(helper.OPERATIONS)), field=st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_value_in_any_field(
    folder: HelperFolder, data: st.DataObject, op: str, field: int
) -> None:
    request: dict[str, Any] = {"id": 1, "op": op}
    if op == "load":
        request |= {"name": "btrfs", "parameters": []}  # btrfs is loaded: never run
    elif op == "unload":
        request |= {"names": ["gone"], "wait": 0}
    elif op == "reload":
        request |= {"name": "gone", "parameters": [], "wait": 0}
    else:
        request |= {"name": "gone", "parameter": "a", "value": "b"}
    key = list(request)[field % len(request)]
    request[key] = data.draw(VALUES)
    answer = attempt(folder, json.dumps(request).encode("utf-8", "surrogatepass"))
    assert answer in ("invalid", "already-loaded", "not-loaded", "unknown-module", "failed")


@given(name=st.from_regex(helper.NAME, fullmatch=True))
def test_a_proper_name_that_no_index_has(folder: HelperFolder, name: str) -> None:
    known = name.replace("-", "_") in ("btrfs", "xor", "ext4", "a_b")
    request = {"id": 1, "op": "load", "name": name, "parameters": []}
    if not known:
        assert attempt(folder, json.dumps(request).encode()) == "unknown-module"
