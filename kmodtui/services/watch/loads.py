"""Plans and carries out the loads of one watch: of a rebuild, or of the earlier build again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from kmodtui.errors import KmodtuiError
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.trouble import TroubleKind
from kmodtui.model.plan.plan import Plan
from kmodtui.model.text import clean
from kmodtui.model.watch.state import Rebuild, Stage
from kmodtui.services.watch import problems
from kmodtui.services.watch.builds import Builds
from kmodtui.services.watch.copies import Copy
from kmodtui.services.watch.loading import Loading
from kmodtui.services.watch.progress import Progress


class Loads:
    """The loads of the builds of one file."""

    def __init__(
        self,
        path: str,
        progress: Progress,
        builds: Builds,
        loading: Loading,
        take_log: Callable[[Sequence[LogRecord]], None],
    ) -> None:
        """Prepare to load builds of the file at `path`.

        Args:
            path: of the file.
            progress: what is known, which changes with each load.
            builds: the copies.
            loading: carries plans out.
            take_log: receives the records of the kernel log of each load.
        """
        self._path = path
        self._progress = progress
        self._builds = builds
        self._loading = loading
        self._take_log = take_log
        self._confirmed: set[str] = set()  # warnings of plans
        self._started = time.time()

    async def plan(self, rebuild: Rebuild) -> bool:
        """Plan the load of the candidate, and carry it out if it is to be loaded automatically.

        Return False if the file was written meanwhile: then it has to be examined again.
        """
        progress, copy = self._progress, self._builds.candidate
        if copy is None:
            return True
        try:
            plan = await self._loading.plan(copy, self._path)
        except KmodtuiError as error:
            problem = problems.not_planned(error)
            progress.set_rebuild(replace(rebuild, stage=Stage.FAILED, problem=problem))
            return True
        if plan.refused:
            why = problems.refused(plan)
            progress.set_rebuild(replace(rebuild, stage=Stage.REFUSED, plan=plan, problem=why))
            return True
        if plan.inserts and plan.inserts[-1].sha256 != copy.build.sha256:
            progress.set_rebuild(replace(rebuild, stage=Stage.INCOMPLETE))
            return False
        plan = replace(plan, warnings=self._new_warnings(plan))
        progress.set_rebuild(replace(rebuild, stage=Stage.READY, plan=plan))
        if progress.state.automatic and progress.state.confirmed:
            if plan.danger:
                progress.set(note=f"It is not loaded automatically: {plan.danger}")
            else:
                await self.load(automatic=True)
        return True

    async def prepare(self) -> None:
        """Plan the next load, if it will be automatic and instead of the loaded build."""
        state, copy = self._progress.state, self._builds.loaded
        if state.automatic and state.confirmed and state.loaded and copy is not None:
            await self._loading.prepare(copy, self._path)

    def _new_warnings(self, plan: Plan) -> tuple[str, ...]:
        """Return the warnings of a plan, but not again those that were confirmed before."""
        # The difference of the builds says it better.
        expected = f"{clean(self._path)} has changed since"
        return tuple(
            each
            for each in plan.warnings
            if each not in self._confirmed and not each.startswith(expected)
        )

    async def load(self, *, automatic: bool, wanted: str = "") -> None:
        """Load the candidate.

        Args:
            automatic: whether nobody pressed a key for it.
            wanted: SHA-256 of the build that was seen when the key was pressed.
        """
        state, copy = self._progress.state, self._builds.candidate
        rebuild = state.rebuild
        if rebuild is None or copy is None or rebuild.plan is None or not state.can_load:
            return
        if not automatic and wanted != copy.build.sha256:
            return
        await self._perform(replace(rebuild, automatic=automatic), copy, rebuild.plan)

    async def load_old(self) -> None:
        """Load the build again that was loaded before."""
        progress, builds = self._progress, self._builds
        loaded = await asyncio.to_thread(self._loading.is_loaded, progress.state.name)
        copy = builds.previous if loaded else builds.loaded
        if copy is None:
            return
        changes = builds.difference(copy)
        rebuild = replace(progress.new_rebuild(Stage.CHECKING, copy.build, changes), old=True)
        try:
            plan = await self._loading.plan(copy, copy.path)
        except KmodtuiError as error:
            problem = problems.not_planned(error)
            progress.set_rebuild(replace(rebuild, stage=Stage.FAILED, problem=problem))
            return
        rebuild = replace(rebuild, plan=plan)
        if plan.refused:
            why = problems.refused(plan)
            progress.set_rebuild(replace(rebuild, stage=Stage.REFUSED, problem=why))
            return
        await self._perform(rebuild, copy, plan)

    async def _perform(self, rebuild: Rebuild, copy: Copy, plan: Plan) -> None:
        progress, builds = self._progress, self._builds
        self._confirmed.update(plan.warnings)
        # What the kernel reported of the build before is in the log.
        progress.set_rebuild(replace(rebuild, stage=Stage.LOADING), troubles=())
        load = await self._loading.perform(copy.build.name, plan, at_once=rebuild.automatic)
        self._take_log((*load.exit_log, *load.init_log))
        outcome = load.outcome
        if not load.works and any(
            found.trouble.kind is TroubleKind.OOPS for found in progress.state.troubles
        ):
            outcome = problems.died(copy.build.name, outcome, load.after is not None)
        # On a key, the time in which nobody pressed it does not count.
        began = max(copy.modified, self._started) if rebuild.automatic else load.began
        if load.works:
            builds.note_loaded(copy, old=rebuild.old)
        old = builds.previous if load.after is not None else builds.loaded
        progress.set_rebuild(
            replace(
                rebuild,
                stage=Stage.LOADED if load.works else Stage.FAILED,
                outcome=outcome,
                problem=None if load.works else outcome,
                exit_log=load.exit_log,
                init_log=load.init_log,
                seconds=max(0.0, load.ended - began) if load.works else None,
                memory=(load.before, load.after),
            ),
            loaded=load.after is not None,
            loads=progress.state.loads + load.works,
            old=old.build if old is not None else None,
        )
