"""The dashboard's commands about what has happened: the timeline of it, and what is kept of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from textual.screen import Screen
from textual.worker import Worker

from kmodtui.errors import KmodtuiError, UnreadableError, UsageError
from kmodtui.model.history import Change, Timeline
from kmodtui.model.modules import ModuleTable
from kmodtui.model.symbols import SymbolTable
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.experiment import planned
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.services.snapshots import default_path, save, take
from kmodtui.ui.desk import desk
from kmodtui.ui.screens.compare import CompareScreen
from kmodtui.ui.screens.experiment import ExperimentPicker, ExperimentScreen
from kmodtui.ui.screens.load import LoadRequest
from kmodtui.ui.screens.refusal import may_have_root
from kmodtui.ui.screens.timeline import TimelineScreen
from kmodtui.ui.widgets.header_line import HeaderFacts


class Remembering(Screen[None]):
    """What a screen that watches a machine keeps of it."""

    machine: Machine
    monitor: Monitor
    timeline = Timeline()

    @property
    def selected_module(self) -> str | None:
        """The module that a command is about, at this key press."""
        raise NotImplementedError

    @property
    def header_facts(self) -> HeaderFacts:
        """What the header tells now, for the header of a view that is opened."""
        raise NotImplementedError

    def show_header(self) -> None:
        """Tell anew how things stand with root."""
        raise NotImplementedError

    # What has happened

    def begin_timeline(self, table: ModuleTable, symbols: SymbolTable | None) -> None:
        """Take the first reading for the start of the timeline; later ones are not."""
        if not self.timeline.began:
            self.timeline = Timeline.begin(time.time(), table, symbols)
            self._show_timeline()

    def add_to_timeline(
        self,
        change: Change,
        table: ModuleTable,
        symbols: SymbolTable | None,
        stays: Mapping[str, str],
    ) -> None:
        """Keep a change."""
        self.timeline = self.timeline.with_event(change, table, symbols, stays)
        self._show_timeline()
        if isinstance(dialog := self.app.screen, ExperimentScreen):
            dialog.show_change(change)

    def _show_timeline(self) -> None:
        for screen in self.app.screen_stack:
            if isinstance(screen, TimelineScreen):
                screen.show(self.timeline, self.header_facts)

    # Commands

    def action_timeline(self) -> None:
        """Walk through what has happened since the start."""
        self.app.push_screen(TimelineScreen(self.timeline, self.header_facts))

    def action_snapshot(self) -> None:
        """Save modules and symbols of this moment to a file in the current folder."""
        _: Worker[None] = self.run_worker(
            self._snapshot, group="snapshot", exclusive=True, exit_on_error=False
        )

    async def _snapshot(self) -> None:
        try:
            snapshot = await asyncio.to_thread(take, self.machine.host)
            path = default_path(snapshot, _current_folder())
            size = await asyncio.to_thread(save, snapshot, path)
        except KmodtuiError as error:
            desk(self).report(error)
            return
        symbols = counted(snapshot.totals.symbols or 0, "symbol")
        # The name by itself: broken at its dot, its end would read as words of kmodtui.
        self.notify(
            f"{clean(path.name)}\nin {clean(str(path.parent))}\n"
            f"{counted(len(snapshot.modules), 'module')}, {symbols}, {human_size(size)}. "
            "C compares it.",
            title="Snapshot saved",
            markup=False,
            timeout=8,
        )

    def action_compare(self) -> None:
        """Compare snapshots with each other, or with now."""
        try:
            folder = _current_folder()
        except KmodtuiError as error:
            desk(self).report(error)
            return
        self.app.push_screen(CompareScreen(self.machine.host, folder, self.header_facts))

    def action_experiment(self) -> None:
        """Ask which module to load, look at and unload again."""
        if may_have_root(self, self.machine):
            self.app.push_screen(ExperimentPicker(self.machine), self._plan_experiment)

    def _plan_experiment(self, request: LoadRequest | None) -> None:
        if request is not None:
            self.run_worker(
                self._planned_experiment(request),
                group="plan",
                exclusive=True,
                exit_on_error=False,
            )

    async def _planned_experiment(self, request: LoadRequest) -> None:
        try:
            if "/" in request.name:
                raise UsageError(
                    "An experiment takes a module by its name, not a file.",
                    "modprobe has to find it, to unload it in the right order.",
                )
            report = await planned(self.machine, request.name, request.parameters)
        except KmodtuiError as error:
            desk(self).report(error)
            return

        def closed(_: bool | None) -> None:
            self.show_header()
            self.monitor.read_now()

        await self.app.push_screen(ExperimentScreen(self.machine, self.monitor, report), closed)


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise UnreadableError(
            "The folder that kmodtui was started in is not there any more.",
            "Start it in another one, or use kmodtui snapshot -o FILE.",
        ) from None
