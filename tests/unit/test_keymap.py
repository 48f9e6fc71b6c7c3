"""The user's own keys: which are valid, and that every command can be given another key."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from kmodtui.errors import ConfigError
from kmodtui.services.config import read_config
from kmodtui.ui.command import EVERYWHERE
from kmodtui.ui.commands import COMMANDS, in_context
from kmodtui.ui.editing import EDITS
from kmodtui.ui.key_names import key_named, key_words
from kmodtui.ui.keymap import KEPT, NOBODYS, TYPING, remapped, use_keys

PROJECT = Path(__file__).parents[2]


def problem(id_: str, *keys: str) -> str:
    """Return what is wrong with the keys of a command; empty if nothing is."""
    _, problems = remapped({id_: keys})
    return f"{problems[0].text} {problems[0].hint}" if problems else ""


def keys_after(id_: str, **keys: str) -> tuple[str, ...]:
    commands, problems = remapped({name.replace("__", "."): (key,) for name, key in keys.items()})
    assert not problems
    return next(command.keys for command in commands if command.id == id_)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("/", "slash"),
        ("slash", "slash"),
        ("#", "number_sign"),
        ("L", "L"),
        ("ö", "ö"),
        ("ctrl+S", "ctrl+s"),
        ("F6", "f6"),
        ("PgDn", "pagedown"),
        ("Shift+Tab", "shift+tab"),
        ("↓", "down"),
        ("Return", "enter"),
        ("Ctrl+", None),
        ("F13", None),
        ("Alt+x", "alt+x"),
        ("Alt+F1", None),
        ("ab", None),
        ("", None),
        (" ", None),
        ("\x1b", None),
    ],
)
def test_a_key_can_be_written_as_it_is_shown_or_as_it_is_called(text: str, key: str | None) -> None:
    assert key_named(text) == key


def test_a_character_has_the_name_that_textual_gives_its_key() -> None:
    from textual.keys import _character_to_key

    for code in (*range(0x21, 0x7F), 0xA7, 0xE4, 0x416, 0x20AC):
        assert key_named(chr(code)) == _character_to_key(chr(code))


def test_every_key_of_the_registry_can_be_written_as_it_is_shown() -> None:
    for key in {key for command in COMMANDS for key in command.keys}:
        assert key_named(key_words(key)) == key_named(key) == key


def test_a_key_can_be_given_away_and_two_can_be_swapped() -> None:
    assert keys_after("dashboard.sort", dashboard__sort="u", dashboard__unload="s") == ("u",)
    assert keys_after("dashboard.unload", dashboard__unload="F6") == ("f6",)
    assert keys_after("tree.fold", tree__fold="f") == ("f", "space")  # the tree has no facets


def test_keys_such_as_esc_and_the_arrows_stay_with_the_commands_that_have_them() -> None:
    assert keys_after("dashboard.back", dashboard__back="F6") == ("f6", "escape")
    assert keys_after("dialog.cancel", dialog__cancel="F6") == ("f6", "escape")
    assert keys_after("picker.take", picker__take="F6") == ("f6", "enter")
    assert keys_after("lines.down", lines__down="J") == ("J", "down")
    assert keys_after("dashboard.quit", dashboard__quit="Q") == ("Q", "ctrl+q")


@pytest.mark.parametrize("key", sorted(KEPT))
def test_a_reserved_key_is_given_to_no_other_command(key: str) -> None:
    for command in COMMANDS:
        if key not in command.keys:
            assert f"cannot be the key of {command.id}: it always" in problem(command.id, key)


@pytest.mark.parametrize("key", sorted(NOBODYS))
def test_keys_that_terminals_confuse_are_rejected(key: str) -> None:
    assert f"{key} cannot be the key of dashboard.load: it " in problem("dashboard.load", key)


@pytest.mark.parametrize(
    ("id_", "key", "other"),
    [
        ("dashboard.unload", "s", "dashboard.sort"),
        ("modules.mark", "u", "dashboard.unload"),  # a pane inside the dashboard
        ("lines.down", "u", "dashboard.unload"),
        ("table.restrict", "G", "lines.bottom"),  # a list on a page
        ("app.repaint", "Ctrl+s", "dashboard.snapshot"),
        ("timeline.mark", "c", "timeline.compare"),
        ("page.down", "?", "dashboard.help"),
        ("dialog.confirm", "w", "dashboard.why"),
        ("dashboard.load", "y", "dialog.confirm"),
        ("experiment.begin", "x", "dashboard.experiment"),
    ],
)
def test_a_conflict_names_both_commands(id_: str, key: str, other: str) -> None:
    text = problem(id_, key)
    assert id_ in text
    assert f"{key} is the key of {id_} and of " in text
    texts = [each.text for each in remapped({id_: (key,)})[1]]
    assert any(f"and of {other} (" in each for each in texts)


def test_the_same_key_may_do_something_else_elsewhere() -> None:
    assert not problem("timeline.mark", "u")
    assert not problem("restrict.block", "s")
    assert not problem("symbols.facet", "m")  # the log's key


def test_where_text_is_typed_no_character_is_a_command() -> None:
    assert "it edits the text there" in problem("picker.reach", "r")
    assert "it edits the text there" in problem("picker.reach", "Ctrl+w")
    assert "works while typing" in problem("app.repaint", "l")


def test_unknown_commands_and_keys_are_reported_with_what_was_meant(tmp_path: Path) -> None:
    assert problem("dashboard.unlaod", "F6") == (
        "unknown command “dashboard.unlaod”. Did you mean dashboard.unload?"
    )
    assert problem("dashboard.load", "Hyper+x").startswith("“Hyper+x” is not a key")
    path = tmp_path / "config.toml"
    path.write_text('light = true\n[keys]\ndashboard.zoom = "s"\n')
    with pytest.raises(ConfigError, match=rf"^{path}:3: s is the key of dashboard.zoom and of "):
        use_keys(read_config(path))


def test_the_default_keys_are_valid() -> None:
    texts = {c.id: tuple(map(key_words, c.keys)) for c in COMMANDS if c.keys}
    assert remapped(texts) == (COMMANDS, [])


def new_keys() -> dict[str, str]:
    """Return another key for every command, with a letter of its own wherever one is possible."""
    letters = (chr(code) for code in count(0x400) if chr(code).isalpha())
    found = {}
    for command in COMMANDS:
        if command.context not in {*TYPING, EVERYWHERE}:
            found[command.id] = next(letters)
    used = {key for command in COMMANDS for key in command.keys}
    free = [f"ctrl+{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    free += [f"f{number}" for number in range(3, 13)]
    free = [key for key in free if key not in {*used, *EDITS, *KEPT, *NOBODYS}]
    of_app = [command.id for command in in_context(EVERYWHERE)]
    found |= dict(zip(of_app, free, strict=False))
    for context in sorted(TYPING):
        ids = [command.id for command in in_context(context)]
        found |= dict(zip(ids, free[len(of_app) :], strict=False))
    assert found.keys() == {command.id for command in COMMANDS}
    return found


_CHECK = """
import sys
from kmodtui.ui import commands as registry
from kmodtui.ui.keymap import KEPT, remapped
from tests.unit.test_keymap import new_keys

