"""The screen of a module's linkage: which symbols it takes from whom, and gives to whom."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.worker import Worker, WorkerState

from kmodtui.services.linkage import linkage_of
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.linkage_lines import LinkageLines


class LinkageScreen(ModalScreen[None]):
    """A page over the dashboard, to fold, filter and follow."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("linkage")]
    AUTO_FOCUS = "#linkage-lines"

    def __init__(self, machine: Machine, name: str, other: str = "") -> None:
        """Show the module `name`; what is between it and `other` is unfolded."""
        super().__init__()
        self._machine = machine
        self._module = name
        self._other = other
        self._lines = LinkageLines()
        self._frame = Vertical(classes="dialog page", id="linkage-dialog")
        self._filter = FilterBar(self._show_filter)

    def compose(self) -> ComposeResult:
        """Frame the lines, the filter and the keys."""
        with self._frame:
            set_title(self._frame, f"Linkage of {self._module}")
            yield self._lines
            yield self._filter
            yield KeyLine("linkage")

    def on_mount(self) -> None:
        """Read the files."""
        self.run_worker(self._read(), group="linkage", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        found = await linkage_of(self._machine, self._module)
        self._lines.show_linkage(found, self._other)
        state = "loaded" if found.loaded else "not loaded"
        set_title(self._frame, f"Linkage of {self._module} ({state})")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the failure of the reading."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            desk(self).report(event.worker.error)
            self._lines.empty_text = "The files could not be read."
            self._lines.lines_changed()

    # Commands

    def action_filter(self) -> None:
        """Open the line to type a filter into."""
        self._filter.open("symbols", self._lines.filter_text)

    def _show_filter(self, text: str) -> None:
        self._lines.filter_text = text
        set_subtitle(self._frame, f"/{text} · {self._lines.hits:,} found" if text else "")

    def action_follow(self) -> None:
        """Show the linkage of the module that the cursor is at."""
        if module := self._lines.module:
            self.app.push_screen(LinkageScreen(self._machine, module, self._module))

    def action_fold(self) -> None:
        """Unfold or fold what the cursor is in."""
        self._lines.action_open_line()

    def action_back(self) -> None:
        """Clear the filter, or go back to what was shown before."""
        if self._lines.filter_text:
            self._show_filter("")
        else:
            self.dismiss(None)
