"""The user's own keys for commands: `[keys]` of the configuration, checked against the registry.

Keys that do the same in every program, such as Esc and the arrows, stay what they are. Two
commands whose keys work at the same time never share one, except where the registry itself
has a pane override a screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.services.config import Config, ConfigProblem
from kmodtui.services.settings import KEYS
from kmodtui.ui import commands as registry
from kmodtui.ui.command import EVERYWHERE, Command
from kmodtui.ui.editing import EDITS
from kmodtui.ui.key_names import is_typed, key_named, key_words

_MOVES = "moves"

KEPT = {
    "escape": "cancels or goes back",
    "enter": "opens or accepts",
    "space": "marks, expands or collapses",
    "tab": "goes to the next part, or completes",
    "shift+tab": "goes to the previous part",
    **dict.fromkeys(("down", "up", "left", "right"), _MOVES),
    **dict.fromkeys(("pagedown", "pageup", "home", "end"), _MOVES),
    "ctrl+q": "quits",
    "ctrl+p": "opens the command palette",
}
"""Keys that stay with the commands that have them, and that no other command can get. Textual
itself gives most of them to every list, tree and screen."""

NOBODYS = {
    "backspace": "deletes a character",
    "delete": "deletes a character",
    "ctrl+h": "is the same as Backspace on many terminals",
    "ctrl+i": "is the same as Tab",
    "ctrl+j": "is the same as Enter on some terminals",
    "ctrl+m": "is the same as Enter",
    "ctrl+c": "copies selected text",
}
"""Keys that no command can get."""

CONFIRMING = frozenset({"dialog.confirm", "experiment.begin"})
"""The commands that begin a change: their keys do nothing else anywhere but ask what to copy,
so that no key that is pressed once too often confirms anything."""

TYPING = frozenset({"search", "filter", "prompt", "path", "picker", "form", "help"})
"""The contexts of input lines: a character is typed there."""

_LISTS = ("timeline", "compare", "browser", "linkage", "table", "rules", "doctor", "devices",
          "profile", "check", "insert", "barren")  # fmt: skip
"""The contexts of screens with lists."""

TOGETHER = frozenset(
    frozenset(pair)
    for pair in (
        *registry.INNER.items(),
        *(("lines", inner) for inner in ("modules", "symbols", "log")),
        *(("lines", screen) for screen in _LISTS),
        ("insert", "check"),
        ("search", "browser"),
    )
)
"""The contexts whose keys work at the same time; those of `app` work together with all."""

CLOSING = frozenset({"dashboard.help", "dashboard.legend"})
"""The commands whose keys also close the page that they have opened."""


def remapped(
    keys: Mapping[str, Sequence[str]], commands: Sequence[Command] = registry.COMMANDS
) -> tuple[tuple[Command, ...], list[ConfigProblem]]:
    """Return the commands with the user's keys, and what is wrong with those keys.

    A command of which something is wrong keeps its own keys.

    Args:
        keys: the keys of commands by their ids, as they are written.
        commands: the commands with their own keys.
    """
    ids = [command.id for command in commands]
    problems = [_unknown(id_, ids) for id_ in keys if id_ not in ids]
    changed = {}
    for command in commands:
        if command.id in keys:
            new, wrong = _new_keys(command, keys[command.id])
            problems += wrong
            if not wrong and new != command.keys:
                changed[command.id] = replace(command, keys=new)
    after = tuple(changed.get(command.id, command) for command in commands)
    before = {command.id: set(command.keys) for command in commands}
    clashes = list(_clashes(after, before, changed))
    problems += clashes
    wrong_ids = {problem.key.removeprefix(f"{KEYS}.") for problem in clashes}
    valid = tuple(
        old if new.id in wrong_ids else new for old, new in zip(commands, after, strict=True)
    )
    return valid, problems


def use_keys(config: Config) -> None:
    """Give the commands of the registry the keys of the configuration.

    Raises:
        ConfigError: one of them is not a key, is reserved, or is another command's.
    """
    if not config.keys:
        return
    commands, problems = remapped(config.keys)
    if problems:
        raise problems[0].error(config)
    registry.use(commands)


def _unknown(id_: str, ids: Sequence[str]) -> ConfigProblem:
    question = did_you_mean(near(id_, ids, 1))
    hint = question or "kmodtui config init writes a file with all commands."
    return ConfigProblem(f"{KEYS}.{id_}", f"unknown command “{id_}”.", hint)


def _new_keys(
    command: Command, texts: Sequence[str]
) -> tuple[tuple[str, ...], list[ConfigProblem]]:
    """Return a command's new keys, with those that it cannot lose, and what is wrong with them."""
    new: list[str] = []
    problems = []
    for text in texts:
        key = key_named(text)
        wrong = _wrong(command, text, key)
        if wrong:
            problems.append(ConfigProblem(f"{KEYS}.{command.id}", *wrong))
        elif key is not None and key not in new:
            new.append(key)
    new += [key for key in command.keys if key in KEPT and key not in new]
    return tuple(new), problems


