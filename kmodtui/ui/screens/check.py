"""The screen that checks whether the kernel would accept a module file; needs no root."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from kmodtui.errors import KmodtuiError
from kmodtui.services.check import check
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.check import CheckLines


class CheckScreen(Dialog[None]):
    """A page over the current screen; nothing is loaded."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("check")]
    AUTO_FOCUS = "#check-lines"

    def __init__(self, machine: Machine, path: str) -> None:
        """Create the check of the file at `path` on `machine`."""
        super().__init__()
        self._machine = machine
        self._path = path
        self._lines = CheckLines()

    def compose(self) -> ComposeResult:
        """Lay out the results and the keys."""
        with Vertical(classes="dialog page", id="check-dialog") as frame:
            set_title(frame, f"Check of {self._path.rsplit('/', 1)[-1]}")
            set_subtitle(frame, f"for Linux {self._machine.release}")
            yield self._lines
            yield KeyLine("check")

    def on_mount(self) -> None:
        """Start the check."""
        self.work(self._read, "check", failed=self._show_failure)

    async def _read(self) -> None:
        try:
            result = await check(self._machine, self._path)
        except KmodtuiError as error:
            self._lines.show_failure(str(error))
            return
        self._lines.show_check(result)

    def _show_failure(self, _error: Exception) -> None:
        self._lines.show_failure("The check failed. See the log file.")

    def action_fold(self) -> None:
        """Expand or collapse the finding under the cursor."""
        self._lines.action_open_line()

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)
