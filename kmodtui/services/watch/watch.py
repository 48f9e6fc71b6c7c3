"""Watches a module file: notices each rebuild, checks it, and loads it on a key or automatically.

Everything happens in one loop, one after the other, so that nothing is loaded while a build is
being read, and no request is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from enum import IntEnum

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.module_file.content import resolved
from kmodtui.model.log.trouble import Trouble
from kmodtui.model.modules import taint_flags
from kmodtui.model.text import clean
from kmodtui.model.watch.state import FoundTrouble, Stage, WatchState
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.machine import Machine
from kmodtui.services.watch import problems
from kmodtui.services.watch.builds import Builds
from kmodtui.services.watch.changes import file_changes, run_make, source_changes
from kmodtui.services.watch.examination import Examination
from kmodtui.services.watch.loading import Around, Loading
from kmodtui.services.watch.loads import Loads
from kmodtui.services.watch.log_reader import TroubleWatch, described, source_line
from kmodtui.services.watch.progress import Progress, Publish

MOST_TROUBLES = 20


class _Wish(IntEnum):
    """What has to be done, the most urgent first."""

    LOAD_OLD = 0
    LOAD = 1
    MAKE = 2
    FILE = 3
    PREPARE = 4


def _alone(_command: str) -> AbstractContextManager[object]:
    return nullcontext()


class Watch:
    """One watched file."""

    def __init__(
        self,
        machine: Machine,
        path: str,
        parameters: Sequence[str] = (),
        *,
        publish: Publish,
        foreground: Foreground = nullcontext,
        around: Around = _alone,
        make: str = "",
        automatic: bool = False,
        confirmed: bool = False,
    ) -> None:
        """Prepare to watch; reads nothing but the links in the path.

        Args:
            machine: the machine.
            path: of the file on that machine, absolute.
            parameters: `name=value` for every load; the others keep their current values.
            publish: called with each new state.
            foreground: hands the terminal over for a password prompt.
            around: a context for a command line, within which a monitor attributes changes to it.
            make: a directory of this machine in which make runs when a source has changed.
            automatic: whether rebuilds are loaded without a key, once the path is confirmed.
            confirmed: whether the path is confirmed already.

        Raises:
            KmodtuiError: the path cannot be followed, or no copy of the module can be kept.
        """
        self._machine = machine
        self._path = resolved(machine.host, path)
        state = WatchState(
            self._path,
            parameters=tuple(parameters),
            make=make,
            automatic=automatic,
            confirmed=confirmed,
        )
        self._progress = Progress(state, publish)
        self._loading = Loading(machine, tuple(parameters), foreground, around)
        self._builds = Builds(machine, self._path)
        self._troubles = TroubleWatch(machine, self._take_trouble, self._log_followed)
        self._loads = Loads(
            self._path, self._progress, self._builds, self._loading, self._troubles.take
        )
        self._examination = Examination(
            machine,
            self._path,
            self._progress,
            self._builds,
            self._loading,
            lambda: self._wish(_Wish.FILE),
        )
        self._wishes: set[_Wish] = set()
        self._wished = asyncio.Event()
        self._wanted = ""  # SHA-256 of the build that a key is to load
        self._making: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def state(self) -> WatchState:
        """What is known now."""
        return self._progress.state

    # What a person can want

    def load(self) -> None:
        """Load the build that is shown; this confirms the path."""
        candidate = self._builds.candidate
        if candidate is not None and self.state.can_load:
            self._progress.set(confirmed=True)
            self._wanted = candidate.build.sha256
            self._wish(_Wish.LOAD)
        elif self.state.stage in (Stage.REFUSED, Stage.FAILED):
            self._examination.forget()  # try again
            self._wish(_Wish.FILE)

    def load_old(self) -> None:
        """Load the build again that was loaded before."""
        if self.state.old is not None:
            self._wish(_Wish.LOAD_OLD)

    def set_automatic(self, on: bool) -> None:
        """Load rebuilds automatically, or only on a key."""
        self._progress.set(automatic=on, note="")
        if on and self.state.can_load and self.state.confirmed:
            self.load()

    def set_make(self, folder: str) -> None:
        """Run make in this directory when a source there changes; empty for no make."""
        self._progress.set(make=folder)
        if self._making is not None:
            self._making.cancel()
            self._making = None
        if folder and self._tasks is not None:
            self._making = self._tasks.create_task(self._follow_sources(folder))
            self._wish(_Wish.MAKE)

    @property
    def kept(self) -> str:
        """The copy that stays when watching ends; empty if none has to.

        It is the file of the loaded module, or the module could be loaded again from it.
        """
        return self._builds.kept(loaded=self.state.loaded)

    # The loop

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            KmodtuiError: the file cannot be watched any more.
        """
        try:
            await asyncio.to_thread(self._begin)
            try:
                async with asyncio.TaskGroup() as self._tasks:
                    self._tasks.create_task(self._follow_file())
                    self._tasks.create_task(self._troubles.follow())
                    self._wish(_Wish.FILE)
                    self.set_make(self.state.make)
                    while True:
                        await self._do(await self._next())
            except ExceptionGroup as group:
                known = [each for each in group.exceptions if isinstance(each, KmodtuiError)]
                raise (known[0] if known else group.exceptions[0]) from None
        finally:
            self._builds.close(loaded=self.state.loaded)

    def _wish(self, wish: _Wish) -> None:
        self._wishes.add(wish)
        self._wished.set()

    async def _next(self) -> _Wish:
        while not self._wishes:
            self._wished.clear()
            await self._wished.wait()
        wish = min(self._wishes)
        self._wishes.discard(wish)
        return wish

    async def _do(self, wish: _Wish) -> None:
        match wish:
            case _Wish.LOAD_OLD:
                await self._loads.load_old()
            case _Wish.LOAD:
                await self._loads.load(automatic=False, wanted=self._wanted)
            case _Wish.MAKE:
                await self._make()
            case _Wish.FILE:
                await self._examine()
            case _Wish.PREPARE:
                await self._loads.prepare()
                return
        self._wish(_Wish.PREPARE)

    async def _follow_file(self) -> None:
        async for _ in file_changes(self._machine.host, self._path):
            self._examination.note_written()
            self._wish(_Wish.FILE)

    async def _follow_sources(self, folder: str) -> None:
        async for _ in source_changes(folder):
            self._wish(_Wish.MAKE)

    def _begin(self) -> None:
        """Find out which build is loaded, and copy it. Reads files."""
        try:
            here = self._builds.take()
        except KmodtuiError:
            return
        name = here.build.name
        loaded = self._loading.is_loaded(name)
        self._progress.state = replace(self.state, name=name, loaded=loaded)
        if loaded:
            self._builds.find_loaded(name, here)

    async def _examine(self) -> None:
        """Look at the file, and at what can be done with it."""
        rebuild = await self._examination.examine()
        if rebuild is not None and not await self._loads.plan(rebuild):
            self._examination.forget()
            self._wish(_Wish.FILE)

    # make

    async def _make(self) -> None:
        folder, progress = self.state.make, self._progress
        if not folder:
            return
        progress.set_rebuild(replace(progress.new_rebuild(Stage.MAKING)), note="")
        try:
            result = await run_make(folder)
        except KmodtuiError as error:
            problem = problems.not_planned(error)
            progress.set_rebuild(replace(progress.new_rebuild(Stage.BROKEN), problem=problem))
            return
        if result.status:
            problem = problems.make_failed(result, folder)
            progress.set_rebuild(replace(progress.new_rebuild(Stage.BROKEN), problem=problem))
            return
        self._wishes.discard(_Wish.FILE)
        await self._examine()
        if self.state.stage is Stage.MAKING:
            progress.set(rebuild=None, note=f"make changed nothing in {clean(self._path)}.")

    # The log

    def _log_followed(self, follows: bool) -> None:
        self._progress.set(follows_log=follows)

    def _take_trouble(self, trouble: Trouble) -> None:
        if not trouble.concerns(self.state.name):
            return
        found = described(trouble, self.state.name, taint_flags(self._machine.tainted()))
        note = self.state.note
        if self.state.automatic:
            note = problems.stopped(trouble)
        troubles = (*self.state.troubles, found)[-MOST_TROUBLES:]
        self._progress.set(troubles=troubles, automatic=False, note=note)
        if self._tasks is not None:
            self._tasks.create_task(self._find_source(found))

    async def _find_source(self, found: FoundTrouble) -> None:
        """Add the source line of the file's debug information."""
        loading = self.state.stage is Stage.LOADING
        copy = self._builds.candidate if loading else self._builds.loaded
        if copy is None:
            return
        source = await asyncio.to_thread(
            source_line, self._machine.host, copy.path, self.state.name, found.trouble
        )
        if source:
            better = replace(found, source=source)
            self._progress.set(
                troubles=tuple(better if each is found else each for each in self.state.troubles)
            )
