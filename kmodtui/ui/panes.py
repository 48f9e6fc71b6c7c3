"""The list of the dashboard's panes; their keys, tabs and rows in footer and help follow from it.

A new pane is a widget (a subclass of `ui.widgets.pane.Pane`), an entry here, and a place in
`model/layout.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodtui.model.layout import Place
from kmodtui.ui.subject import SubjectKind

if TYPE_CHECKING:
    from kmodtui.services.live import LiveSystem
    from kmodtui.ui.widgets.panes.pane import Pane


@dataclass(frozen=True, slots=True)
class PaneEntry:
    """A pane.

    Attributes:
        id: the id of its widget.
        key: the key that goes to it, or that opens and closes it if it is a drawer, unless the
            user's configuration has another.
        title: a word for footer and palette.
        tab: a short word for the tabs of a narrow terminal.
        help: a phrase for the help screen and the palette.
        place: where it is on a wide terminal.
        create: returns its widget.
        lines: what the filter calls its lines; empty if `/` filters the first pane instead.
        terms: other words that find it in the palette.
        drawer: whether it is only there while it is open.
        on: see `Command.on`.
    """

    id: str
    key: str
    title: str
    tab: str
    help: str
    place: Place
    create: Callable[[PaneEntry, LiveSystem], Pane]
    lines: str = ""
    terms: tuple[str, ...] = ()
    drawer: bool = False
    on: tuple[SubjectKind, ...] = ()


# The widgets are imported when they are created: they use the registry of commands, which is
# made from this list.


def _modules(entry: PaneEntry, live: LiveSystem) -> Pane:
    from kmodtui.ui.widgets.panes.modules import ModulesPane

    return ModulesPane(entry, live)


def _info(entry: PaneEntry, live: LiveSystem) -> Pane:
    from kmodtui.ui.widgets.panes.info import InfoPane

    return InfoPane(entry, live)


def _symbols(entry: PaneEntry, live: LiveSystem) -> Pane:
    from kmodtui.ui.widgets.panes.symbols import SymbolsPane

    return SymbolsPane(entry, live)


def _tree(entry: PaneEntry, live: LiveSystem) -> Pane:
    from kmodtui.ui.widgets.panes.tree import TreePane

    return TreePane(entry, live)


def _log(entry: PaneEntry, live: LiveSystem) -> Pane:
    from kmodtui.ui.widgets.panes.log import LogPane

    return LogPane(entry, live)


PANES = (
    PaneEntry(
        "modules",
        "1",
        "Modules",
        "Modules",
        "Go to the loaded modules",
        Place.TOP_LEFT,
        _modules,
        lines="modules",
        terms=("lsmod", "/proc/modules", "list"),
    ),
    PaneEntry(
        "info",
        "3",
        "Info",
        "Info",
        "Go to the details of the selected module",
        Place.TOP_RIGHT,
        _info,
        lines="info",
        terms=("details", "about"),
        on=(SubjectKind.MODULE,),
    ),
    PaneEntry(
        "symbols",
        "4",
        "Symbols",
        "Symbols",
        "Go to the symbols pane",
        Place.BOTTOM_RIGHT,
        _symbols,
        lines="symbols",
    ),
    PaneEntry(
        "tree",
        "2",
        "Dependencies",
        "Tree",
        "Go to the dependency tree",
        Place.BOTTOM_LEFT,
        _tree,
        terms=("depmod", "modules.dep", "modprobe --show-depends", "tree"),
    ),
    PaneEntry(
        "log",
        "L",
        "Kernel log",
        "Log",
        "Open or close the kernel log, which follows new messages",
        Place.BELOW,
        _log,
        lines="kernel log",
        terms=("log", "dmesg", "journalctl -k", "kmsg", "printk"),
        drawer=True,
    ),
)
"""The panes in the order in which they fill the grid, row by row: the first one is the main one."""

IN_KEY_ORDER = tuple(sorted(PANES, key=lambda entry: (entry.drawer, entry.key)))
"""The panes in the order of tabs and of the Tab key: by number, drawers last."""
