"""The registry of commands: keys, help, tooltips, palette and footer all come from it."""

from __future__ import annotations

import ast
import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.dom import DOMNode

from kmodtui.demo import Demo
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Plan
from kmodtui.services.machine import Machine
from kmodtui.services.planning.planning import plan_for
from kmodtui.ui import change_flow
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.command import Command
from kmodtui.ui.commands import (
    COMMANDS,
    CONTEXTS,
    INNER,
    bindings,
    in_context,
)
from kmodtui.ui.dialogs.check_first import InsertCheckDialog
from kmodtui.ui.dialogs.help import HelpScreen
from kmodtui.ui.dialogs.idle_timeout import IdleTimeoutDialog
from kmodtui.ui.dialogs.keep import KeepDialog
from kmodtui.ui.dialogs.legend import LegendScreen
from kmodtui.ui.dialogs.parameters import ParameterForm
from kmodtui.ui.dialogs.path import PathDialog
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.dialogs.restrict import RestrictDialog
from kmodtui.ui.dialogs.symbol import SymbolDialog
from kmodtui.ui.key_names import key_words
from kmodtui.ui.providers import relevance
from kmodtui.ui.screens.browser import BrowserScreen
from kmodtui.ui.screens.check import CheckScreen
from kmodtui.ui.screens.command_log import CommandLogScreen
from kmodtui.ui.screens.compare import CompareScreen
from kmodtui.ui.screens.crosscheck import CrossCheckScreen
from kmodtui.ui.screens.dashboard import DashboardScreen
from kmodtui.ui.screens.devices import DevicesScreen
from kmodtui.ui.screens.doctor import DoctorScreen
from kmodtui.ui.screens.experiment import ExperimentScreen
from kmodtui.ui.screens.exposure import ExposureScreen
from kmodtui.ui.screens.linkage import LinkageScreen
from kmodtui.ui.screens.next_kernel import NextKernelScreen
from kmodtui.ui.screens.no_modules import NoModulesScreen
from kmodtui.ui.screens.profile import ProfileScreen
from kmodtui.ui.screens.rules import RulesScreen
from kmodtui.ui.screens.timeline import TimelineScreen
from kmodtui.ui.screens.watch import WatchScreen
from kmodtui.ui.widgets.change.view import ChangeLines
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.lines.log import LogLines
from kmodtui.ui.widgets.lines.view import LineView
from kmodtui.ui.widgets.panes.info import InfoLines
from kmodtui.ui.widgets.panes.modules import ModuleLines
from kmodtui.ui.widgets.panes.symbols import SymbolsPane
from kmodtui.ui.widgets.panes.tree import ModuleTree
from kmodtui.ui.widgets.symbol_browser import SymbolBrowser
from tests.ui.stage import opened

PLACES: dict[str, tuple[type[DOMNode], ...]] = {
    "dashboard": (DashboardScreen,),
    "app": (KmodtuiApp,),
    "lines": (LineView, ModuleLines, InfoLines, ChangeLines, SymbolBrowser),
    "tree": (ModuleTree,),
    "symbols": (SymbolsPane,),
    "log": (LogLines,),
    "timeline": (TimelineScreen,),
    "compare": (CompareScreen,),
    "experiment": (ExperimentScreen,),
    "watch": (WatchScreen,),
    "browser": (BrowserScreen,),
    "modules": (ModuleLines,),
    "dialog": (PlanDialog,),
    "restrict": (RestrictDialog,),
    "keep": (KeepDialog,),
    "picker": (ModulePicker,),
    "form": (ParameterForm,),
    "linkage": (LinkageScreen,),
    "table": (NextKernelScreen,),
    "rules": (RulesScreen, ExposureScreen),
    "doctor": (DoctorScreen,),
    "devices": (DevicesScreen,),
    "commandlog": (CommandLogScreen,),
    "profile": (ProfileScreen,),
    "crosscheck": (CrossCheckScreen,),
    "check": (CheckScreen,),
    "insert": (InsertCheckDialog,),
    "search": (BrowserScreen,),
    "filter": (FilterBar,),
    "help": (HelpScreen,),
    "page": (LegendScreen, SymbolDialog),
    "prompt": (IdleTimeoutDialog,),
    "path": (PathDialog,),
    "barren": (NoModulesScreen,),
}
"""The classes that hold the keys of a context."""

