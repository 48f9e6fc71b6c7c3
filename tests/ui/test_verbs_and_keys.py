"""Each verb that changes something does what its key does: the same plan, result and JSON."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.demo import Demo
from kmodtui.services.planning.reports import CommandEnded
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.support.simulated import make_demo
from tests.ui.stage import Stage, opened

# Verb, and what to press with hello selected. They follow one another on the same machine.
ROWS = {
    "set hello greeting=huq": ("e", "=greeting =", "type huq", "=echo huq >", "enter"),
    "reload hello": ("R", "=+ other", "enter"),
    "blacklist hello": ("b", "=Blacklist", "b"),
    "unblacklist hello": ("b", "=Remove from blacklist", "b"),
    "block hello": ("b", "=Block", "k"),
    "unblock hello": ("b", "=Unblock", "k"),
    "keep hello": ("K", "=Load at boot", "b"),
    "forget hello": ("K", "=No longer load", "f"),
    "unload hello": ("minus",),
    "load hello": ("plus", "=Load a module", "type hello", "enter"),
}

_TOOK = re.compile(r" It took [\d.]+ s\.")

FILES = ("/etc/modprobe.d", "/etc/modules-load.d")


@dataclass
class Machine:
    """What a change left behind.

    Attributes:
        loaded: the names of the loaded modules.
        greeting: the parameter's value; empty if the module is not loaded.
        files: the content of kmodtui's own files.
    """

    loaded: frozenset[str]
    greeting: bytes
    files: dict[str, bytes] = field(default_factory=dict)


def shown(demo: Demo) -> Machine:
    root = Path(demo.kernel.folder.root)
    names = frozenset(demo.kernel.loaded)
    path = "/sys/module/hello/parameters/greeting"
    value = demo.kernel.folder.read(path) if "hello" in names else b""
    files = [file for folder in FILES for file in Path(f"{root}{folder}").glob("kmodtui*")]
    return Machine(names, value, {file.name: file.read_bytes() for file in files})


@dataclass
class Done:
    """A change that was carried out: the same fields for a verb and for a key."""

    commands: list[str]
    result: str
    title: str
    cause: str
    remedy: str | None
    after: Machine


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture(scope="module")
def by_key(folder: Path) -> dict[str, Done]:
    """What the keys do, one after the other in one dashboard."""
    demo = make_demo(folder / "keys")
    with pytest.MonkeyPatch.context() as patch:
        # As for the tests that have a dashboard each.
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLORTERM", "truecolor")
        patch.delenv("NO_COLOR", raising=False)
        return asyncio.run(_press_all(demo))


async def _press_all(demo: Demo) -> dict[str, Done]:
    found: dict[str, Done] = {}
    ended: list[CommandEnded] = []
    async with opened(demo) as stage:
        stage.app.live.machine.command_ended.subscribe(ended.append)
        for command, keys in ROWS.items():
            if "hello" in demo.kernel.loaded:
                await stage.select("hello")
            for key in keys:
                await _do(stage, key)
            await stage.until(lambda: isinstance(stage.screen, PlanDialog))
            await stage.until(lambda: re.search(r" y \w[\w ]* Esc ", stage.text))
            assert isinstance(stage.screen, PlanDialog)
            plan = stage.screen._plan
            await stage.press("y")
            await stage.until("Enter close")
            outcome = ended[-1].run
            found[command] = Done(
                list(plan.command_lines),
                outcome.result,
                outcome.title,
                _TOOK.sub("", outcome.cause),
                outcome.remedy or None,
                shown(demo),
            )
            await stage.press("enter")
            await stage.until(lambda: stage.screen is stage.dashboard)
            await stage.until(lambda: ("hello" in stage.modules) == ("hello" in demo.kernel.loaded))
    return found


async def _do(stage: Stage, key: str) -> None:
    if key.startswith("="):
        await stage.until(lambda: stage.screen is not stage.dashboard, key.removeprefix("="))
    elif key.startswith("type "):
        await stage.type(key.removeprefix("type "))
    else:
        await stage.press(key)


def printed(*words: str, status: int = 0) -> Any:
    """Run a verb; return its JSON."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        assert run([*words, "--json"]) == status, out.getvalue()
    return json.JSONDecoder().raw_decode(out.getvalue())[0]


@pytest.fixture(scope="module")
def by_verb(folder: Path) -> dict[str, Done]:
    """What the verbs do, one after the other on another machine."""
    demo = make_demo(folder / "verbs")
    found: dict[str, Done] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kmodtui.demo.open_demo", lambda **_: demo)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        for command in ROWS:
            fields = printed(*command.split(), "--yes", "--demo")
            outcome = fields["outcome"]
            found[command] = Done(
                fields["commands"],
                outcome["result"],
                outcome["title"],
                _TOOK.sub("", outcome["cause"]),
                outcome["remedy"],
                shown(demo),
            )
    return found


@pytest.mark.parametrize("command", ROWS)
def test_a_verb_does_what_its_key_does(
    command: str, by_key: dict[str, Done], by_verb: dict[str, Done]
) -> None:
    assert by_verb[command] == by_key[command]


@pytest.mark.parametrize("command", ROWS)
def test_on_a_captured_tree_a_verb_shows_its_plan_and_is_refused(
    command: str, by_key: dict[str, Done], folder: Path
) -> None:
    # As each change found it: with what the ones before have left.
    demo = make_demo(folder / command.partition(" ")[0])
    words = {"unblacklist": "blacklist", "unblock": "block", "forget": "keep"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kmodtui.demo.open_demo", lambda **_: demo)
        if (first := words.get(command.split()[0])) is not None:
            printed(first, "hello", "--yes", "--demo")
        if command.startswith("load"):
            printed("unload", "hello", "--yes", "--demo")
        if command.startswith("reload"):
            printed("set", "hello", "greeting=huq", "--yes", "--demo")
    before = shown(demo)
    root = str(demo.kernel.folder.root)
    fields = printed(*command.split(), "--yes", "--root", root, status=3)
    assert fields["outcome"] is None
    assert fields["commands"] == by_key[command].commands
    assert shown(demo) == before
