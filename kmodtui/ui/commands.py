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
from kmodtui.ui.panes import IN_KEY_ORDER, PaneEntry
from kmodtui.ui.subject import EVERY_KIND, SubjectKind

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
    "table": "In the lists of rules, of exposures and of the doctor",
    "devices": "In the list of devices",
    "crosscheck": "In the cross-check for hidden modules",
    "profile": "In a profile of modules to block",
    "check": "In the check of a module file",
    "insert": "In the check before a file is inserted",
    "barren": "On a kernel without loadable modules",
}
"""The title of each context, in the order of the help screen."""

MODULE, SYMBOL = (SubjectKind.MODULE,), (SubjectKind.SYMBOL,)
EVENT, DEVICE, MESSAGE = (
    (SubjectKind.EVENT,),
    (SubjectKind.DEVICE,),
    (SubjectKind.MESSAGE,),
)

_KINDS = "all symbols, only functions, or only exported symbols"


def _pane_id(entry: PaneEntry) -> str:
    return f"dashboard.{entry.id}" if entry.drawer else f"dashboard.pane_{entry.id}"


def _pane_command(entry: PaneEntry) -> Command:
    """Return the command that goes to a pane."""
    return Command(
        _pane_id(entry),
        (entry.key,),
        f"pane('{entry.id}')",
        entry.title,
        entry.help,
        entry.terms,
        on=entry.on,
    )


def _drawer_command(entry: PaneEntry) -> Command:
    """Return the command that opens and closes a drawer."""
    return Command(
        _pane_id(entry),
        (entry.key,),
        f"drawer('{entry.id}')",
        entry.title,
        entry.help,
        entry.terms,
        footer=True,
    )


