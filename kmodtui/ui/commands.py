"""The one registry of commands: key, footer, help row, palette entry and tooltip come from it.

A command belongs to a context: the place whose keys it holds. Two commands of
one context never share a key, and those of a context inside another (a pane
inside the dashboard) never take a key of the outer one; a test holds both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Command:
    """One thing a person can ask for.

    Attributes:
        id: unique, `context.verb`; the id of the key binding, so that keys can be remapped.
        keys: Textual's key names; the first is the one that is shown.
        action: the action of the widget or screen that does it.
        label: a word for the footer and the palette.
        help: a sentence for the help screen, the palette and the tooltip.
        footer: whether it has a place in the footer.
        needs_root: whether the helper has to do it: greyed where there is no root to be had.
    """

    id: str
    keys: tuple[str, ...]
    action: str
    label: str
    help: str
    footer: bool = False
    needs_root: bool = False

    @property
    def context(self) -> str:
        """Where the keys hold: the first part of the id."""
        return self.id.split(".", 1)[0]

    def bindings(self) -> Iterable[Binding]:
        """Return Textual's bindings, one a key, so that each can be remapped by id."""
        for number, key in enumerate(self.keys):
            yield Binding(
                key,
                self.action,
                self.label,
                show=False,
                id=self.id if number == 0 else f"{self.id}.{number}",
                tooltip=self.help,
            )


CONTEXTS = {
    "dashboard": "Everywhere on the dashboard",
    "lines": "In a pane",
    "modules": "In the modules pane",
    "tree": "In the dependency tree",
    "symbols": "In the symbols pane",
    "log": "In the drawer of the kernel's log",
    "timeline": "In the timeline",
    "compare": "Where snapshots are compared",
    "experiment": "In an experiment",
    "browser": "In the browser of all symbols",
    "dialog": "In a dialog",
    "picker": "Where a module is chosen",
    "form": "In the form of parameters",
    "linkage": "In the linkage of a module",
    "check": "In the check of a file",
    "insert": "In the check of a file that is to be inserted",
    "barren": "Where the kernel has no modules",
}
"""Contexts in the order of the help screen, in words."""

