"""The page that shows who can make the kernel load each module."""

from __future__ import annotations

import asyncio

from kmodtui.model.exposure.exposure import Exposure, reason_words, totals
from kmodtui.model.exposure.request import Reach, Switches, settings
from kmodtui.model.filter.sources import ExposureSource
from kmodtui.services.exposure import read_exposures
from kmodtui.ui.screens.table_page import BlockingPage
from kmodtui.ui.widgets.lines.table import RowSource, TableRow
from kmodtui.ui.widgets.module_choices import REACH_STYLES


class ExposureScreen(BlockingPage):
    """The modules that others than root can have loaded, the widest reach first."""

    title_words = "Exposure: who can make the kernel load modules"
    reading = "Reading the aliases and the rules…"

    def on_mount(self) -> None:
        """Filter by the fields of exposures."""
        self.lines.source = RowSource(ExposureSource())
        super().on_mount()

    async def read(self) -> None:
        """Read the exposures and show them."""
        machine = self.machine
        found, switches = await asyncio.to_thread(read_exposures, machine.host, machine.release)
        self._show(found, switches)

    def _show(self, found: tuple[Exposure, ...], switches: Switches) -> None:
        reached = [each for each in found if each.reach is not Reach.ROOT]
        reached.sort(key=lambda each: (each.reach.rank, each.loaded, each.name))
        head = (*settings(switches), *totals(found))
        self.lines.show([_row(each) for each in reached], *head)


def _row(each: Exposure) -> TableRow:
    state = "  loaded" if each.loaded else ""
    mark = (str(each.reach), REACH_STYLES[each.reach])
    return TableRow(each.name, mark, f"{each.name}{state}", reason_words(each), about=each)
