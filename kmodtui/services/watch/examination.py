"""Reads each build of a watched file, and checks whether the kernel would load it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from kmodtui.errors import KmodtuiError, ModuleFileError, UnreadableError
from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.text import clean
from kmodtui.model.watch.build import ModuleBuild
from kmodtui.model.watch.state import Rebuild, Stage
from kmodtui.services.check import check
from kmodtui.services.machine import Machine
from kmodtui.services.watch import problems
from kmodtui.services.watch.builds import Builds
from kmodtui.services.watch.copies import NotCompleteError
from kmodtui.services.watch.loading import Loading
from kmodtui.services.watch.progress import Progress

COMPLETE = 2.0
"""Seconds without a write, after which a file that is not a module is broken, not half-written."""


class Examination:
    """Examines the file of one watch."""

    def __init__(
        self,
        machine: Machine,
        path: str,
        progress: Progress,
        builds: Builds,
        loading: Loading,
        again: Callable[[], None],
    ) -> None:
        """Prepare to examine the file at `path`; `again` has it examined again later."""
        self._machine = machine
        self._path = path
        self._progress = progress
        self._builds = builds
        self._loading = loading
        self._again = again
        self._timer: asyncio.TimerHandle | None = None
        self._accepted: ModuleBuild | None = None  # the last one that passed the check
        self._seen = ""  # SHA-256 of the last build that was examined
        self._written = -COMPLETE  # on the monotonic clock

    def note_written(self) -> None:
        """Note that the file was written just now."""
        self._written = time.monotonic()

    def forget(self) -> None:
        """Examine the file the next time even if it is the same."""
        self._seen = ""

    async def examine(self) -> Rebuild | None:
        """Look at the file; return a build that can be planned, which is the candidate then."""
        progress = self._progress
        try:
            copy = await asyncio.to_thread(self._builds.take)
        except UnreadableError as error:
            self._seen = ""
            there = self._machine.host.exists(self._path)
            words = error.message if there else f"{clean(self._path)} does not exist yet."
            progress.set(rebuild=None, note=words)
            return None
        except (ModuleFileError, NotCompleteError) as error:
            await self._incomplete(error)
            return None
        build = copy.build
        if build.sha256 == self._seen:
            return None  # only touched
        self._seen = build.sha256
        name = progress.state.name or build.name
        loaded = await asyncio.to_thread(self._loading.is_loaded, name)
        progress.set(name=name, loaded=loaded, note="")
        if loaded and self._builds.is_loaded(build):
            # BTF or a signature can be added to a file in a second step.
            words = f"{clean(name)} is loaded as it is in the file."
            shown = progress.state.rebuild if progress.state.loads else None
            progress.set(rebuild=shown, note=words)
            return None
        self._builds.offer(copy)
        rebuild = progress.new_rebuild(Stage.CHECKING, build, self._builds.difference(copy))
        if build.name != name:
            why = problems.other_module(self._path, build.name, name)
            progress.set_rebuild(replace(rebuild, stage=Stage.BROKEN, problem=why))
            return None
        if (why_not := await self._check(build, loaded)) is not None:
            progress.set_rebuild(replace(rebuild, stage=Stage.REFUSED, problem=why_not))
            return None
        return rebuild

    async def _incomplete(self, error: KmodtuiError) -> None:
        progress = self._progress
        left = await asyncio.to_thread(self._rest_of_write)
        self._seen = ""
        if left <= 0:
            problem = problems.not_a_module(error)
            progress.set_rebuild(replace(progress.new_rebuild(Stage.BROKEN), problem=problem))
            return
        if progress.state.stage is not Stage.INCOMPLETE:
            progress.set_rebuild(progress.new_rebuild(Stage.INCOMPLETE), note=error.message)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(left + 0.05, self._again)

    def _rest_of_write(self) -> float:
        """Return for how many seconds the file may still be in the middle of being written."""
        now = time.monotonic()
        try:
            # The event of the last write may not have arrived yet.
            age = time.time() - self._machine.host.stat(self._path).st_mtime
        except OSError:
            return COMPLETE
        if 0 <= age < COMPLETE:
            self._written = max(self._written, now - age)
        return self._written + COMPLETE - now

    async def _check(self, build: ModuleBuild, loaded: bool) -> Explanation | None:
        """Return why the kernel would refuse a build, unless it imports what another one did."""
        known = self._accepted
        if (
            known is not None
            and (known.vermagic, known.name) == (build.vermagic, build.name)
            and build.imports <= known.imports
        ):
            return None
        try:
            found = await check(self._machine, self._path)
        except KmodtuiError as error:
            return problems.not_planned(error)
        why = problems.would_be_refused(found, loaded)
        if why is None:
            self._accepted = build
        return why
