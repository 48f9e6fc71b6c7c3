"""The linkage view: which symbols a module imports and exports, by provider and importer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.text import counted
from kmodtui.services.linkage import linkage_of
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.linkage import LinkageLines


class LinkageScreen(Dialog[None]):
    """A page over the dashboard, with groups of symbols to expand, filter and follow."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("linkage")]
    AUTO_FOCUS = "#linkage-lines"

    def __init__(self, machine: Machine, name: str, other: str = "") -> None:
        """Create the view of module `name`; the symbols shared with `other` are expanded."""
        super().__init__()
        self._machine = machine
        self._module = name
        self._other = other
        self._lines = LinkageLines()
        self._frame = Vertical(classes="dialog page", id="linkage-dialog")
        self._filter = FilterBar(self._show_filter, FilterKind.TEXT)

    def compose(self) -> ComposeResult:
        """Lay out the lines, the filter and the keys."""
        with self._frame:
            set_title(self._frame, f"Linkage of {self._module}")
            yield self._lines
            yield self._filter
            yield KeyLine("linkage")

    def on_mount(self) -> None:
        """Start reading the module files."""
        self.work(self._read, "linkage", failed=self._show_failure)

    async def _read(self) -> None:
        linkage = await linkage_of(self._machine, self._module)
        self._lines.show_linkage(linkage, self._other)
        state = "loaded" if linkage.loaded else "not loaded"
        set_title(self._frame, f"Linkage of {self._module} ({state})")

    def _show_failure(self, _error: Exception) -> None:
        self._lines.empty_text = "The module files could not be read."
        self._lines.lines_changed()

    # Commands

    def action_filter(self) -> None:
        """Open the filter."""
        self._filter.open("symbols", self._lines.filter_text)

    def _show_filter(self, text: str) -> None:
        self._lines.filter_text = text
        matches = counted(self._lines.hits, "match", "matches")
        set_subtitle(self._frame, f"/{text} · {matches}" if text else "")

    def action_follow(self) -> None:
        """Show the linkage of the module under the cursor."""
        if not (module := self._lines.module):
            self.say_nothing_selected("There is no module on this line.")
        else:
            self.app.push_screen(LinkageScreen(self._machine, module, self._module))

    def action_fold(self) -> None:
        """Expand or collapse the symbols under the cursor."""
        self._lines.action_open_line()

    def action_back(self) -> None:
        """Clear the filter, or go back to the previous screen."""
        if self._lines.filter_text:
            self._show_filter("")
        else:
            self.dismiss(None)
