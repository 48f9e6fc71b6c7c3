"""The verbs that change modules do what the dashboard's keys do, and say how it went."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.demo import Demo
from kmodtui.demo.simulated_helper import SimulatedHelper
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.services.machine import Machine
from kmodtui.services.planning.planning import plan_now
from kmodtui.services.root.demo import DemoRoot
from kmodtui.verbs.events import stream
from tests.support.elf import make_module
from tests.support.simulated import make_demo
from tests.support.small_recording import VERMAGIC

Output = pytest.CaptureFixture[str]
FILE = "/home/me/drv/other.ko"
MINE = make_module(
    [b"license=GPL", b"name=mine", b"parmtype=loud:int", f"vermagic={VERMAGIC}".encode()],
    defined={"mine_greet": (".text", 16)},
)


@pytest.fixture(autouse=True)
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """Return the demo that all commands of a test share."""
    demo = make_demo(tmp_path)
    monkeypatch.setattr("kmodtui.demo.open_demo", lambda **_: demo)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    demo.kernel.folder.write(FILE, MINE)
    return demo


def printed(capsys: Output, *words: str, status: int = 0) -> Any:
    """Run a verb in the demo and return its JSON."""
    assert run([*words, "--json", "--demo"]) == status
    return json.loads(capsys.readouterr().out)


ROWS: Sequence[tuple[str, int, str, str]] = [
    # command, exit status, part of standard output, part of standard error
    ("load tun", 0, "Loaded tun", ""),
    ("load tun hello", 0, "loaded    tun", ""),
    ("load hello", 0, "already loaded", ""),
    (f"load {FILE} loud=3", 0, "Inserted mine", ""),
    ("load nosuch", 1, "", "has no module or alias nosuch"),
    ("load tun vfat x=1", 2, "", "Parameters apply to one module"),
    ("load x=1", 2, "", "No module given"),
    ("load /none.ko", 1, "", "There is no file /none.ko"),
    ("load dummy numdummies=x", 1, "", "dummy"),
    ("unload hello", 0, "Unloaded hello", ""),
    ("unload ext4", 1, "", "ext4 is in use"),
    ("unload tun", 1, "", "tun is not loaded"),
    ("unload hello x=1", 2, "", "takes no parameters"),
    ("unload hello --wait 9999", 2, "", "--wait takes"),
    ("reload hello", 0, "Reloaded hello", ""),
    ("reload hello greeting=hi", 0, "reloaded  hello", ""),
    ("reload hello virtio_net x=1", 2, "", "Parameters apply to one module"),
    ("reload tun", 1, "", "tun is not loaded"),
    ("set hello greeting=hi", 0, "Set greeting of hello to hi", ""),
    ("set hello greeting=hello", 0, "already hello", ""),
    ("set hello loud=1", 1, "", "has no parameter loud"),
    ("set virtio_net csum=n", 1, "", "can only be set when virtio_net is loaded"),
    ("set hello greeting", 2, "", "is not a parameter"),
    ("blacklist tun nbd", 0, "Blacklisted tun, nbd", ""),
    ("unblacklist tun", 1, "", "not blacklisted by kmodtui"),
]


@pytest.mark.parametrize(("command", "status", "out", "err"), ROWS, ids=[row[0] for row in ROWS])
def test_the_outcome_and_the_exit_status(
    command: str, status: int, out: str, err: str, capsys: Output
) -> None:
    assert run([*command.split(), "--yes", "--demo"]) == status
    told = capsys.readouterr()
    assert out in told.out
    assert err in told.err
    assert (told.err == "") == (err == "")


@pytest.mark.parametrize(
    ("words", "intent"),
    [
        (("load", "btrfs"), Intent(Verb.LOAD, ("btrfs",))),
        (("load", "dummy", "numdummies=2"), Intent(Verb.LOAD, ("dummy",), ("numdummies=2",))),
        (("load", FILE), Intent(Verb.INSERT, (FILE,))),
        (("unload", "hello"), Intent(Verb.UNLOAD, ("hello",))),
        (("reload", "hello"), Intent(Verb.RELOAD, ("hello",), ("greeting=hello",))),
        (("set", "hello", "greeting=a b"), Intent(Verb.SET, ("hello",), ("greeting=a b",))),
        (("blacklist", "tun"), Intent(Verb.BLACKLIST, ("tun",))),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_plan_is_that_of_the_dashboard(
    words: tuple[str, ...], intent: Intent, demo: Demo, capsys: Output
) -> None:
    before = demo.kernel.loaded
    found = printed(capsys, *words, "--dry-run")
    plan = plan_now(Machine(demo.host, DemoRoot(demo)), [intent])
    assert found["commands"] == list(plan.command_lines)
    assert found["warnings"] == list(plan.warnings)
    assert [step["module"] for step in found["steps"]] == [step.module for step in plan.steps]
    assert (found["outcome"], found["change"]) == (None, None)
    assert demo.kernel.loaded == before


def test_json_has_plan_outcome_log_and_symbols(capsys: Output) -> None:
    found = printed(capsys, "load", "btrfs", "--yes")
    assert found["commands"] == ["modprobe -- btrfs"]
    assert found["steps"][-1]["action"] == "insmod"
    assert found["outcome"]["result"] == "done"
    logged = [record["text"] for record in found["outcome"]["log"]]
    assert "Btrfs loaded, crc32c=crc32c-generic, zoned=yes, fsverity=yes" in logged
    change = found["change"]
    assert change["loaded"][0] == {"name": "btrfs", "size": 1806336, "taint": ""}
    assert len(change["loaded"]) == 6
    assert change["symbols"]["added"] == 369
    owners = {each["module"]: each["added"]["count"] for each in change["symbols"]["by_module"]}
    assert owners["btrfs"] == 240


def test_a_failure_has_its_explanation_in_the_json(capsys: Output) -> None:
    found = printed(capsys, "load", "nbd", "max_part=300", "--yes", status=1)
    assert found["outcome"]["result"] == "failure"
    assert found["outcome"]["title"] == "Invalid argument for nbd"
    assert found["change"]["loaded"] == []
    refused = printed(capsys, "unload", "ext4", "--yes", status=1)
    assert refused["refused"].startswith("ext4 is in use")
    assert refused["outcome"] is None


def test_a_file_is_loaded_reloaded_and_unloaded_by_its_path(demo: Demo, capsys: Output) -> None:
    found = printed(capsys, "load", FILE, "loud=3", "--yes")
    assert (found["verb"], found["modules"]) == ("insert", ["mine"])
    assert found["change"]["symbols"]["added"] == 1
    found = printed(capsys, "reload", FILE, "--yes")
    assert found["commands"] == ["rmmod -- mine", f"insmod {FILE} loud=3"]
    assert [module["name"] for module in found["change"]["reloaded"]] == ["mine"]
    found = printed(capsys, "reload", FILE, "--defaults", "--dry-run")
    assert found["commands"][1] == f"insmod {FILE}"
    assert printed(capsys, "unload", FILE, "--yes")["commands"] == ["rmmod -- mine"]
    assert "mine" not in demo.kernel.loaded


def test_a_reload_keeps_parameters_except_those_that_are_given(capsys: Output) -> None:
    assert run(["set", "hello", "greeting=hi", "--yes", "--demo"]) == 0
    capsys.readouterr()
    kept = printed(capsys, "reload", "hello", "--dry-run")
    assert kept["commands"][1] == "modprobe -- hello greeting=hi"
    given = printed(capsys, "reload", "hello", "greeting=moin", "--dry-run")
    assert given["commands"][1] == "modprobe -- hello greeting=moin"


def test_an_unload_waits_if_that_can_help(demo: Demo, capsys: Output) -> None:
    demo.kernel.hold("hello")
    assert printed(capsys, "unload", "hello", "--yes", status=1)["refused"]
    found = printed(capsys, "unload", "hello", "--wait", "1", "--yes", status=1)
    assert (found["refused"], found["outcome"]["result"]) == (None, "failure")
    assert "hello" in demo.kernel.loaded


def test_a_captured_tree_is_planned_and_refused(demo: Demo, capsys: Output) -> None:
    root = str(demo.kernel.folder.root)
    assert run(["load", "tun", "--yes", "--json", "--root", root]) == 3
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert (found["commands"], found["outcome"]) == (["modprobe -- tun"], None)
    assert "captured tree" in told.err
    assert run(["--read-only", "unload", "hello", "--yes", "--demo"]) == 3
    assert "hello" in demo.kernel.loaded


def test_without_a_terminal_or_yes_nothing_is_done(
    demo: Demo, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["load", "tun", "--demo"]) == 2
    assert "--yes" in capsys.readouterr().err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, status in (("n\n", 1), ("", 1), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert run(["load", "tun", "--demo"]) == status
        told = capsys.readouterr()
        assert "#  modprobe -- tun" in told.err
        assert ("tun" in demo.kernel.loaded) == (status == 0)


def test_an_unknown_outcome_has_a_status_of_its_own(
    demo: Demo, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(SimulatedHelper):
        """A helper that ends as soon as it has to load."""

        async def send(self, line: bytes) -> None:
            if b'"op": "load"' in line:
                await self.close()
            else:
                await super().send(line)

    async def start_channel(_: Demo, scope: Scope = Scope.CHANGE) -> HelperClient:
        return await HelperClient.connect(Dying(demo.kernel, scope, pace=0), "demo")

    monkeypatch.setattr(Demo, "start_channel", start_channel)
    found = printed(capsys, "load", "tun", "--yes", status=4)
    assert found["outcome"]["result"] == "unknown"
    assert "tun is not loaded now." in found["outcome"]["cause"]


# --- events -------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True])
async def test_events_are_lines(demo: Demo, capsys: Output, as_json: bool) -> None:
    started = asyncio.Event()
    reading = asyncio.create_task(stream(demo.host, as_json=as_json, count=2, started=started))
    async with asyncio.timeout(30):
        await started.wait()
        demo.kernel.load("vfat")
        while "vfat" not in (told := capsys.readouterr().out):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        demo.kernel.unload("vfat")
        await reading
    gone = capsys.readouterr().out
    if not as_json:
        assert [line.split()[1:3] for line in told.splitlines()] == [
            ["loaded", "fat"],
            ["loaded", "vfat"],
        ]
        assert all("+" in line for line in told.splitlines())
        return
    (line,) = told.splitlines()
    event = json.loads(line)
    assert (event["schema"], event["number"]) == (1, 1)
    assert [module["name"] for module in event["loaded"]] == ["vfat", "fat"]
    assert event["symbols"]["added"] == 62
    assert {m["name"] for m in json.loads(gone)["unloaded"]} == {"vfat", "fat"}


def test_events_need_a_running_kernel(demo: Demo, capsys: Output) -> None:
    assert run(["events", "--root", str(demo.kernel.folder.root)]) == 2
    assert "captured tree" in capsys.readouterr().err
