"""The screen that says whether the kernel would take a module file, before root is used."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.worker import Worker, WorkerState

from kmodtui.errors import KmodtuiError
from kmodtui.services.check import check
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.check_lines import CheckLines
from kmodtui.ui.widgets.key_line import KeyLine


class CheckScreen(ModalScreen[None]):
    """A page over whatever was there before; nothing is loaded for it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("check")]
    AUTO_FOCUS = "#check-lines"

    def __init__(self, machine: Machine, path: str) -> None:
        """Check the file at `path`, of the machine that is looked at."""
        super().__init__()
        self._machine = machine
        self._path = path
        self._lines = CheckLines()

    def compose(self) -> ComposeResult:
        """Frame the lines and the keys."""
        with Vertical(classes="dialog page", id="check-dialog") as frame:
            set_title(frame, f"Check of {self._path.rsplit('/', 1)[-1]}")
            set_subtitle(frame, f"by Linux {self._machine.release}")
            yield self._lines
            yield KeyLine("check")

    def on_mount(self) -> None:
        """Read and judge."""
        self.run_worker(self._read(), group="check", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        try:
            found = await check(self._machine, self._path)
        except KmodtuiError as error:
            self._lines.show_failure(str(error))
            return
        self._lines.show_check(found)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the failure of the reading."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            desk(self).report(event.worker.error)
            self._lines.show_failure("The check could not be done: the log file has the details.")

    def action_fold(self) -> None:
        """Unfold or fold what the cursor is in."""
        self._lines.action_open_line()

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)