COMMANDS: tuple[Command, ...] = (
    Command(
        "dashboard.filter",
        ("slash",),
        "filter",
        "Filter",
        "Filter the lines of this pane by text",
        terms=("grep", "search", "find"),
        footer=True,
    ),
    Command(
        "dashboard.sort",
        ("s",),
        "sort_next",
        "Sort",
        "Sort by the next column",
        terms=("order by",),
        footer=True,
    ),
    Command("dashboard.sort_reverse", ("S",), "sort_reverse", "Reverse", "Reverse the sort order"),
    Command(
        "dashboard.load",
        ("plus", "i", "insert"),
        "load",
        "Load",
        "Choose a module and load it, after reviewing the plan",
        terms=("insmod", "modprobe", "add", "insert"),
        footer=True,
    ),
    Command(
        "dashboard.unload",
        ("minus", "u"),
        "unload",
        "Unload",
        "Unload the selected or marked modules, after reviewing the plan",
        terms=("rmmod", "modprobe -r", "modprobe --remove", "remove", "delete"),
        footer=True,
        on=MODULE,
    ),
    Command(
        "dashboard.reload",
        ("R", "ctrl+r"),
        "reload",
        "Reload",
        "Unload the module and load it again, with the same or other parameters",
        terms=("restart",),
        on=MODULE,
    ),
    Command(
        "dashboard.parameters",
        ("e",),
        "parameters",
        "Parameters",
        "Show and change the parameters of the selected module",
        terms=("options", "settings", "systool"),
        on=MODULE,
    ),
    Command(
        "dashboard.restrict",
        ("b",),
        "restrict",
        "Block",
        "Blacklist or block the module so that it is not loaded, or undo that",
        terms=("denylist", "blacklist", "blocklist", "modprobe.d", "autoload", "disable"),
        on=MODULE,
    ),
    Command(
        "dashboard.keep",
        ("K",),
        "keep",
        "Keep",
        "Load the module at every boot, and keep options or its current values, or end that",
        terms=("modules-load.d", "options", "modprobe.d", "boot", "persistent", "/etc/modules"),
        on=MODULE,
    ),
    Command(
        "dashboard.rules",
        ("M",),
        "rules",
        "Rules",
        "Show all rules of modprobe.d, what each does, and why some do nothing",
        terms=("modprobe.d", "modprobe -c", "softdep", "install", "options", "blacklist"),
    ),
    Command(
        "dashboard.exposure",
        ("E",),
        "exposure",
        "Exposure",
        "Show who can make the kernel load modules, and block them from there",
        terms=("autoload", "attack surface", "request_module", "user namespaces", "harden"),
    ),
    Command(
        "dashboard.devices",
        ("P",),
        "devices",
        "Devices",
        "Show the devices, beginning with those of the selected module",
        terms=("hardware", "lspci", "lsusb", "modalias", "driver", "plugged in"),
        on=MODULE,
    ),
    Command(
        "dashboard.crosscheck",
        ("V",),
        "crosscheck",
        "Cross-check",
        "Look for modules that some parts of the kernel show and others do not",
        terms=("rootkit", "hidden modules", "verify", "kprobes", "ftrace", "tampering"),
    ),
    Command(
        "dashboard.next_kernel",
        ("F",),
        "next_kernel",
        "Next kernel",
        "Show what changes for modules, options and rules after the next boot",
        terms=("upgrade", "reboot", "update", "DKMS", "removed", "renamed"),
    ),
    Command(
        "dashboard.doctor",
        ("X",),
        "doctor",
        "Doctor",
        "Check what this system lets you do with modules, and what is wrong",
        terms=("health", "CONFIG_MODULES", "lockdown", "Secure Boot", "DKMS", "sysctl"),
    ),
    Command(
        "dashboard.experiment",
        ("x",),
        "experiment",
        "Experiment",
        "Load a module, see what it adds, unload it, see what remains",
        terms=("try", "test"),
        footer=True,
    ),
    Command(
        "dashboard.watch",
        ("W",),
        "watch",
        "Watch",
        "Watch the .ko file of a module that is being developed, and load each rebuild",
        terms=("develop", "rebuild", "make", "hot reload"),
        on=MODULE,
    ),
    Command(
        "dashboard.undo",
        ("U",),
        "undo",
        "Undo",
        "Undo the last load, unload, reload, parameter, blacklist, block or keep change",
        terms=("revert", "roll back"),
    ),
    *(_drawer_command(entry) for entry in IN_KEY_ORDER if entry.drawer),
    Command(
        "dashboard.timeline",
        ("t",),
        "timeline",
        "Timeline",
        "Browse every change since the start, and compare any two marks",
        terms=("history", "events"),
        footer=True,
    ),
    Command(
        "dashboard.snapshot",
        ("ctrl+s", "alt+s"),
        "snapshot",
        "Snapshot",
        "Take a snapshot: save modules and symbols to a file",
        terms=("save", "export", "dump"),
    ),
    Command(
        "dashboard.compare",
        ("C",),
        "compare",
        "Compare",
        "Compare two snapshots, or a snapshot with the current state",
        terms=("diff",),
    ),
    Command(
        "dashboard.browser",
        ("B",),
        "browser",
        "Symbol browser",
        "Search all symbols, or look up an address",
        terms=("browser", "kallsyms", "ksyms", "nm", "addr2line", "System.map", "oops"),
    ),
    Command(
        "dashboard.linkage",
        ("o",),
        "linkage",
        "Linkage",
        "Show imports with their providers, and exports with their importers",
        terms=(
            "imports",
            "exports",
            "EXPORT_SYMBOL",
            "Module.symvers",
            "modprobe --dump-modversions",
        ),
        on=MODULE,
    ),
    Command(
        "dashboard.catalog",
        ("c",),
        "catalog",
        "Catalog",
        "Browse all modules of this kernel, loaded or not",
        terms=("/lib/modules", "modules.alias", "modules.builtin", "available"),
    ),
    Command(
        "dashboard.direction",
        ("d",),
        "reverse_tree",
        "Reverse tree",
        "Reverse the dependency tree: show dependencies or dependents",
        terms=("direction", "holders", "dependents", "used by"),
    ),
    Command(
        "dashboard.symbol_view",
        ("v",),
        "symbol_view",
        "Change / symbols",
        "Switch between the last change and the symbols of the selected module",
        on=MODULE,
    ),
    Command(
        "dashboard.why",
        ("w",),
        "why",
        "Why",
        "Show why the selected module is loaded, and why it cannot be unloaded",
        terms=("used by", "in use", "reason", "holders"),
        footer=True,
        on=MODULE,
    ),
    Command(
        "dashboard.modinfo",
        ("I",),
        "modinfo",
        "modinfo",
        "Show what modinfo prints for the selected module, or what it does",
        terms=("modinfo", "vermagic", "license", "fields"),
        on=MODULE,
    ),
    Command(
        "dashboard.addresses",
        ("A",),
        "addresses",
        "Addresses",
        "Read hidden symbol addresses as root, through the helper",
        terms=("kptr_restrict", "KASLR"),
        needs_root=True,
        on=SYMBOL,
    ),
    *(_pane_command(entry) for entry in IN_KEY_ORDER if not entry.drawer),
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
        "dashboard.zoom",
        ("z",),
        "zoom",
        "Zoom",
        "Maximize this pane, or restore it",
        terms=("maximize", "restore", "fullscreen"),
        footer=True,
    ),
    Command(
        "dashboard.pause",
        ("p",),
        "pause",
        "Pause",
        "Pause or resume watching the kernel",
        terms=("resume", "freeze"),
        footer=True,
    ),
    Command(
        "dashboard.refresh",
        ("r", "f5"),
        "refresh_now",
        "Refresh",
        "Read the state of the kernel now",
        terms=("update", "reread"),
    ),
    Command(
        "dashboard.back",
        ("escape",),
        "back",
        "Back",
        "Clear marks or filter, restore or close the pane, or go to the modules",
    ),
    Command(
        "dashboard.drop_root",
        ("D",),
        "drop_root",
        "Drop root",
        "Drop root privileges now; the next change starts the helper again",
        terms=("privileges", "sudo", "helper", "lock"),
    ),
    Command(
        "dashboard.idle",
        (),
        "idle",
        "Idle timeout",
        "Set how long the helper may be idle before it drops root privileges",
        needs_root=True,
    ),
    Command(
        "dashboard.legend",
        ("a", "f2"),
        "legend",
        "Legend",
        "Explain symbol types, taint flags, signs, and why addresses are zero",
        terms=("taint", "symbol types", "signs"),
    ),
    Command(
        "dashboard.palette",
        ("colon", "ctrl+p"),
        "palette",
        "Palette",
        "Find a command by name",
    ),
    Command(
        "dashboard.help",
        ("question_mark", "f1"),
        "help",
        "Help",
        "Search all keys, and what columns and flags mean, and run a command from there",
        terms=("keys", "shortcuts", "man"),
        footer=True,
        pinned=True,
    ),
    Command(
        "dashboard.quit",
        ("q", "ctrl+q"),
        "quit",
        "Quit",
        "Quit kmodtui; the kernel is left as it is",
        terms=("exit", "close"),
        footer=True,
        pinned=True,
    ),
    Command(
        "app.suspend",
        ("ctrl+z",),
        "suspend",
        "Suspend",
        "Suspend kmodtui, back to the shell; fg continues it",
        terms=("stop", "background", "fg", "SIGTSTP"),
    ),
    Command(
        "app.repaint",
        ("ctrl+l",),
        "repaint",
        "Repaint",
        "Repaint the screen after another program wrote on it",
        terms=("redraw", "clear", "refresh"),
    ),
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
    Command("symbols.facet", ("f",), "facet", "Kind", f"Show {_KINDS}"),
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
    Command(
        "timeline.mark",
        ("space",),
        "mark",
        "Mark",
        "Set or clear a mark here",
        footer=True,
        on=EVENT,
    ),
    Command(
        "timeline.compare",
        ("c",),
        "compare",
        "Compare",
        "Compare two marks, or the mark with this line",
        footer=True,
        on=EVENT,
    ),
    Command(
        "timeline.filter",
        ("slash",),
        "filter",
        "Search",
        "Search the symbols of the change",
        footer=True,
    ),
    Command(
        "timeline.switch",
        ("tab", "l", "right"),
        "switch",
        "Other pane",
        "Switch between the events and the change",
        on=EVENT,
    ),
    Command(
        "timeline.switch_back",
        ("shift+tab", "h", "left"),
        "switch",
        "Other pane",
        "Switch between the events and the change",
    ),
    Command(
        "timeline.facet",
        ("f",),
        "facet",
        "Kind",
        f"In the list, show one kind of events; in the change, {_KINDS}",
        footer=True,
    ),
    Command("timeline.next_match", ("n",), "next_match(1)", "Next match", "Go to the next match"),
    Command(
        "timeline.previous_match",
        ("N",),
        "next_match(-1)",
        "Previous match",
        "Go to the previous match",
    ),
    Command(
        "timeline.back",
        ("escape",),
        "back",
        "Back",
        "Clear the search, leave the change, or close the timeline",
        footer=True,
    ),
    Command(
        "timeline.help",
        ("question_mark", "f1"),
        "help",
        "Help",
        "Search all keys, and run a command from there",
    ),
    Command("timeline.close", ("t", "q"), "close", "Close", "Close the timeline"),
    Command(
        "compare.mark", ("space",), "mark", "Mark", "Mark or unmark this snapshot", footer=True
    ),
    Command(
        "compare.compare",
        ("c",),
        "compare",
        "Compare",
        "Compare two marks, a mark and this snapshot, or this snapshot and now",
        footer=True,
    ),
    Command(
        "compare.open",
        ("o",),
        "open",
        "Open",
        "Open a snapshot from another directory",
        footer=True,
    ),
    Command(
        "compare.filter",
        ("slash",),
        "filter",
        "Search",
        "Search the symbols that differ",
        footer=True,
    ),
    Command(
        "compare.switch",
        ("tab", "l", "right"),
        "switch",
        "Other pane",
        "Switch between the snapshots and the comparison",
    ),
    Command(
        "compare.switch_back",
        ("shift+tab", "h", "left"),
        "switch",
        "Other pane",
        "Switch between the snapshots and the comparison",
    ),
    Command("compare.facet", ("f",), "facet", "Kind", f"Show {_KINDS}"),
    Command("compare.next_match", ("n",), "next_match(1)", "Next match", "Go to the next match"),
    Command(
        "compare.previous_match",
        ("N",),
        "next_match(-1)",
        "Previous match",
        "Go to the previous match",
    ),
    Command(
        "compare.back",
        ("escape",),
        "back",
        "Back",
        "Clear the search, leave the comparison, or close",
        footer=True,
    ),
    Command(
        "compare.help",
        ("question_mark", "f1"),
        "help",
        "Help",
        "Search all keys, and run a command from there",
    ),
    Command("compare.close", ("C", "q"), "close", "Close", "Close the comparison"),
    Command("watch.load", ("y",), "load", "Load", "Load the build that is shown, or try again"),
    Command(
        "watch.earlier",
        ("o",),
        "earlier",
        "Earlier build",
        "Load the build again that was loaded before",
    ),
    Command(
        "watch.automatic",
        ("a",),
        "automatic",
        "Automatic",
        "Load rebuilds automatically once a load was confirmed, or only on a key",
    ),
    Command(
        "watch.make",
        ("m",),
        "make",
        "make",
        "Run make in the directory of the file when a source changes, or end that",
    ),
    Command("watch.down", ("j", "down"), "scroll(1)", "Down", "Scroll down a line"),
    Command("watch.up", ("k", "up"), "scroll(-1)", "Up", "Scroll up a line"),
    Command("watch.page_down", ("pagedown",), "scroll(10)", "Page down", "Scroll down 10 lines"),
    Command("watch.page_up", ("pageup",), "scroll(-10)", "Page up", "Scroll up 10 lines"),
    Command(
        "watch.close", ("escape", "q"), "close", "Close", "Close the page; the module stays loaded"
    ),
    Command("experiment.begin", ("y",), "begin", "Start", "Start the experiment"),
    Command("experiment.accept", ("enter",), "accept", "Close", "Close when it has finished"),
    Command("experiment.down", ("j", "down"), "scroll(1)", "Down", "Scroll down a line"),
    Command("experiment.up", ("k", "up"), "scroll(-1)", "Up", "Scroll up a line"),
    Command(
        "experiment.page_down", ("pagedown",), "scroll(10)", "Page down", "Scroll down 10 lines"
    ),
    Command("experiment.page_up", ("pageup",), "scroll(-10)", "Page up", "Scroll up 10 lines"),
    Command(
        "experiment.cancel", ("escape",), "cancel", "Cancel", "Close, or abort while it is running"
    ),
    Command(
        "browser.menu",
        ("enter",),
        "menu",
        "Actions",
        "Show what can be done with the symbol under the cursor",
        footer=True,
    ),
    Command(
        "browser.details",
        (),
        "details",
        "Details",
        "Show everything about the symbol under the cursor",
        on=SYMBOL,
    ),
    Command(
        "browser.search",
        ("tab", "slash"),
        "search",
        "Search/list",
        "Go to the search field; Tab goes back to the list",
        footer=True,
    ),
    Command(
        "browser.back",
        ("escape",),
        "back",
        "Back",
        "Clear the search, or close the browser",
        footer=True,
    ),
    Command(
        "browser.only_module",
        ("m",),
        "only_module",
        "This module",
        "In the list: show only symbols of this module, or of all modules",
        footer=True,
        on=SYMBOL,
    ),
    Command(
        "browser.only_type",
        ("t",),
        "only_type",
        "This type",
        "In the list: show only symbols of this type, or of all types",
        footer=True,
        on=SYMBOL,
    ),
    Command(
        "browser.facet",
        ("f",),
        "facet",
        "Kind",
        f"In the list: show {_KINDS}",
        footer=True,
    ),
    Command(
        "browser.addresses",
        ("A",),
        "addresses",
        "Addresses",
        "In the list: read hidden symbol addresses as root, through the helper",
        needs_root=True,
        on=SYMBOL,
    ),
    Command(
        "browser.legend",
        ("a", "f2"),
        "legend",
        "Legend",
        "Explain symbol types, taint flags and signs",
        footer=True,
    ),
    Command(
        "browser.help",
        ("f1", "question_mark"),
        "help",
        "Help",
        "Search all keys, and run a command from there",
    ),
    Command("browser.close", ("q",), "close", "Close", "In the list: close the browser"),
    Command("search.down", ("down",), "in_list('cursor_down')", "Down", "Move down a line"),
    Command("search.up", ("up",), "in_list('cursor_up')", "Up", "Move up a line"),
    Command("search.page_down", ("pagedown",), "in_list('page_down')", "Page down", "Page down"),
    Command("search.page_up", ("pageup",), "in_list('page_up')", "Page up", "Page up"),
    Command(
        "search.menu",
        ("enter",),
        "in_list('enter')",
        "Actions",
        "Show what can be done with the symbol under the cursor",
    ),
    Command("search.list", ("tab", "shift+tab"), "list", "List", "Go to the list"),
    Command("filter.keep", ("enter",), "keep", "Keep", "Keep the filter, and go back"),
    Command("filter.clear", ("escape",), "clear", "Clear", "Clear the filter, and go back"),
    Command("dialog.confirm", ("y",), "confirm", "Yes", "Confirm"),
    Command("dialog.cancel", ("escape",), "cancel", "Cancel", "Cancel, or close the dialog"),
    Command("dialog.accept", ("enter",), "accept", "Close", "Close when it has finished"),
    Command(
        "dialog.wait",
        ("w",),
        "wait",
        "Wait",
        "Plan to unload the module once it is unused, within 60 s",
    ),
    Command(
        "dialog.keep",
        ("K",),
        "keep",
        "Keep",
        "Of a load: also have the module loaded at every boot, with these parameters",
    ),
    Command(
        "dialog.copy",
        ("c",),
        "copy",
        "Copy",
        "Copy the command, the explanation or the plan",
    ),
    Command("dialog.down", ("j", "down"), "scroll(1)", "Down", "Scroll down a line"),
    Command("dialog.up", ("k", "up"), "scroll(-1)", "Up", "Scroll up a line"),
    Command(
        "restrict.blacklist",
        ("b",),
        "blacklist",
        "Blacklist",
        "Blacklist the module, or remove it from the blacklist",
    ),
    Command("restrict.block", ("k",), "block", "Block", "Block the module, or unblock it"),
    Command(
        "restrict.unload", ("u",), "unload", "Block and unload", "Block the module and unload it"
    ),
    Command("restrict.log", ("l",), "log", "Log only", "Log each load of the module"),
    Command("keep.boot", ("b",), "boot", "Load at boot", "Load the module at boot, or end that"),
    Command(
        "keep.current",
        ("c",),
        "current",
        "Keep current values",
        "Make the current values of its parameters options",
    ),
    Command("keep.options", ("o",), "options", "Options", "Enter options for every load"),
    Command("keep.forget", ("f",), "forget", "Forget", "Forget the module and its options"),
    Command("help.run", ("enter",), "run", "Run", "Run the command, if it works where you are"),
    Command("help.down", ("down",), "move(1)", "Down", "Go to the next row"),
    Command("help.up", ("up",), "move(-1)", "Up", "Go to the previous row"),
    Command("help.page_down", ("pagedown",), "move(12)", "Page down", "Page down"),
    Command("help.page_up", ("pageup",), "move(-12)", "Page up", "Page up"),
    Command("help.close", ("escape",), "back", "Close", "Clear the search, or close the help"),
    Command("page.close", ("escape", "q"), "close", "Close", "Close the page"),
    Command("page.down", ("j", "down"), "scroll(1)", "Down", "Scroll down a line"),
    Command("page.up", ("k", "up"), "scroll(-1)", "Up", "Scroll up a line"),
    Command("page.copy", ("y",), "copy", "Copy", "Copy a value of the page, or all of it"),
    Command(
        "page.save",
        ("greater_than_sign",),
        "save",
        "Save",
        "Save the page as text, Markdown, JSON or a picture",
    ),
    Command("prompt.accept", ("enter",), "accept", "Accept", "Accept what was entered"),
    Command("path.accept", ("enter",), "accept", "Accept", "Open the file, or save it"),
    Command("path.complete", ("tab",), "complete", "Complete", "Complete the path"),
    Command("picker.take", ("enter",), "take", "Plan", "Show the plan for the module"),
    Command("picker.down", ("down",), "move(1)", "Down", "Go to the next module"),
    Command("picker.up", ("up",), "move(-1)", "Up", "Go to the previous module"),
    Command("picker.page_down", ("pagedown",), "move(8)", "Page down", "Page down"),
    Command("picker.page_up", ("pageup",), "move(-8)", "Page up", "Page up"),
    Command("picker.complete", ("tab",), "complete", "Complete", "Complete the name or path"),
    Command(
        "picker.parameters",
        ("ctrl+e", "alt+e"),
        "parameters",
        "Parameters",
        "Set the parameters of the module",
    ),
    Command(
        "picker.restrict",
        ("ctrl+b", "alt+b"),
        "restrict",
        "Block",
        "Blacklist or block the module instead of loading it",
    ),
    Command(
        "picker.reach",
        ("ctrl+r", "alt+r"),
        "reach",
        "Reach",
        "Show only what any user, a user namespace or a device can have loaded",
    ),
    Command("form.accept", ("enter",), "accept", "Plan", "Show the plan"),
    Command("form.down", ("down", "tab"), "move(1)", "Down", "Go to the next parameter"),
    Command("form.up", ("up", "shift+tab"), "move(-1)", "Up", "Go to the previous parameter"),
    Command("form.page_down", ("pagedown",), "move(8)", "Page down", "Page down"),
    Command("form.page_up", ("pageup",), "move(-8)", "Page up", "Page up"),
    Command(
        "form.fresh",
        ("ctrl+t", "alt+t"),
        "fresh",
        "Keep/clear",
        "For a reload: pass no parameters, or the current values again",
    ),
    Command(
        "linkage.filter",
        ("slash",),
        "filter",
        "Filter",
        "Filter the symbols by text",
        footer=True,
    ),
    Command(
        "linkage.fold",
        ("space",),
        "fold",
        "Expand",
        "Expand or collapse the symbols",
        footer=True,
    ),
    Command(
        "linkage.follow",
        ("o",),
        "follow",
        "Follow",
        "Show the linkage of the module under the cursor",
        footer=True,
        on=MODULE,
    ),
    Command(
        "linkage.back", ("escape", "q"), "back", "Back", "Clear the filter, or go back", footer=True
    ),
    Command(
        "table.filter",
        ("slash",),
        "filter",
        "Filter",
        "Filter the lines by text",
        footer=True,
    ),
    Command(
        "table.restrict",
        ("b",),
        "restrict",
        "Block",
        "Blacklist or block the module under the cursor, or undo that",
        footer=True,
        on=MODULE,
    ),
    Command(
        "table.profiles",
        ("p",),
        "profiles",
        "Profiles",
        "Choose unused or rare modules to block together",
        footer=True,
    ),
    Command(
        "table.back", ("escape", "q"), "back", "Back", "Clear the filter, or go back", footer=True
    ),
    Command(
        "devices.menu",
        ("enter",),
        "menu",
        "Actions",
        "Show what can be done with the device",
        footer=True,
    ),
    Command(
        "devices.open",
        ("o",),
        "open",
        "Module",
        "Go to the module of the device, or plan to load it",
        footer=True,
        on=DEVICE,
    ),
    Command(
        "devices.filter",
        ("slash",),
        "filter",
        "Filter",
        "Filter the devices by text",
        footer=True,
    ),
    Command(
        "devices.restrict",
        ("b",),
        "restrict",
        "Block",
        "Blacklist or block the module of the device, or undo that",
        footer=True,
        on=DEVICE,
    ),
    Command(
        "devices.back",
        ("escape", "q"),
        "back",
        "Back",
        "Clear the filter, or go back",
        footer=True,
    ),
    Command(
        "crosscheck.as_root",
        ("A",),
        "as_root",
        "As root",
        "Compare also what only root can read, after asking",
        footer=True,
    ),
    Command(
        "crosscheck.again",
        ("r",),
        "again",
        "Again",
        "Compare again",
        footer=True,
    ),
    Command("crosscheck.filter", ("slash",), "filter", "Filter", "Filter the lines", footer=True),
    Command(
        "crosscheck.back",
        ("escape", "q"),
        "back",
        "Back",
        "Clear the filter, or go back",
        footer=True,
    ),
    Command(
        "profile.leave_out",
        ("space",),
        "leave_out",
        "In/out",
        "Leave the module out with what it needs, or put it back",
        footer=True,
    ),
    Command(
        "profile.leave_all_out",
        ("a",),
        "leave_all_out",
        "All",
        "Leave out all modules that are shown, or put them back",
        footer=True,
    ),
    Command("profile.filter", ("slash",), "filter", "Filter", "Filter the modules", footer=True),
    Command(
        "profile.other",
        ("t",),
        "other",
        "Other",
        "Show the other profile: unused modules, or rare ones",
        footer=True,
    ),
    Command(
        "profile.plan",
        ("p",),
        "plan",
        "Plan",
        "Show the plan that blocks the chosen modules",
        footer=True,
        pinned=True,
    ),
    Command(
        "profile.back", ("escape", "q"), "back", "Back", "Clear the filter, or go back", footer=True
    ),
    Command(
        "check.fold",
        ("space",),
        "fold",
        "Expand",
        "Expand or collapse the finding",
        footer=True,
    ),
    Command("check.back", ("escape", "q"), "back", "Close", "Close the check", footer=True),
    Command("insert.plan", ("p",), "plan", "Plan", "Show the plan for inserting the file"),
    Command(
        "barren.demo",
        ("d",),
        "demo",
        "Demo",
        "Open the demo, a recorded Debian system",
        footer=True,
    ),
    Command(
        "barren.filter",
        ("slash",),
        "filter",
        "Filter",
        "Filter the symbols by text",
        footer=True,
    ),
    Command(
        "barren.browser",
        ("B",),
        "browser",
        "Symbol browser",
        "Search all symbols, or look up an address",
        terms=("browser", "kallsyms", "ksyms", "nm", "addr2line", "System.map", "oops"),
        footer=True,
    ),
    Command(
        "barren.doctor",
        ("X",),
        "doctor",
        "Doctor",
        "Check what this system lets you do with modules, and what is wrong",
        terms=("health", "CONFIG_MODULES", "lockdown", "Secure Boot", "sysctl"),
        footer=True,
    ),
    Command(
        "barren.legend",
        ("a", "f2"),
        "legend",
        "Legend",
        "Explain symbol types, taint flags, signs, and why addresses are zero",
        terms=("taint", "symbol types", "signs"),
    ),
    Command("barren.back", ("escape",), "back", "Back", "Clear the filter"),
    Command(
        "barren.help",
        ("question_mark", "f1"),
        "help",
        "Help",
        "Search all keys, and run a command from there",
        terms=("keys", "shortcuts", "man"),
        footer=True,
        pinned=True,
    ),
    Command(
        "barren.quit",
        ("q", "ctrl+q"),
        "quit",
        "Quit",
        "Quit kmodtui",
        terms=("exit", "close"),
        footer=True,
        pinned=True,
    ),
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


def key_of(id_: str) -> str:
    """Return the name of a command's first key, as it is shown."""
    return key_words(_BY_ID[id_].keys[0])


def pane_key(entry: PaneEntry) -> str:
    """Return the name of the key that goes to a pane, or opens it, as it is shown."""
    return key_of(_pane_id(entry))


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
