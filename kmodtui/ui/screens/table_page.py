"""Pages with a list of rows about modules, which can be filtered and blocked from there."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import counted
from kmodtui.services.live import LiveSystem
from kmodtui.services.machine import Machine
from kmodtui.ui.change_flow import ChangeFlow
from kmodtui.ui.commands import bindings
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.table import TableLines


class TablePage(Dialog[None]):
    """A page over the dashboard. A subclass reads the rows.

    Attributes:
        lines: the rows.
        machine: the observed machine.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]
    AUTO_FOCUS = "TableLines"

    title_words: ClassVar[str] = ""
    reading: ClassVar[str] = ""
    keys_of: ClassVar[str] = "table"

    def __init__(self, live: LiveSystem) -> None:
        """Create the page for a system."""
        super().__init__()
        self._live = live
        self.machine: Machine = live.machine
        self.lines = TableLines("table-lines", self.reading)
        self.lines.menu_first = "table.restrict"
        self._changes = ChangeFlow(self, live, lambda _: self.read_again())
        self._frame = Vertical(classes="dialog page", id="table-dialog")
        self._filter = FilterBar(self._show_filter)

    def compose(self) -> ComposeResult:
        """Lay out the rows, the filter and the keys."""
        with self._frame:
            set_title(self._frame, self.title_words)
            yield self.lines
            yield self._filter
            yield KeyLine(self.keys_of)

    def on_mount(self) -> None:
        """Start reading."""
        self.read_again()

    def read_again(self) -> None:
        """Read the rows, also after a change."""
        self.work(self._read, "table", failed=lambda _: self.lines.show((), empty="It failed."))

    async def _read(self) -> None:
        try:
            await self.read()
        except KmodtuiError as error:
            self.lines.show((), empty=str(error))
        self._show_filter(self.lines.filter_text)

    async def read(self) -> None:
        """Read the rows and show them.

        Raises:
            KmodtuiError: they cannot be read.
        """
        raise NotImplementedError

    def action_filter(self) -> None:
        """Open the filter."""
        self._filter.open("lines", self.lines.filter_text, self.lines.source.kind)

    def _show_filter(self, text: str) -> None:
        self.lines.filter_text = text
        matches = counted(self.lines.matches, "match", "matches")
        set_subtitle(self._frame, f"/{text} · {matches}" if text else "")

    def action_restrict(self) -> None:
        """Blacklist or block the module under the cursor, or end that."""
        if module := self.lines.module:
            self._changes.restrict((module,))
        else:
            self.say_nothing_selected("There is no module on this line.")

    def action_back(self) -> None:
        """Clear the filter, or go back to the previous screen."""
        if self.lines.filter_text:
            self._show_filter("")
        else:
            self.dismiss(None)


class BlockingPage(TablePage):
    """A page from which many modules can be blocked together."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("rules")]
    keys_of = "rules"

    def action_profiles(self) -> None:
        """Choose modules to block together."""
        from kmodtui.ui.screens.profile import ProfileScreen

        self.app.push_screen(ProfileScreen(self._live), lambda _: self.read_again())