every_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.id)


def keys_of(context: str) -> Counter[str]:
    return Counter(key for command in in_context(context) for key in command.keys)


@pytest.mark.parametrize("context", CONTEXTS)
def test_no_two_commands_of_a_context_share_a_key(context: str) -> None:
    shared = [key for key, times in keys_of(context).items() if times > 1]
    assert not shared


@pytest.mark.parametrize(("inner", "outer"), INNER.items())
def test_a_pane_takes_no_key_of_the_dashboard(inner: str, outer: str) -> None:
    assert not keys_of(inner).keys() & keys_of(outer).keys()


def test_ids_are_unique_and_their_contexts_known() -> None:
    assert max(Counter(command.id for command in COMMANDS).values()) == 1
    assert {command.context for command in COMMANDS} <= CONTEXTS.keys()
    assert PLACES.keys() == CONTEXTS.keys()


@every_command
def test_every_key_has_an_id_to_be_remapped_by_and_a_tooltip(command: Command) -> None:
    made = list(command.bindings())
    assert [binding.key for binding in made] == list(command.keys)
    assert len({binding.id for binding in made}) == len(made)
    assert all(binding.tooltip == command.help for binding in made)
    assert command.help
    assert command.label


@every_command
def test_the_action_of_every_command_exists_where_its_key_holds(command: Command) -> None:
    name = command.action.partition("(")[0]
    for place in PLACES[command.context]:
        assert callable(getattr(place, f"action_{name}", None)), place


@pytest.mark.parametrize("context", [c for c in CONTEXTS if c != "search"])
def test_every_key_of_a_context_is_bound_where_it_holds(context: str) -> None:
    for place in PLACES[context]:
        bound = {(b.key, b.action) for b in all_bindings(place)}
        for binding in bindings(context):
            assert (binding.key, binding.action) in bound, place


def all_bindings(place: type[DOMNode]) -> list[Any]:
    return [
        binding for keys in place._merge_bindings().key_to_bindings.values() for binding in keys
    ]


def test_the_confirming_key_is_bound_in_the_dialog_alone() -> None:
    confirming = next(c for c in COMMANDS if c.id == "dialog.confirm").keys
    others = (DashboardScreen, NoModulesScreen, ModulePicker, LineView, ModuleTree, KmodtuiApp)
    for place in others:
        bound = {b.action for b in all_bindings(place) if b.key in confirming}
        assert bound <= {"copy"}, place


def test_backspace_and_its_twin_are_nobodys_keys() -> None:
    assert not {"backspace", "ctrl+h", "delete"} & {k for c in COMMANDS for k in c.keys}


async def test_every_command_has_a_row_in_the_help(demo: Demo) -> None:
    async with opened(demo, size=(200, 480)) as stage:
        await stage.press("question_mark")
        await stage.until("kmodtui: keys, columns and flags")
        # A long row is wrapped.
        text = " ".join(" ".join(stage.part("#help-dialog")).replace("│", " ").split())
        for command in COMMANDS:
            row = " ".join(key_words(key) for key in command.keys) + " " + command.help
            assert row.strip() in text, command.id
        assert "O out-of-tree" in text
        assert "t functions" in text


@pytest.mark.parametrize("key", ["escape", "question_mark", "f1"])
async def test_the_help_closes_by_key_and_nothing_else_happens(demo: Demo, key: str) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.press("f1")
        await stage.until("kmodtui: keys, columns and flags")
        await stage.press("down", "down", "down")
        await stage.press(key)
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert stage.app.is_running
        assert stage.cursor == "hello"


async def test_the_palette_finds_a_command_and_runs_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        for opening in ("colon", "ctrl+p"):
            await stage.press(opening)
            await stage.until("Search for commands")
            await stage.type("reverse")
            await stage.until("Reverse  S", "Reverse the sort order")
            before = stage.dashboard._modules.border_subtitle
            await stage.press("enter")
            await stage.until(lambda: stage.screen is stage.dashboard)
            await stage.until(lambda seen=before: stage.dashboard._modules.border_subtitle != seen)