wanted = new_keys()
before = {command.id: command.keys for command in registry.COMMANDS}
commands, problems = remapped({id_: (key,) for id_, key in wanted.items()})
assert not problems, problems[0]
assert "textual" not in sys.modules
registry.use(commands)

from tests.ui.test_commands import PLACES, all_bindings
from kmodtui.ui.widgets.change.view import WAITING
from kmodtui.ui.dialogs import help, legend
from kmodtui.ui.screens import compare, no_modules

for command in registry.COMMANDS:
    assert command.keys[0] == wanted[command.id]
    assert registry.key_of(command.id) == registry.hint(command.id)[0]
    assert registry.command_for(command.context, command.keys[0]) is command
    if command.context == "search":
        continue  # its line asks the registry
    for place in PLACES[command.context]:
        bound = {(binding.key, binding.action) for binding in all_bindings(place)}
        assert (command.keys[0], command.action) in bound, (place, command.id)
        for key in before[command.id]:
            if key not in KEPT:
                assert (key, command.action) not in bound, (place, command.id, key)
for id_ in ("dashboard.load", "dashboard.symbol_view", "dashboard.browser", "dashboard.legend"):
    assert registry.key_of(id_) in WAITING
assert any(registry.key_of("modules.mark") in text for _, text in legend.SIGNS)
assert registry.key_of("compare.open") in compare.NONE_YET
assert registry.key_of("barren.demo") in no_modules.WHY
"""


def test_every_command_with_another_key_has_it_wherever_it_had_its_own() -> None:
    subprocess.run([sys.executable, "-c", _CHECK], check=True, timeout=60, cwd=PROJECT)
