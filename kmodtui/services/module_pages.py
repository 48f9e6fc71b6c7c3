"""The pages about modules of the observed machine, for the dashboard."""

from __future__ import annotations

import asyncio
import time

from kmodtui.model.about.about import about
from kmodtui.model.about.facts import ObservedLoad
from kmodtui.model.about.page import Page
from kmodtui.model.about.why import why
from kmodtui.model.hardware_names import HardwareNames
from kmodtui.model.history import Timeline
from kmodtui.model.modules import ModuleTable
from kmodtui.services.machine import Machine
from kmodtui.services.module_facts import SystemFacts


class ModulePages:
    """Makes pages. The facts of the system are read again when the modules have changed."""

    def __init__(self, machine: Machine) -> None:
        """Prepare to make pages; reads nothing."""
        self._machine = machine
        self._facts: SystemFacts | None = None
        self._raw: bytes | None = None
        self._names: HardwareNames | None = None

    def forget(self) -> None:
        """Read everything again for the next page."""
        self._facts = None

    async def about(self, name: str, table: ModuleTable) -> Page:
        """Return the page about what a module does."""
        return await asyncio.to_thread(lambda: about(self._system(table).about(name)))

    async def why(self, name: str, table: ModuleTable, timeline: Timeline) -> Page:
        """Return the page about why a module is loaded; this may take a second."""
        observed = observed_load(name, timeline)
        return await asyncio.to_thread(lambda: why(self._system(table).why(name, observed)))

    def _system(self, table: ModuleTable) -> SystemFacts:
        if self._facts is None or table.raw != self._raw:
            machine, index = self._machine, self._machine.index_now()
            problem = "" if index is not None else str(machine.index_problem or "")
            if self._facts is not None:
                self._names = self._facts.names
            self._raw = table.raw
            self._facts = SystemFacts(
                machine.host,
                machine.release,
                index,
                problem,
                names=self._names,
                origins=machine.origins,
            )
        return self._facts


def observed_load(name: str, timeline: Timeline) -> ObservedLoad | None:
    """Return the last load of a module in the timeline; None if there is none."""
    for event in reversed(timeline.events):
        change = event.change
        if any(module.name == name for module in (*change.loaded, *change.reloaded)):
            when = time.strftime("%H:%M:%S", time.localtime(change.when))
            return ObservedLoad(when, change.cause)
    return None