async def test_clicks_beside_the_palette_close_it_alone(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("colon")
        await stage.until("Search for commands")
        palette = stage.screen
        await stage.click(60, 0, times=3)
        await stage.until(lambda: stage.screen is not palette)
        await stage.handled()
        assert stage.screen is stage.dashboard


async def test_the_palette_may_be_moved_in_where_its_list_has_no_room(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.press("colon")
        await stage.until("Reverse the sort order")
        await stage.press("down")
        await stage.resize(80, 4)
        for key in ("pagedown", "pageup", "home", "end", "down", "up"):
            await stage.press(key)
        await stage.resize(80, 24)
        await stage.until("Search for commands")
        assert stage.app.is_running


async def test_the_palette_finds_by_what_a_command_does(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type("restore it")
        await stage.until("Maximize this pane")
        await stage.press("enter")
        await stage.until(lambda: "2 Dependencies" not in stage.text)


@pytest.mark.parametrize(
    ("query", "command"),
    [
        ("rmmod", "unload"),
        ("modprobe -r", "unload"),
        ("insmod", "load"),
        ("modprobe", "load"),
        ("dmesg", "log"),
        ("lsmod", "pane_modules"),
        ("modinfo", "modinfo"),
        ("depmod", "pane_tree"),
        ("kallsyms", "browser"),
        ("System.map", "browser"),
        ("denylist", "restrict"),
        ("taint", "legend"),
        ("diff", "compare"),
        ("load", "load"),
        ("log", "log"),
        ("unl", "unload"),
        ("sort", "sort"),
        ("privileges root", "drop_root"),
        ("exit", "quit"),
    ],
)
def test_the_palette_finds_a_command_by_other_words_for_it(query: str, command: str) -> None:
    best = max(in_context("dashboard"), key=lambda each: relevance(each, query))
    assert best.id == f"dashboard.{command}"


@pytest.mark.parametrize("query", ["rmmod", "insmod", "dmesg", "lsmod", "modinfo", "depmod"])
def test_a_command_of_kmod_finds_nothing_else(query: str) -> None:
    assert sum(relevance(each, query) > 0 for each in in_context("dashboard")) == 1


def test_scattered_letters_are_no_match() -> None:
    assert not any(relevance(each, "xqz") or relevance(each, "plod") for each in COMMANDS)


async def test_the_first_match_in_the_palette_is_the_best(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type("dmesg")
        await stage.until("Kernel log  L")
        await stage.press("enter")
        await stage.until(lambda: stage.dashboard.panes["log"].is_open)


@pytest.mark.parametrize("context", ["dashboard", "barren"])
def test_quit_is_the_last_command(context: str) -> None:
    assert in_context(context)[-1].id == f"{context}.quit"


async def test_every_command_of_the_dashboard_is_in_the_palette(demo: Demo) -> None:
    async with opened(demo, size=(120, 160)) as stage:
        await stage.press("colon")
        await stage.until("Search for commands", "Quit  q")
        listed = " ".join(stage.text.split())
        for command in in_context("dashboard"):
            if command.id not in ("dashboard.palette", "dashboard.back"):
                assert command.help in listed, command.id


async def test_the_palette_offers_nothing_over_a_dialog(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("u")
        await stage.until("y unload")
        await stage.press("ctrl+p")
        await stage.until("Search for commands")
        await stage.type("unload")
        await stage.until("No matches found")
        assert "hello" in demo.kernel.loaded


async def test_the_palette_opens_once_also_below_a_dialog_and_while_it_closes(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, opened_palette = asyncio.Event(), asyncio.Event()

    async def slow(machine: Machine, intents: Sequence[Intent]) -> Plan:
        reading.set()
        await opened_palette.wait()
        return await plan_for(machine, intents)

    monkeypatch.setattr(change_flow, "plan_for", slow)
    async with opened(demo) as stage:
        await stage.select("hello")
        stage.send("u")
        await reading.wait()
        await stage.press("ctrl+p")
        await stage.until("Search for commands")
        opened_palette.set()
        await stage.until("y unload")  # the plan appears over the palette
        await stage.press("ctrl+p")
        await stage.press("escape")
        for _ in range(3):
            stage.send("escape", "ctrl+p", "ctrl+p")
        await stage.until("Search for commands")
        assert stage.app.return_code in (None, 0)


async def test_the_footer_shows_whole_keys_at_every_width(demo: Demo) -> None:
    whole = [f"{key_words(c.keys[0])} {c.label}" for c in in_context("dashboard") if c.footer]
    for width in (200, 80, 60, 45):
        async with opened(demo, size=(width, 24)) as stage:
            shown = stage.footer.split("  ")
            words = [part.strip() for part in shown if part.strip()]
            assert words == [key for key in whole if key in words]
            assert words[-2:] == ["? Help", "q Quit"]
            missing = [key for key in whole if key not in words]
            assert words + missing[:1] == whole or len(stage.footer) > width - 20


# Where keys are written

UI = Path(__file__).parents[2] / "kmodtui" / "ui"

REGISTRY = {"registry", "command.py", "commands.py", "panes.py", "key_names.py", "keymap.py"}
"""The only files and directories with keys; `editing.py` has those with which every line of text
is edited, and `keyboard.py` names what the bytes of the terminal mean."""

KEY = re.compile(
    r"\b(Esc|Ctrl\+\w|Tab|Space|PgUp|PgDn|F[0-9])\b"
    r"|\bEnter\b(?! (the|a)\b)"
    r"|[Pp]ress \S"
    r"|(^|· )\S: \w"
    r"|(^|[.;,] )\S (all|clears|closes|explains|loads|opens|shows|starts) "
    r"|^(escape|enter|tab|space|pageup|pagedown|slash|plus|minus|(ctrl|shift)\+\w+)$"
)
"""The name of a key, as it is shown or as Textual calls it."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the parsed files of the user interface that must not name a key."""
    for path in sorted(UI.rglob("*.py")):
        if not {path.name, path.parent.name} & (REGISTRY | {"editing.py", "keyboard.py"}):
            yield path.name, ast.parse(path.read_text(encoding="utf-8"))


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a file but its docstrings."""
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in documented:
            continue
        if isinstance(node.value, str):
            yield node.value


def test_no_key_is_named_outside_the_registry() -> None:
    found = [(name, text) for name, tree in sources() for text in texts(tree) if KEY.search(text)]
    assert not found


def test_every_binding_comes_from_the_registry() -> None:
    makers = {"bindings", "bindings_of"}
    for name, tree in sources():
        for node in ast.walk(tree):
            target = getattr(node, "target", None) or next(iter(getattr(node, "targets", ())), None)
            if isinstance(target, ast.Name) and target.id == "BINDINGS":
                value = getattr(node, "value", None)
                assert isinstance(value, ast.List), name
                for element in value.elts:
                    assert isinstance(element, ast.Starred), name
                    assert isinstance(element.value, ast.Call), name
                    assert isinstance(element.value.func, ast.Name), name
                    assert element.value.func.id in makers, name


# The help as a menu


async def test_the_help_begins_with_the_focused_pane_and_finds_and_runs_a_command(
    demo: Demo,
) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.select("hello")
        await stage.press("question_mark")
        await stage.until("In the modules pane")
        titles = [line.strip("│ ") for line in stage.part("#help-lines") if "pane" in line]
        assert titles[0] == "In the modules pane"
        await stage.type("rmmod")
        await stage.until("1 match", "Unload the selected or marked modules")
        await stage.press("enter")
        await stage.until("y unload")
        assert "hello" in stage.words


async def test_the_help_says_where_a_command_of_another_place_works(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("question_mark")
        await stage.until("type to search")
        await stage.type("compare with this line")
        await stage.until("1 match")
        await stage.press("enter")
        await stage.until(lambda: "It works in the timeline only." in stage.toasts)
        await stage.press("escape")
        await stage.until("type to search")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