def _wrong(command: Command, text: str, key: str | None) -> tuple[str, str] | None:
    """Return why a command cannot have a key, and what to do; None if it can."""
    name = text.strip().lower() if key is None else key
    if name in NOBODYS:
        return f"{text} cannot be the key of {command.id}: it {NOBODYS[name]}.", "Use another key."
    if key is None:
        return (
            f"“{text[:40]}” is not a key, for {command.id}.",
            "A key is a character, Ctrl+letter, Alt+letter, F1 to F12 or Insert.",
        )
    if key in command.keys:
        return None
    if key in KEPT:
        return (
            f"{key_words(key)} cannot be the key of {command.id}: it always {KEPT[key]}.",
            "Use another key.",
        )
    if command.context in TYPING and (is_typed(key) or key in EDITS):
        return (
            f"{key_words(key)} cannot be the key of {command.id}: it edits the text there.",
            "Use a function key, or Ctrl with another letter.",
        )
    if command.context == EVERYWHERE and is_typed(key):
        return (
            f"{key_words(key)} cannot be the key of {command.id}, which works while typing.",
            "Use a function key, or Ctrl with a letter.",
        )
    return None


def _clashes(
    commands: Sequence[Command], before: Mapping[str, set[str]], changed: Mapping[str, Command]
) -> Iterator[ConfigProblem]:
    """Yield each key that a changed command shares with a command that it must not share it with.

    Args:
        commands: all of them, with their new keys.
        before: the keys that each had.
        changed: those with new keys.
    """
    reported = set()
    for command in changed.values():
        for other in commands:
            pair = frozenset((command.id, other.id))
            if command is other or pair in reported or not _must_differ(command, other):
                continue
            shared = set(command.keys) & set(other.keys) - (before[command.id] & before[other.id])
            if not shared:
                continue
            reported.add(pair)
            key = key_words(next(each for each in command.keys if each in shared))
            where = registry.CONTEXTS[other.context].lower()
            confirms = "The key that confirms a change must do nothing else. "
            yield ConfigProblem(
                f"{KEYS}.{command.id}",
                f"{key} is the key of {command.id} and of {other.id} "
                f"({where}: {other.help[0].lower()}{other.help[1:]}).",
                f"{confirms if pair & CONFIRMING else ''}Choose another key for one of them.",
            )


def _must_differ(one: Command, other: Command) -> bool:
    """Return whether two commands must not share a key."""
    confirming = {one.id, other.id} & CONFIRMING
    if confirming and {one.id, other.id} != CONFIRMING:
        return True
    contexts = frozenset((one.context, other.context))
    if len(contexts) == 1 or contexts in TOGETHER or EVERYWHERE in contexts:
        return True
    return "page" in contexts and bool({one.id, other.id} & CLOSING)
