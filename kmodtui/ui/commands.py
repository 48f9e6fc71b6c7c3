"""The registry of commands: key bindings, footer, help, palette and tooltips are made from it.

Each command belongs to a context, the part of the screen where its keys work. No two
commands of a context share a key, and a context inside another one (a pane of the
dashboard) uses none of the outer one's keys; a test checks both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kmodtui.ui.command import EVERYWHERE, Command
from kmodtui.ui.key_names import key_words
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.registry import dashboard, dialogs, pages, panes, views
from kmodtui.ui.registry.dashboard import pane_id
from kmodtui.ui.subject import SubjectKind

if TYPE_CHECKING:
    from textual.binding import Binding

CONTEXTS = {
    "dashboard": "On the dashboard",
    EVERYWHERE: "Everywhere",
    "lines": "In every list",
    "modules": "In the modules pane",
    "tree": "In the dependency tree",
    "symbols": "In the symbols pane",
    "log": "In the kernel log",
    "timeline": "In the timeline",
    "compare": "In the snapshot comparison",
    "experiment": "In an experiment",
    "watch": "On the page of a watched file",
    "browser": "In the symbol browser",
    "search": "In the search field of the symbol browser",
    "filter": "In the input line of a filter",
    "dialog": "In dialogs",
    "restrict": "When a module is kept from loading",
    "keep": "When a module is kept for the next boot",
    "help": "In the help",
    "page": "In the legend and the details of a symbol",
    "prompt": "When a number is entered",
    "path": "When a path is entered",
    "picker": "In the module picker",
    "form": "In the parameter form",
    "linkage": "In the linkage view",
    "table": "In the list of what changes with another kernel",
    "rules": "In the lists of rules and of exposures",
    "doctor": "On the doctor page",
    "devices": "In the list of devices",
    "crosscheck": "In the cross-check for hidden modules",
    "commandlog": "In the command log",
    "profile": "In a profile of modules to block",
    "check": "In the check of a module file",
    "insert": "In the check before a file is inserted",
    "barren": "On a kernel without loadable modules",
}
"""The title of each context, in the order of the help screen."""

COMMANDS: tuple[Command, ...] = (
    *dashboard.COMMANDS,
    *panes.COMMANDS,
    *views.COMMANDS,
    *dialogs.COMMANDS,
    *pages.COMMANDS,
)

_BY_ID = {command.id: command for command in COMMANDS}


def use(commands: Iterable[Command]) -> None:
    """Replace the commands by others with the same ids, with the keys that the user wants.

    The bindings of screens and widgets are made when their modules are imported, so this has
    to be done before.
    """
    global COMMANDS, _BY_ID
    COMMANDS = tuple(commands)
    _BY_ID = {command.id: command for command in COMMANDS}


INNER = dict.fromkeys(("lines", "modules", "tree", "symbols", "log"), "dashboard")
"""The outer context of each inner one; the keys of both work at the same time."""


def in_context(context: str) -> tuple[Command, ...]:
    """Return the commands of a context, in the order of the registry."""
    return tuple(command for command in COMMANDS if command.context == context)


def bindings(context: str) -> list[Binding]:
    """Return the key bindings of a context, for the BINDINGS of a widget or screen."""
    return [binding for command in in_context(context) for binding in command.bindings()]


def bindings_of(*ids: str, action: str = "") -> list[Binding]:
    """Return the key bindings of some commands; see `Command.bindings` for `action`."""
    return [binding for id_ in ids for binding in _BY_ID[id_].bindings(action)]


def on_subject(contexts: Iterable[str], kind: SubjectKind) -> tuple[Command, ...]:
    """Return what some contexts can do with a kind of line, each action once.

    Args:
        contexts: those whose keys work at the same time, the innermost first.
        kind: what the line is about.
    """
    found: dict[str, Command] = {}
    for context in contexts:
        for command in in_context(context):
            if kind in command.on:
                found.setdefault(command.action, command)
    return tuple(found.values())


def command_for(context: str, key: str) -> Command | None:
    """Return the command of a context that a key stands for; None if it has none."""
    return next((command for command in in_context(context) if key in command.keys), None)


def command_of(id_: str) -> Command:
    """Return the command with an id."""
    return _BY_ID[id_]


def key_of(id_: str) -> str:
    """Return the name of a command's first key, as it is shown."""
    return key_words(_BY_ID[id_].keys[0])


def pane_key(entry: PaneEntry) -> str:
    """Return the name of the key that goes to a pane, or opens it, as it is shown."""
    return key_of(pane_id(entry))


Hint = tuple[str, str]
"""A key as it is shown, or several, and what they do."""


def hint(*ids: str, label: str = "") -> Hint:
    """Return the keys of some commands with a label; by default, the first command's own."""
    return " ".join(map(key_of, ids)), label or _BY_ID[ids[0]].label.lower()


def hint_line(*hints: Hint) -> str:
    """Return hints as plain text, for the lower edge of a frame."""
    return " · ".join(f"{keys}: {label}" for keys, label in hints)


def footer(context: str, width: int) -> list[Command]:
    """Return the commands for a footer of `width` cells, in order.

    If they do not all fit, the last ones that are not pinned are left out first.
    """
    shown = [command for command in in_context(context) if command.footer]
    while sum(len(key_words(c.keys[0])) + len(c.label) + 3 for c in shown) > width:
        shown.remove(next((c for c in reversed(shown) if not c.pinned), shown[-1]))
    return shown
