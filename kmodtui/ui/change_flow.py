"""The way from a wish to a plan: every command that changes the kernel opens its plan first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kmodtui.errors import KmodtuiError, PlanError
from kmodtui.model.load_line import LoadRequest
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.undo import UndoEntry
from kmodtui.model.plan.verb import Verb
from kmodtui.model.profile.profile import Profile
from kmodtui.services.blocking import read_restrictions
from kmodtui.services.experiment import planned
from kmodtui.services.keeping import read_kept
from kmodtui.services.live import LiveSystem
from kmodtui.services.parameters import read_form
from kmodtui.services.planning.planning import left_to_undo, plan_for, plan_kept, plan_once_unused
from kmodtui.services.planning.profiles import plan_profile
from kmodtui.ui.background import Work
from kmodtui.ui.commands import key_of
from kmodtui.ui.dialogs.choice import Choice, ChoiceDialog
from kmodtui.ui.dialogs.idle_timeout import IdleTimeoutDialog
from kmodtui.ui.dialogs.keep import KeepDialog
from kmodtui.ui.dialogs.parameters import ParameterForm
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.dialogs.refusal import root_allowed
from kmodtui.ui.dialogs.restrict import RestrictDialog
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.screens.experiment import ExperimentScreen
from kmodtui.ui.screens.watch import WatchScreen
from kmodtui.ui.widgets.lines.parameters import Purpose


class ChangeFlow:
    """Asks what is missing, plans, and shows the plan; the plan's dialog does the rest.

    Plans and parameters are shown also where root is denied; only the confirmation needs it.
    """

    def __init__(
        self, screen: KmodtuiScreen[Any], live: LiveSystem, changed: Callable[[Plan], None]
    ) -> None:
        """Prepare the commands.

        Args:
            screen: where dialogs open and work runs in the background.
            live: the system that is changed.
            changed: called with each plan that was carried out, once its dialog has closed.
        """
        self._screen = screen
        self._live = live
        self._machine = live.machine
        self._changed = changed

    # Loading and unloading

    def load(self) -> None:
        """Ask which module to load."""
        self._screen.app.push_screen(ModulePicker(self._machine), self.plan_load)

    def plan_load(self, request: LoadRequest | None) -> None:
        """Plan to load what was chosen in the picker; None if nothing was."""
        if request is not None and request.restricts:
            self.restrict((request.name,))
        elif request is not None:
            intent = Intent(Verb(request.verb), (request.name,), request.parameters)
            self._plan([intent], checked=request.digest)

    def unload(self, names: tuple[str, ...]) -> None:
        """Plan to unload modules."""
        self._plan([Intent(Verb.UNLOAD, names)])

    def reload(self, names: tuple[str, ...]) -> None:
        """Plan to reload modules; the parameters of a single one can be changed before."""
        self._work(partial(self._reload, names))

    async def _reload(self, names: tuple[str, ...]) -> None:
        if len(names) > 1:
            await self._show_plan([Intent(Verb.RELOAD, names)])
            return
        name = names[0]
        try:
            rows = await read_form(self._machine, name)
        except KmodtuiError:
            rows = ()  # the plan says what is wrong with its file
        given = self._machine.done.given(name)
        if not rows:
            await self._show_plan([Intent(Verb.RELOAD, names, given)])
            return

        def closed(words: tuple[str, ...] | None) -> None:
            if words is not None:
                self._plan([Intent(Verb.RELOAD, names, words)])

        form = ParameterForm(self._machine, name, given, Purpose.RELOAD)
        await self._screen.app.push_screen(form, closed)

    # Parameters, rules, and what is kept

    def parameters(self, name: str) -> None:
        """Show the parameters of a module, and plan to change them."""
        given = self._machine.done.given(name)
        form = ParameterForm(self._machine, name, given, Purpose.CHANGE)

        def closed(words: tuple[str, ...] | None) -> None:
            if words:
                verb = Verb.RELOAD if form.needs_reload else Verb.SET
                self._plan([Intent(verb, (name,), words)])

        self._screen.app.push_screen(form, closed)

    def restrict(self, names: tuple[str, ...]) -> None:
        """Ask whether to blacklist or block modules, or to end that, and plan it."""
        self._work(partial(self._restrict, names))

    async def _restrict(self, names: tuple[str, ...]) -> None:
        now = await asyncio.to_thread(read_restrictions, self._machine, names)
        await self._choose(RestrictDialog(names, now))

    def keep(self, name: str) -> None:
        """Ask what to keep of a module for the next boot, and plan it."""
        self._work(partial(self._keep, name))

    async def _keep(self, name: str) -> None:
        now = await asyncio.to_thread(read_kept, self._machine, name)
        dialog = KeepDialog(self._machine, name, now)

        def closed(choice: Choice | None) -> None:
            if choice:
                self._plan(choice, notes=now.notes if dialog.keeps_current else ())

        await self._screen.app.push_screen(dialog, closed)

    async def _choose(self, dialog: ChoiceDialog) -> None:
        def closed(choice: Choice | None) -> None:
            if choice:
                self._plan(choice)

        await self._screen.app.push_screen(dialog, closed)

    async def block_profile(self, profile: Profile) -> None:
        """Plan to block the modules of a profile. Takes some seconds for thousands.

        Raises:
            KmodtuiError: it cannot be planned.
        """
        plan, _ = await plan_profile(self._machine, profile)
        await self._open(plan)

    # Undo and experiment

    def undo(self) -> None:
        """Plan to undo the last change made through kmodtui."""
        done = self._machine.done.last
        if done is None:
            self._screen.report(PlanError("There is no change to undo."))
        else:
            self._work(partial(self._undo, done))

    async def _undo(self, done: UndoEntry) -> None:
        left = await left_to_undo(self._machine, done.back)
        if left:
            await self._show_plan(left, undoes=done)
            return
        cause = " ".join(done.not_restored) or f"Nothing of the {done.words} is left to undo."
        # It must not block the undo of the changes before it.
        self._machine.done.remove(done)
        key = key_of("dashboard.undo")
        raise PlanError(cause, f"Press {key} again to undo the change before it.")

    def experiment(self) -> None:
        """Ask which module to load, examine and unload again."""
        picker = ModulePicker(self._machine, "Experiment: load, inspect, unload, inspect")
        self._screen.app.push_screen(picker, self._plan_experiment)

    def _plan_experiment(self, request: LoadRequest | None) -> None:
        if request is not None and request.restricts:
            self.restrict((request.name,))
        elif request is not None:
            self._work(partial(self._show_experiment, request))

    async def _show_experiment(self, request: LoadRequest) -> None:
        report = await planned(self._machine, request.name, request.parameters)
        inserted = report.plan.inserts
        if request.digest and inserted and inserted[-1].sha256 != request.digest:
            raise PlanError(
                "The file has changed since it was checked.", "Choose it again to repeat the check."
            )

        def closed(_: bool | None) -> None:
            self._live.read_now()

        await self._screen.app.push_screen(ExperimentScreen(self._live, report), closed)

    # Watching a file

    def watch(self, name: str | None) -> None:
        """Watch the file that a module was inserted from; if it has none, ask for a file."""
        self._work(partial(self._watch, name))

    async def _watch(self, name: str | None) -> None:
        origin = await asyncio.to_thread(self._machine.origin, name) if name else None
        if origin is not None:
            await self._show_watch(origin.path, ())
            return
        picker = ModulePicker(self._machine, "Watch a .ko file: enter its path")
        await self._screen.app.push_screen(picker, self._watch_chosen)

    def _watch_chosen(self, request: LoadRequest | None) -> None:
        if request is None:
            return
        if request.restricts or Verb(request.verb) is not Verb.INSERT:
            words = "Enter the path of a .ko file that is being developed, such as ./hello.ko."
            self._screen.report(PlanError("Only a module file can be watched.", words))
            return
        self._work(partial(self._show_watch, request.name, request.parameters))

    async def _show_watch(self, path: str, parameters: tuple[str, ...]) -> None:
        def closed(_: None) -> None:
            self._live.read_now()

        await self._screen.app.push_screen(WatchScreen(self._live, path, parameters), closed)

    # The root session

    def drop_root(self) -> None:
        """Drop root privileges, if the helper has them."""
        self._work(self._drop_root, group="root")

    async def _drop_root(self) -> None:
        was_open = await self._machine.sessions.give_up()
        words = (
            "The helper has exited. The next change starts it again, which may ask for your "
            "password."
            if was_open
            else "The helper is not running: there are no root privileges to drop."
        )
        title = "Root privileges dropped" if was_open else "No root privileges"
        self._screen.notify(words, title=title, markup=False)

    def set_idle(self) -> None:
        """Ask after how many idle minutes root privileges are dropped."""
        if root_allowed(self._screen, self._machine):
            self._screen.app.push_screen(IdleTimeoutDialog(self._machine))

    # From an intent to its plan

    def _work(self, work: Work, *, group: str = "plan") -> None:
        self._screen.work(work, group)

    def _plan(
        self, intents: Sequence[Intent], *, checked: str = "", notes: Sequence[str] = ()
    ) -> None:
        self._work(partial(self._show_plan, intents, checked=checked, notes=notes))

    async def _show_plan(
        self,
        intents: Sequence[Intent],
        *,
        undoes: UndoEntry | None = None,
        checked: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        plan = await plan_for(self._machine, intents)
        lost = undoes.not_restored if undoes is not None else ()
        plan = replace(plan, warnings=(*lost, *notes, *plan.warnings))
        kept = None if undoes else await plan_kept(self._machine, intents, plan)
        await self._open(plan, undoes=undoes, kept=kept, checked=checked)

    async def _open(
        self,
        plan: Plan,
        *,
        undoes: UndoEntry | None = None,
        kept: Plan | None = None,
        checked: str = "",
    ) -> None:
        free = await plan_once_unused(self._machine, plan)

        def closed(done: bool | None) -> None:
            self._live.read_now()
            if done:
                self._changed(plan)

        dialog = PlanDialog(
            self._live, plan, undoes=undoes, once_free=free, kept=kept, checked=checked
        )
        await self._screen.app.push_screen(dialog, closed)
