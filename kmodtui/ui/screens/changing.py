"""The dashboard's commands that change the kernel: each opens its plan first."""

from __future__ import annotations

from textual.screen import Screen

from kmodtui.errors import KmodtuiError
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.ui.desk import desk
from kmodtui.ui.screens.load import LoadDialog, LoadRequest
from kmodtui.ui.screens.plan import PlanDialog


class Changing(Screen[None]):
    """What a screen with a selected module can do to the kernel."""

    machine: Machine
    monitor: Monitor

    # What the screen tells and is told

    @property
    def selected_module(self) -> str | None:
        """The module that a command is about, at this key press."""
        raise NotImplementedError

    def show_module(self, name: str) -> None:
        """Go to a module that has just changed, and to what it did to the symbols."""
        raise NotImplementedError

    def show_header(self) -> None:
        """Tell anew how things stand with root."""
        raise NotImplementedError

    # Commands

    def _may_change(self) -> bool:
        denied = self.machine.root.denied
        if denied is not None:
            desk(self).report(denied)
        return denied is None

    def action_load(self) -> None:
        """Ask which module to load."""
        if self._may_change():
            self.app.push_screen(LoadDialog(self.machine), self._plan_load)

    def _plan_load(self, request: LoadRequest | None) -> None:
        if request is not None:
            self._open_plan("load", request.name, request.parameters)

    def action_unload(self) -> None:
        """Plan to unload the module that the cursor is on at this key press."""
        name = self.selected_module
        if name is not None and self._may_change():
            self._open_plan("unload", name, ())

    def _open_plan(self, verb: str, name: str, parameters: tuple[str, ...]) -> None:
        self.run_worker(
            self._planned(verb, name, parameters), group="plan", exclusive=True, exit_on_error=False
        )

    async def _follow_helper(self) -> None:
        """Say it in the header when the session with root has ended, by whomever."""
        await self.machine.helper_gone()
        self.show_header()

    async def _planned(self, verb: str, name: str, parameters: tuple[str, ...]) -> None:
        try:
            plan = await self.machine.plan(verb, name, parameters)
        except KmodtuiError as error:
            desk(self).report(error)
            return

        def closed(done: bool | None) -> None:
            self.show_header()
            self.monitor.read_now()
            self.run_worker(self._follow_helper(), group="helper", exclusive=True)
            if done:
                self.show_module(plan.target)

        await self.app.push_screen(PlanDialog(self.machine, self.monitor, plan), closed)
