"""`kmodtui watch` prints what becomes of each rebuild, as text and as JSON lines."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.demo import Demo
from kmodtui.services.machine import Machine
from kmodtui.services.root.demo import DemoRoot
from kmodtui.verbs.watch import watch_file
from tests.support.rebuilds import FILE, module, watch_events
from tests.support.simulated import make_demo

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    demo = make_demo(tmp_path)
    monkeypatch.setattr("kmodtui.demo.open_demo", lambda **_: demo)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    demo.kernel.folder.write(FILE, module(f=16))
    return demo


def test_the_first_build_is_loaded_and_the_verb_ends_after_the_count(
    demo: Demo, capsys: Output
) -> None:
    words = ["watch", FILE, "loud=3", "--auto", "--yes", "--count", "1", "--demo"]
    assert run(words) == 0
    told = capsys.readouterr().out
    assert "Rebuild 1: loaded" in told
    assert "mine" in demo.kernel.loaded
    assert not list(demo.kernel.folder.locate("/tmp").iterdir())


def test_a_build_that_is_refused_is_explained(demo: Demo, capsys: Output) -> None:
    demo.kernel.folder.write(FILE, module(f=16, vermagic="5.10.0 SMP mod_unload"))
    assert run(["watch", FILE, "--auto", "--yes", "--count", "1", "--demo"]) == 1
    told = capsys.readouterr().out
    assert "it was built for another kernel" in told.lower()


def test_json_has_difference_log_and_problems(demo: Demo) -> None:
    events = asyncio.run(watch_events(demo))
    by_name: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_name.setdefault(event["event"], []).append(event)
    assert [each["rebuild"] for each in by_name["loaded"]] == [1, 2]
    second = by_name["loaded"][1]
    assert [each["name"] for each in second["difference"]["symbols"]] == ["f", "g"]
    assert second["init_log"] == [{"level": 6, "text": "mine: hello"}]
    assert second["difference"]["parameters_added"] == [{"name": "quiet", "type": "int"}]
    assert second["commands"] == ["rmmod -- mine", f"insmod {FILE} loud=0"]
    assert by_name["warning"][0]["place"] == "f+0x4"
    assert by_name["broken"][0]["problem"]["title"] == "The build is broken"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"watch {FILE}", "standard input is not a terminal"),
        (f"watch {FILE} --yes", "--yes needs --auto"),
        (f"watch {FILE} other.ko --auto --yes", "Only one file"),
        (f"watch {FILE} --auto --yes --make /nonexistent", "is not a directory"),
        ("watch /none/at/all.ko --auto --yes", "There is no directory"),
        ("watch x=1 --auto --yes", "No module given"),
    ],
)
def test_usage(command: str, message: str, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run([*command.split(), "--demo"]) == 2
    assert message in capsys.readouterr().err


def test_a_captured_tree_is_refused(demo: Demo, capsys: Output) -> None:
    root = str(demo.kernel.folder.root)
    assert run(["watch", FILE, "--auto", "--yes", "--root", root]) == 3
    assert "captured tree" in capsys.readouterr().err


async def test_keys_confirm_load_and_quit(
    demo: Demo, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.openpty()
    options = argparse.Namespace(json=False, auto=False, yes=False, make="", count=0)
    told = ""

    async def printed(words: str) -> None:
        nonlocal told
        async with asyncio.timeout(30):
            while words not in told:
                await asyncio.sleep(0.01)
                told += "".join(capsys.readouterr())
        told = told.partition(words)[2]

    with os.fdopen(theirs, closefd=True) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        machine = Machine(demo.host, DemoRoot(demo))
        watching = asyncio.create_task(watch_file(machine, FILE, (), options, keys=True))
        await printed("y: load it")
        os.write(ours, b"\n")  # Enter alone does not confirm the path
        os.write(ours, b"y\n")
        await printed("loaded")
        demo.kernel.folder.write(FILE, module(f=99))
        await printed("Enter: load it")
        os.write(ours, b"\n")
        await printed("loaded")
        await printed("o: load the earlier build")
        os.write(ours, b"o\n")
        await printed("the earlier build is loaded again")
        os.write(ours, b"q\n")
        assert await watching == 0
    os.close(ours)
