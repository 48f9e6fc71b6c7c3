"""The page that shows what this system lets you do with modules, and what is wrong with it."""

from __future__ import annotations

import asyncio

from kmodtui.model.doctor.doctor import diagnose
from kmodtui.model.doctor.finding import OPTIONS, Finding, Group, Level
from kmodtui.services.doctor import examine
from kmodtui.ui.screens.table_page import TablePage
from kmodtui.ui.widgets.lines.table import TableRow

_STYLES = {
    Level.OK: "good",
    Level.LIMITED: "warn",
    Level.OFF: "bad",
    Level.UNKNOWN: "info",
}


class DoctorScreen(TablePage):
    """The checks by subject, with those that are not ok first; a summary above them."""

    title_words = "Doctor: what this system lets you do with modules"
    reading = "Examining the system…"

    async def read(self) -> None:
        """Examine the system and show the report."""
        machine = self.machine
        facts = await asyncio.to_thread(examine, machine.host, machine.release)
        report = diagnose(facts)
        rows = (_row(group, each) for group in report.groups for each in group.worst_first)
        self.lines.show(tuple(rows), *report.summary)


def _row(group: Group, each: Finding) -> TableRow:
    # An option that is off is rarely a problem, and nobody can change it while the kernel runs.
    calm = group.key == OPTIONS and each.level is Level.OFF
    mark = (str(each.level), "dim" if calm else _STYLES[each.level])
    return TableRow(each.module, mark, each.subject, each.reason, each.lines, group.title)
