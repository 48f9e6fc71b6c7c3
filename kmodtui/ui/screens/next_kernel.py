"""The page that shows what changes for modules when another installed kernel is booted."""

from __future__ import annotations

import asyncio

from kmodtui.model.next.finding import Difference, NextFinding
from kmodtui.services.next_kernel import compare_next
from kmodtui.ui.screens.table_page import TablePage
from kmodtui.ui.widgets.lines.table import TableRow

_STYLES = {
    Difference.ROOT: "bad",
    Difference.REMOVED: "bad",
    Difference.DKMS: "bad",
    Difference.RENAMED: "warn",
    Difference.PARAMETER: "warn",
    Difference.RULE: "warn",
    Difference.BUILT_IN: "info",
}


class NextKernelScreen(TablePage):
    """The differences, the most serious first; what was compared above them."""

    title_words = "After the next boot: what changes with another kernel"
    reading = "Comparing with the other kernel…"

    async def read(self) -> None:
        """Compare, and show the differences."""
        machine = self.machine
        report = await asyncio.to_thread(compare_next, machine.host, machine.release)
        self.lines.show([_row(each) for each in report.findings], *report.summary)


def _row(each: NextFinding) -> TableRow:
    uses = (f"In use now: {each.uses}.",) if each.uses else ()
    mark = (str(each.kind), _STYLES[each.kind])
    return TableRow(each.module, mark, each.module, each.cause, (*uses, each.file, each.remedy))
