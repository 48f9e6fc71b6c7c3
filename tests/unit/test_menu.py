"""The model of menus: which commands a line has, in which order, and why some are unavailable."""

from __future__ import annotations

import pytest

from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.ui import commands as registry
from kmodtui.ui.command import Command
from kmodtui.ui.commands import COMMANDS
from kmodtui.ui.menu import MenuEntry, first_available, menu_entries
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.unavailable import why_not_on_module

EXT4 = Subject(SubjectKind.MODULE, "ext4", "ext4")
IN_MODULES = ("modules", "lines", "dashboard")


def never(_: Command) -> str:
    return ""


def module(**fields: object) -> LoadedModule:
    plain = LoadedModule("ext4", 1, 0, (), ModuleState.LIVE, "", permanent=False, address=0)
    return plain._replace(**fields)


def command(id_: str) -> Command:
    return next(each for each in COMMANDS if each.id == id_)


def test_the_most_likely_command_comes_first_and_the_others_as_in_the_registry() -> None:
    ids = [e.command.id for e in menu_entries(IN_MODULES, EXT4, "dashboard.pane_info", never)]
    assert ids[0] == "dashboard.pane_info"
    others = [id_ for id_ in ids if id_.startswith("dashboard.")][1:]
    assert others == [c.id for c in COMMANDS if c.id in others]
    assert {"dashboard.unload", "dashboard.why", "modules.mark"} <= set(ids)
    assert "dashboard.quit" not in ids


def test_a_new_command_appears_by_itself_with_the_users_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = Command("dashboard.new", ("f9",), "new", "New", "Do it", on=(SubjectKind.MODULE,))
    monkeypatch.setattr(registry, "COMMANDS", (*COMMANDS, new))
    entries = menu_entries(IN_MODULES, EXT4, "", never)
    assert ("F9", "Do it") in [(entry.key, entry.words) for entry in entries]


def test_an_action_that_two_contexts_have_is_there_once() -> None:
    device = Subject(SubjectKind.MODULE, "nbd", "nbd")
    entries = menu_entries(("table", "crosscheck", "table"), device, "", never)
    actions = [entry.command.action for entry in entries]
    assert len(actions) == len(set(actions))


def test_a_reason_is_in_words_and_the_cursor_begins_below_it() -> None:
    entries = (MenuEntry(command("dashboard.unload"), "in use by ext4"), MenuEntry(COMMANDS[0]))
    assert entries[0].words == "unavailable: in use by ext4"
    assert first_available(entries) == 1
    assert first_available(entries[:1]) == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"permanent": True}, "no exit function"),
        ({"users": ("a", "b"), "refcount": 2}, "in use by a, b"),
        ({"refcount": 1}, ""),
        ({"refcount": None}, "cannot unload modules"),
        ({"state": ModuleState.LOADING}, "init function"),
        ({"state": ModuleState.UNLOADING}, "exit function"),
    ],
)
def test_why_a_module_cannot_be_unloaded(fields: dict[str, object], words: str) -> None:
    reason = why_not_on_module(command("dashboard.unload"), module(**fields), marked=False)
    assert words in reason
    assert bool(words) == bool(reason)
    assert not why_not_on_module(command("dashboard.unload"), module(**fields), marked=True)
    assert not why_not_on_module(command("dashboard.why"), module(**fields), marked=False)


def test_nothing_can_be_done_with_a_module_that_is_not_loaded() -> None:
    assert "not loaded" in why_not_on_module(command("dashboard.why"), None, marked=False)