COMMANDS: tuple[Command, ...] = (
    Command(
        "dashboard.filter",
        ("slash",),
        "filter",
        "Filter",
        "Show only the lines of this pane that contain a text",
        footer=True,
    ),
    Command(
        "dashboard.sort",
        ("s",),
        "sort_next",
        "Sort",
        "Sort the modules by the next column",
        footer=True,
    ),
    Command(
        "dashboard.sort_reverse", ("S",), "sort_reverse", "Reverse", "Turn the sort order round"
    ),
    Command(
        "dashboard.load",
        ("plus", "i", "insert"),
        "load",
        "Load",
        "Load a module by name, with the plan shown first",
        footer=True,
        needs_root=True,
    ),
    Command(
        "dashboard.unload",
        ("minus", "u"),
        "unload",
        "Unload",
        "Unload the selected module, with the plan shown first",
        footer=True,
        needs_root=True,
    ),
    Command(
        "dashboard.reload",
        ("R", "ctrl+r"),
        "reload",
        "Reload",
        "Unload the module and load it again, keeping or changing its parameters",
        needs_root=True,
    ),
    Command(
        "dashboard.parameters",
        ("e",),
        "parameters",
        "Parameters",
        "Look at the parameters of the selected module, and change them",
        needs_root=True,
    ),
    Command(
        "dashboard.blacklist",
        ("b",),
        "blacklist",
        "Blacklist",
        "Blacklist the module, or take that back: whether its hardware loads it",
        needs_root=True,
    ),
    Command(
        "dashboard.undo",
        ("U",),
        "undo",
        "Undo",
        "Take back the last load, unload, reload, parameter or blacklisting",
        needs_root=True,
    ),
    Command(
        "dashboard.drop_root",
        ("D",),
        "drop_root",
        "Drop root",
        "Give root up now: the helper ends, and the next change starts it again",
    ),
    Command(
        "dashboard.idle",
        (),
        "idle",
        "Idle time",
        "Set after how many minutes without a change root is given up",
        needs_root=True,
    ),
    Command(
        "dashboard.zoom",
        ("z",),
        "zoom",
        "Zoom",
        "Give this pane the whole screen, or take it back",
        footer=True,
    ),
    Command(
        "dashboard.pause",
        ("p",),
        "pause",
        "Pause",
        "Stop reading the kernel, or go on",
        footer=True,
    ),
    Command("dashboard.refresh", ("r", "f5"), "refresh_now", "Read now", "Read the kernel at once"),
    Command(
        "dashboard.catalog",
        ("c",),
        "catalog",
        "Catalog",
        "Look through all modules of the kernel, loaded or not",
    ),
    Command(
        "dashboard.pane_modules", ("1",), "pane('modules')", "Modules", "Go to the loaded modules"
    ),
    Command(
        "dashboard.pane_tree", ("2",), "pane('tree')", "Dependencies", "Go to the dependency tree"
    ),
    Command(
        "dashboard.pane_info", ("3",), "pane('info')", "Info", "Go to the module's information"
    ),
    Command("dashboard.pane_symbols", ("4",), "pane('symbols')", "Symbols", "Go to the symbols"),
    Command(
        "dashboard.next_pane",
        ("tab", "l", "right"),
        "next_pane",
        "Next pane",
        "Go to the next pane",
    ),
    Command(
        "dashboard.previous_pane",
        ("shift+tab", "h", "left"),
        "previous_pane",
        "Previous pane",
        "Go to the previous pane",
    ),
    Command(
        "dashboard.direction",
        ("d",),
        "turn_tree",
        "Direction",
        "Turn the dependency tree round: needs, or needed by",
    ),
    Command(
        "dashboard.linkage",
        ("o",),
        "linkage",
        "Linkage",
        "Show which symbols a module takes from others and gives to them",
    ),
    Command(
        "dashboard.symbol_view",
        ("v",),
        "symbol_view",
        "Change / symbols",
        "Show the last change, or the symbols of the selected module",
    ),
    Command(
        "dashboard.browser",
        ("B",),
        "browser",
        "Browser",
        "Look through all symbols, or look up an address",
    ),
    Command(
        "dashboard.addresses",
        ("A",),
        "addresses",
        "Addresses",
        "Read hidden addresses through the helper",
        needs_root=True,
    ),
    Command(
        "dashboard.legend",
        ("a", "f2"),
        "legend",
        "Legend",
        "Say what the letters mean, and why addresses are zero",
    ),
    Command(
        "dashboard.snapshot",
        ("ctrl+s",),
        "snapshot",
        "Snapshot",
        "Save modules and symbols of this moment to a file in the current folder",
    ),
    Command(
        "dashboard.compare",
        ("C",),
        "compare",
        "Compare",
        "Compare two snapshots, or a snapshot and now",
    ),
    Command(
        "dashboard.help",
        ("question_mark", "f1"),
        "help",
        "Help",
        "Show every key and what the letters mean",
        footer=True,
    ),
    Command(
        "dashboard.palette",
        ("colon", "ctrl+p"),
        "palette",
        "Palette",
        "Find a command by its name",
    ),
    Command(
        "dashboard.back",
        ("escape",),
        "back",
        "Back",
        "Clear the filter, leave the zoom, or close the drawer",
    ),
    Command(
        "dashboard.quit",
        ("q", "ctrl+q"),
        "quit",
        "Quit",
        "Leave kmodtui; nothing changes",
        footer=True,
    ),
    Command(
        "dashboard.timeline",
        ("t",),
        "timeline",
        "Timeline",
        "Walk through every change since the start, and compare any two points",
        footer=True,
    ),
    Command(
        "dashboard.experiment",
        ("x",),
        "experiment",
        "Experiment",
        "Load a module, see what comes, unload it, see what stays",
        footer=True,
        needs_root=True,
    ),
    Command(
        "dashboard.log",
        ("L",),
        "log",
        "Log",
        "Open or close the drawer of the kernel's log, which follows what comes",
        footer=True,
    ),
    Command("lines.down", ("j", "down"), "cursor_down", "Down", "Go down a line"),
    Command("lines.up", ("k", "up"), "cursor_up", "Up", "Go up a line"),
    Command("lines.page_down", ("pagedown", "ctrl+d"), "page_down", "Page down", "Go down a page"),
    Command("lines.page_up", ("pageup", "ctrl+u"), "page_up", "Page up", "Go up a page"),
    Command("lines.top", ("g", "home"), "top", "Top", "Go to the first line"),
    Command("lines.bottom", ("G", "end"), "bottom", "Bottom", "Go to the last line"),
    Command("lines.open", ("enter",), "open_line", "Open", "Unfold or fold the line"),
    Command(
        "symbols.facet",
        ("f",),
        "facet",
        "Facet",
        "Show all symbols, functions only, or only what is exported",
    ),
    Command("symbols.next_hit", ("n",), "next_hit(1)", "Next hit", "Go to the next hit"),
    Command("symbols.previous_hit", ("N",), "next_hit(-1)", "Previous hit", "Go to the hit before"),
    Command(
        "log.severity",
        ("f",),
        "facet",
        "Severity",
        "Show all lines, warnings and worse, or errors and worse",
    ),
    Command(
        "log.only_module",
        ("m",),
        "only_module",
        "This module",
        "Show only the lines that name the selected module, or all again",
    ),
    Command("log.next_hit", ("n",), "next_hit(1)", "Next hit", "Go to the next hit"),
    Command("log.previous_hit", ("N",), "next_hit(-1)", "Hit before", "Go to the hit before"),
    Command(
        "log.read_on",
        ("enter",),
        "open_line",
        "Read on",
        "Read the log on where it is not followed any more",
    ),
    Command(
        "browser.details",
        ("enter",),
        "details",
        "Details",
        "Show everything about the symbol under the cursor",
        footer=True,
    ),
    Command(
        "browser.search",
        ("tab", "slash"),
        "search",
        "Line/list",
        "Go to the line to type into; Tab goes back to the list",
        footer=True,
    ),
    Command(
        "browser.back",
        ("escape",),
        "back",
        "Back",
        "Clear what is searched for, or close the browser",
        footer=True,
    ),
    Command(
        "browser.only_module",
        ("m",),
        "only_module",
        "This module",
        "In the list: only this module, or all again",
        footer=True,
    ),
    Command(
        "browser.only_type",
        ("t",),
        "only_type",
        "This type",
        "In the list: only this type letter, or all again",
        footer=True,
    ),
    Command(
        "browser.facet",
        ("f",),
        "facet",
        "Facet",
        "In the list: all, functions only, or only what is exported",
        footer=True,
    ),
    Command(
        "browser.addresses",
        ("A",),
        "addresses",
        "Addresses",
        "In the list: read hidden addresses through the helper",
        needs_root=True,
    ),
    Command(
        "browser.legend", ("a", "f2"), "legend", "Legend", "Say what the letters mean", footer=True
    ),
    Command("browser.help", ("f1", "question_mark"), "help", "Help", "Show every key"),
    Command("browser.close", ("q",), "close", "Close", "In the list: close the browser"),
    Command(
        "modules.mark",
        ("space",),
        "mark",
        "Mark",
        "Mark the module, for one plan of several; Esc lets go of all",
    ),
    Command("tree.down", ("j", "down"), "cursor_down", "Down", "Go down a line"),
    Command("tree.up", ("k", "up"), "cursor_up", "Up", "Go up a line"),
    Command("tree.top", ("g", "home"), "scroll_home", "Top", "Go to the first line"),
    Command("tree.bottom", ("G", "end"), "scroll_end", "Bottom", "Go to the last line"),
    Command("tree.fold", ("space",), "toggle_node", "Fold", "Open or close a branch"),
    Command(
        "tree.go", ("enter",), "select_cursor", "Select", "Select this module in the modules pane"
    ),
    Command(
        "timeline.mark", ("space",), "mark", "Mark", "Mark this point, or unmark it", footer=True
    ),
    Command(
        "timeline.compare",
        ("c",),
        "compare",
        "Compare",
        "Tell what came and went between two marks, or from the mark to here",
        footer=True,
    ),
    Command(
        "timeline.filter",
        ("slash",),
        "filter",
        "Search",
        "Search in the symbols of the change",
        footer=True,
    ),
    Command(
        "timeline.switch",
        ("tab", "l", "right"),
        "switch",
        "Other pane",
        "Go to the change, or back to the events",
    ),
    Command(
        "timeline.switch_back",
        ("shift+tab", "h", "left"),
        "switch",
        "Other pane",
        "Go back to the events, or to the change",
    ),
    Command("timeline.facet", ("f",), "facet", "Facet", "Show all symbols, functions or exports"),
    Command("timeline.next_hit", ("n",), "next_hit(1)", "Next hit", "Go to the next hit"),
    Command("timeline.previous_hit", ("N",), "next_hit(-1)", "Hit before", "Go to the hit before"),
    Command(
        "timeline.back",
        ("escape",),
        "back",
        "Back",
        "Clear the search, leave the change, or close",
        footer=True,
    ),
    Command(
        "compare.mark", ("space",), "mark", "Mark", "Mark this file, or unmark it", footer=True
    ),
    Command(
        "compare.compare",
        ("c",),
        "compare",
        "Compare",
        "Compare two marks, or a mark and this file, or this file and now",
        footer=True,
    ),
    Command(
        "compare.open", ("o",), "open", "Open", "Open a snapshot of another folder", footer=True
    ),
    Command("compare.filter", ("slash",), "filter", "Search", "Search in the symbols", footer=True),
    Command("compare.switch", ("tab", "l", "right"), "switch", "Other pane", "Go to what differs"),
    Command(
        "compare.switch_back",
        ("shift+tab", "h", "left"),
        "switch",
        "Other pane",
        "Go back to the files",
    ),
    Command("compare.facet", ("f",), "facet", "Facet", "Show all symbols, functions or exports"),
    Command("compare.next_hit", ("n",), "next_hit(1)", "Next hit", "Go to the next hit"),
    Command("compare.previous_hit", ("N",), "next_hit(-1)", "Hit before", "Go to the hit before"),
    Command(
        "compare.back",
        ("escape",),
        "back",
        "Back",
        "Clear the search, leave what differs, or close",
        footer=True,
    ),
    Command("compare.help", ("question_mark", "f1"), "help", "Help", "Show every key"),
    Command("compare.close", ("C", "q"), "close", "Close", "Close the comparison"),
    Command("experiment.begin", ("y",), "begin", "Begin", "Do what the plan says"),
    Command("experiment.accept", ("enter",), "accept", "Close", "Close once it is over"),
    Command("experiment.down", ("j", "down"), "scroll(1)", "Down", "Scroll down a line"),
    Command("experiment.up", ("k", "up"), "scroll(-1)", "Up", "Scroll up a line"),
    Command("experiment.page_down", ("pagedown",), "scroll(10)", "Page down", "Scroll down more"),
    Command("experiment.page_up", ("pageup",), "scroll(-10)", "Page up", "Scroll up more"),
    Command("experiment.cancel", ("escape",), "cancel", "Cancel", "Close, or stop waiting"),
    Command("timeline.help", ("question_mark", "f1"), "help", "Help", "Show every key"),
    Command("timeline.close", ("t", "q"), "close", "Close", "Close the timeline"),
    Command("dialog.confirm", ("y",), "confirm", "Yes", "Do what the plan says"),
    Command("dialog.cancel", ("escape",), "cancel", "Cancel", "Close; nothing is done"),
    Command("dialog.accept", ("enter",), "accept", "Close", "Close once it is over"),
    Command(
        "dialog.wait",
        ("w",),
        "wait",
        "Wait",
        "Plan to unload what is in use once it is let go, for a minute",
    ),
    Command("dialog.down", ("j", "down"), "scroll(1)", "Down", "Scroll down a line"),
    Command("dialog.up", ("k", "up"), "scroll(-1)", "Up", "Scroll up a line"),
    Command("picker.take", ("enter",), "take", "Plan", "Go on to the plan of the module"),
    Command("picker.down", ("down",), "move(1)", "Down", "Choose the next module of the list"),
    Command("picker.up", ("up",), "move(-1)", "Up", "Choose the module before"),
    Command("picker.page_down", ("pagedown",), "move(8)", "Page down", "Go eight modules on"),
    Command("picker.page_up", ("pageup",), "move(-8)", "Page up", "Go eight modules back"),
    Command("picker.complete", ("tab",), "complete", "Complete", "Complete the name or the path"),
    Command(
        "picker.parameters",
        ("ctrl+e",),
        "parameters",
        "Parameters",
        "Go on to the form of the module's parameters",
    ),
    Command("form.accept", ("enter",), "accept", "Plan", "Go on to the plan"),
    Command("form.down", ("down", "tab"), "move(1)", "Down", "Go to the next parameter"),
    Command("form.up", ("up", "shift+tab"), "move(-1)", "Up", "Go to the parameter before"),
    Command("form.page_down", ("pagedown",), "move(8)", "Page down", "Go eight parameters on"),
    Command("form.page_up", ("pageup",), "move(-8)", "Page up", "Go eight parameters back"),
    Command(
        "form.fresh",
        ("ctrl+t",),
        "fresh",
        "Keep or not",
        "Before a reload: give nothing to the module, or what it has now",
    ),
    Command(
        "linkage.filter",
        ("slash",),
        "filter",
        "Filter",
        "Show only the symbols that contain a text",
        footer=True,
    ),
    Command("linkage.fold", ("space",), "fold", "Fold", "Unfold or fold the symbols", footer=True),
    Command(
        "linkage.follow",
        ("o",),
        "follow",
        "Follow",
        "Show the linkage of the module that the cursor is at",
        footer=True,
    ),
    Command(
        "linkage.back", ("escape", "q"), "back", "Back", "Clear the filter, or go back", footer=True
    ),
    Command("check.fold", ("space",), "fold", "Fold", "Unfold or fold the finding", footer=True),
    Command("check.back", ("escape", "q"), "back", "Close", "Close the check", footer=True),
    Command("insert.plan", ("p",), "plan", "Plan", "Go on to the plan to insert the file"),
    Command("barren.demo", ("d",), "demo", "Demo", "Open a recorded Debian system", footer=True),
    Command(
        "barren.filter",
        ("slash",),
        "filter",
        "Filter",
        "Show only the symbols that contain a text",
        footer=True,
    ),
    Command(
        "barren.browser",
        ("B",),
        "browser",
        "Browser",
        "Look through all symbols, or look up an address",
        footer=True,
    ),
    Command("barren.legend", ("a", "f2"), "legend", "Legend", "Say what the letters mean"),
    Command("barren.back", ("escape",), "back", "Back", "Clear the filter"),
    Command("barren.help", ("question_mark", "f1"), "help", "Help", "Show every key", footer=True),
    Command("barren.quit", ("q", "ctrl+q"), "quit", "Quit", "Leave kmodtui", footer=True),
)

INNER = dict.fromkeys(("lines", "modules", "tree", "symbols", "log"), "dashboard")
"""Contexts that lie inside another, so that both hold at once."""


def in_context(context: str) -> tuple[Command, ...]:
    """Return the commands of one context in their order."""
    return tuple(command for command in COMMANDS if command.context == context)


def bindings(context: str) -> list[Binding]:
    """Return the key bindings of one context, for a widget's or screen's BINDINGS."""
    return [binding for command in in_context(context) for binding in command.bindings()]


_KEY_WORDS = {
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "question_mark": "?",
    "colon": ":",
    "escape": "Esc",
    "enter": "Enter",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "shift+tab": "Shift+Tab",
    "down": "↓",
    "up": "↑",
    "left": "←",
    "right": "→",
}


def key_words(key: str) -> str:
    """Return how a key is written for a person: `/`, `Esc`, `Ctrl+q`."""
    if key in _KEY_WORDS:
        return _KEY_WORDS[key]
    if key.startswith("ctrl+"):
        return "Ctrl+" + key.removeprefix("ctrl+")
    return key if len(key) == 1 else key.capitalize()
