"""The dashboard's commands that change the kernel: each opens its plan first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from textual.screen import Screen
from textual.worker import Worker

from kmodtui.errors import KmodtuiError, PlanError, UsageError
from kmodtui.model.intent import Intent
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.plan import BLACKLIST_FILE
from kmodtui.model.undo import Done
from kmodtui.model.verb import Verb
from kmodtui.services.experiment import planned
from kmodtui.services.live import LiveSystem
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import read_form
from kmodtui.services.planning import left_to_undo, plan_for, plan_once_unused
from kmodtui.ui.desk import desk
from kmodtui.ui.screens.experiment import ExperimentPicker, ExperimentScreen
from kmodtui.ui.screens.idle import IdleDialog
from kmodtui.ui.screens.load import LoadDialog, LoadRequest
from kmodtui.ui.screens.parameters import ParameterForm
from kmodtui.ui.screens.plan import PlanDialog
from kmodtui.ui.screens.refusal import may_have_root
from kmodtui.ui.widgets.parameter_lines import Purpose


class Changing(Screen[None]):
    """What a screen with a selected module can do to the kernel."""

    machine: Machine
    live: LiveSystem

    # What the screen tells and is told

    @property
    def selected_module(self) -> str | None:
        """The module that a command is about, at this key press."""
        raise NotImplementedError

    @property
    def marked_modules(self) -> tuple[str, ...]:
        """The modules that were marked, for commands that take several; none if none is."""
        raise NotImplementedError

    def clear_marks(self) -> bool:
        """Let no module be marked any more; return whether one was."""
        raise NotImplementedError

    def show_module(self, name: str) -> None:
        """Go to a module that has just changed, and to what it did to the symbols."""
        raise NotImplementedError

    @property
    def _meant(self) -> tuple[str, ...]:
        """What is marked, else the module under the cursor; none where there is none."""
        selected = self.selected_module
        return self.marked_modules or (() if selected is None else (selected,))

    # Commands

    def _may_change(self) -> bool:
        return may_have_root(self, self.machine)

    def action_load(self) -> None:
        """Ask which module to load."""
        if self._may_change():
            self.app.push_screen(LoadDialog(self.machine), self._plan_load)

    def _plan_load(self, request: LoadRequest | None) -> None:
        if request is not None:
            intent = Intent(Verb(request.verb), (request.name,), request.parameters)
            self._work(self._planned([intent], checked=request.digest))

    def action_unload(self) -> None:
        """Plan to unload what is marked, or the module that the cursor is on at this key press."""
        names = self._meant
        if names and self._may_change():
            self._open_plan(Intent(Verb.UNLOAD, names))

    def action_reload(self) -> None:
        """Plan to load modules anew; a single one's parameters can be changed on the way."""
        names = self._meant
        if names and self._may_change():
            self._work(self._reload(names))

    async def _reload(self, names: tuple[str, ...]) -> None:
        if len(names) > 1:
            await self._planned([Intent(Verb.RELOAD, names)])
            return
        name = names[0]
        try:
            rows = await read_form(self.machine, name)
        except KmodtuiError:
            rows = ()  # the plan says what is wrong with its file
        given = self.machine.done.given(name)
        if not rows:
            await self._planned([Intent(Verb.RELOAD, names, given)])
            return

        def closed(words: tuple[str, ...] | None) -> None:
            if words is not None:
                self._open_plan(Intent(Verb.RELOAD, names, words))

        await self.app.push_screen(ParameterForm(self.machine, name, given, Purpose.RELOAD), closed)

    def action_parameters(self) -> None:
        """Look at the parameters of the selected module, and change them."""
        name = self.selected_module
        if name is None or not self._may_change():
            return
        given = self.machine.done.given(name)
        form = ParameterForm(self.machine, name, given, Purpose.CHANGE)

        def closed(words: tuple[str, ...] | None) -> None:
            if words:
                verb = Verb.RELOAD if form.needs_reload else Verb.SET
                self._open_plan(Intent(verb, (name,), words))

        self.app.push_screen(form, closed)

    def action_blacklist(self) -> None:
        """Plan to blacklist what is marked or selected; to take it back where kmodtui did it."""
        names = self._meant
        if names and self._may_change():
            self._work(self._blacklist(names))

    async def _blacklist(self, names: tuple[str, ...]) -> None:
        config = await asyncio.to_thread(self.machine.config)
        rules = config.of(RuleKind.BLACKLIST)
        ours = {rule.name for rule in rules if rule.file == BLACKLIST_FILE}
        verb = Verb.UNBLACKLIST if ours.issuperset(names) else Verb.BLACKLIST
        if verb is Verb.BLACKLIST:
            names = tuple(name for name in names if name not in ours)
        await self._planned([Intent(verb, names)])

    def action_undo(self) -> None:
        """Plan to take back what was changed last through kmodtui."""
        if not self._may_change():
            return
        done = self.machine.done.last
        if done is None:
            desk(self).report(
                PlanError("Nothing was changed through kmodtui that could be taken back.")
            )
            return
        self._work(self._undo(done))

    async def _undo(self, done: Done) -> None:
        try:
            left = await left_to_undo(self.machine, done.back)
        except KmodtuiError as error:
            desk(self).report(error)
            return
        if left:
            await self._planned(left, undoes=done)
            return
        cause = " ".join(done.lost) or (
            f"Nothing is left of the {done.words} that could be taken back."
        )
        # It must not stand in the way of what was changed before it.
        self.machine.done.taken_back(done)
        desk(self).report(PlanError(cause, "Undo once more for the change before it."))

    def action_drop_root(self) -> None:
        """Give root up, if the helper holds it."""
        self._work(self._drop_root(), group="root")

    async def _drop_root(self) -> None:
        held = await self.machine.session.give_up()
        words = (
            "The helper has ended. The next change starts it again; nothing is asked then where "
            "your password is still remembered."
            if held
            else "The helper does not run: there is no root to give up."
        )
        self.notify(words, title="Root given up" if held else "No root held", markup=False)

    def action_idle(self) -> None:
        """Ask after how long without a change root is to be given up."""
        if self._may_change():
            self.app.push_screen(IdleDialog(self.machine))

    def action_experiment(self) -> None:
        """Ask which module to load, look at and unload again."""
        if self._may_change():
            self.app.push_screen(ExperimentPicker(self.machine), self._plan_experiment)

    def _plan_experiment(self, request: LoadRequest | None) -> None:
        if request is not None:
            self._work(self._planned_experiment(request))

    async def _planned_experiment(self, request: LoadRequest) -> None:
        try:
            if "/" in request.name:
                raise UsageError(
                    "An experiment takes the name of a module, not a file.",
                    "modprobe has to find the module, to unload it in the right order.",
                )
            report = await planned(self.machine, request.name, request.parameters)
        except KmodtuiError as error:
            desk(self).report(error)
            return

        def closed(_: bool | None) -> None:
            self.live.read_now()

        await self.app.push_screen(ExperimentScreen(self.live, report), closed)

    # From a wish to a plan

    def _work(self, work: Coroutine[Any, Any, None], *, group: str = "plan") -> None:
        _: Worker[None] = self.run_worker(work, group=group, exclusive=True, exit_on_error=False)

    def _open_plan(self, *intents: Intent) -> None:
        self._work(self._planned(intents))

    async def _planned(
        self, intents: Sequence[Intent], *, undoes: Done | None = None, checked: str = ""
    ) -> None:
        try:
            plan = await plan_for(self.machine, intents)
            if undoes is not None:
                plan = replace(plan, warnings=(*undoes.lost, *plan.warnings))
            free = await plan_once_unused(self.machine, plan)
        except KmodtuiError as error:
            desk(self).report(error)
            return

        def closed(done: bool | None) -> None:
            self.live.read_now()
            if done:
                self.clear_marks()
                if plan.verb not in (Verb.SET, Verb.BLACKLIST, Verb.UNBLACKLIST):
                    self.show_module(plan.target)

        await self.app.push_screen(
            PlanDialog(self.live, plan, undoes=undoes, once_free=free, checked=checked),
            closed,
        )
