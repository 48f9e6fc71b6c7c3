"""The commands of lists and panes."""

from __future__ import annotations

from kmodtui.ui.command import Command
from kmodtui.ui.registry.shared import KINDS, MESSAGE, MODULE, SYMBOL
from kmodtui.ui.subject import EVERY_KIND

COMMANDS: tuple[Command, ...] = (
    Command("lines.down", ("j", "down"), "cursor_down", "Down", "Move down a line"),
    Command("lines.up", ("k", "up"), "cursor_up", "Up", "Move up a line"),
    Command("lines.page_down", ("pagedown", "ctrl+d"), "page_down", "Page down", "Page down"),
    Command("lines.page_up", ("pageup", "ctrl+u"), "page_up", "Page up", "Page up"),
    Command("lines.top", ("g", "home"), "top", "Top", "Go to the first line"),
    Command("lines.bottom", ("G", "end"), "bottom", "Bottom", "Go to the last line"),
    Command(
        "lines.open",
        ("enter",),
        "enter",
        "Actions",
        "Show what can be done with a module, symbol, event, device or message; "
        "open, expand or collapse any other line",
    ),
    Command(
        "modules.mark",
        ("space",),
        "mark",
        "Mark",
        "Mark or unmark the module, to change several at once; Esc clears all",
        on=MODULE,
    ),
    Command(
        "lines.copy",
        ("y",),
        "copy",
        "Copy",
        "Copy the name, another field, the line or the page to the clipboard",
        terms=("yank", "clipboard", "OSC 52"),
        on=EVERY_KIND,
    ),
    Command(
        "lines.save",
        ("greater_than_sign",),
        "save",
        "Save",
        "Save the page as text, Markdown, JSON or a picture",
        terms=("export", "write", "SVG"),
    ),
    Command("tree.down", ("j", "down"), "cursor_down", "Down", "Move down a line"),
    Command("tree.up", ("k", "up"), "cursor_up", "Up", "Move up a line"),
    Command("tree.top", ("g", "home"), "scroll_home", "Top", "Go to the first line"),
    Command("tree.bottom", ("G", "end"), "scroll_end", "Bottom", "Go to the last line"),
    Command("tree.fold", ("space",), "toggle_node", "Expand", "Expand or collapse the branch"),
    Command("tree.menu", ("enter",), "enter", "Actions", "Show what can be done with the module"),
    Command("tree.go", (), "go", "Select", "Select this module in the modules pane", on=MODULE),
    Command(
        "symbols.details", (), "details", "Details", "Show everything about the symbol", on=SYMBOL
    ),
    Command(
        "tree.copy",
        ("y",),
        "copy",
        "Copy",
        "Copy the name of the module, its path or the tree to the clipboard",
        on=MODULE,
    ),
    Command(
        "tree.save",
        ("greater_than_sign",),
        "save",
        "Save",
        "Save the tree as text, Markdown, JSON or a picture",
    ),
    Command("symbols.facet", ("f",), "facet", "Kind", f"Show {KINDS}"),
    Command("symbols.next_match", ("n",), "next_match(1)", "Next match", "Go to the next match"),
    Command(
        "symbols.previous_match",
        ("N",),
        "next_match(-1)",
        "Previous match",
        "Go to the previous match",
    ),
    Command(
        "log.severity",
        ("f",),
        "facet",
        "Severity",
        "Show all messages, warnings and worse, or errors and worse",
    ),
    Command(
        "log.only_module",
        ("m",),
        "only_module",
        "This module",
        "Show only messages that mention the selected module, or all messages",
        on=MESSAGE,
    ),
    Command("log.next_match", ("n",), "next_match(1)", "Next match", "Go to the next match"),
    Command(
        "log.previous_match",
        ("N",),
        "next_match(-1)",
        "Previous match",
        "Go to the previous match",
    ),
    Command(
        "log.go",
        (),
        "go",
        "Module",
        "Go to the loaded module that the message names",
        on=MESSAGE,
    ),
    Command(
        "log.read_on",
        ("enter",),
        "enter",
        "Resume",
        "Resume following the log after an error; else show what can be done with the message",
    ),
)
