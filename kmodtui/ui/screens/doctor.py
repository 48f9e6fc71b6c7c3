"""The page that shows what this system lets you do with modules, and what is wrong with it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.binding import BindingType

from kmodtui.model.doctor.doctor import diagnose
from kmodtui.model.doctor.finding import OPTIONS, Finding, Group, Level
from kmodtui.services.doctor import examine, root_files
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.refusal import root_allowed
from kmodtui.ui.dialogs.root_question import RootQuestion
from kmodtui.ui.screens.table_page import TablePage
from kmodtui.ui.widgets.lines.table import TableRow

_STYLES = {
    Level.OK: "good",
    Level.LIMITED: "warn",
    Level.OFF: "bad",
    Level.UNKNOWN: "info",
}


_QUESTION = (
    "The helper reads which unloaded modules have tainted the kernel and, if this kernel counts "
    "them, failed and duplicate loads. It changes nothing."
)


class DoctorScreen(TablePage):
    """The checks by subject, with those that are not ok first; a summary above them."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("doctor")]

    title_words = "Doctor: what this system lets you do with modules"
    reading = "Examining the system…"
    keys_of = "doctor"

    _as_root = False

    async def read(self) -> None:
        """Examine the system and show the report."""
        machine = self.machine
        root = await root_files(machine, desk(self).foreground) if self._as_root else None
        facts = await asyncio.to_thread(examine, machine.host, machine.release, root)
        report = diagnose(facts)
        rows = (_row(group, each) for group in report.groups for each in group.worst_first)
        self.lines.show(tuple(rows), *report.summary)

    def action_as_root(self) -> None:
        """Examine again, also what only root can read, after asking."""
        if not root_allowed(self, self.machine, "Only root can read that"):
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._as_root = True
                self.read_again()

        question = RootQuestion("Examine as root", _QUESTION, self.machine.reading_words)
        self.app.push_screen(question, answered)


def _row(group: Group, each: Finding) -> TableRow:
    # An option that is off is rarely a problem, and nobody can change it while the kernel runs.
    calm = group.key == OPTIONS and each.level is Level.OFF
    mark = (str(each.level), "dim" if calm else _STYLES[each.level])
    return TableRow(each.module, mark, each.subject, each.reason, each.lines, group.title)
