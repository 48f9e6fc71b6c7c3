"""Watches a module file: notices each rebuild, checks it, and loads it on a key or automatically.

Everything happens in one loop, one after the other, so that nothing is loaded while a build is
being read, and no request is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from enum import IntEnum

from kmodtui.errors import KmodtuiError, ModuleFileError, UnreadableError
from kmodtui.kernel.module_file.content import resolved
from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.trouble import Trouble, TroubleKind
from kmodtui.model.modules import taint_flags
from kmodtui.model.plan.plan import Plan
from kmodtui.model.text import clean
from kmodtui.model.watch.build import ModuleBuild, difference
from kmodtui.model.watch.state import FoundTrouble, Rebuild, Stage, WatchState
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.check import check
from kmodtui.services.machine import Machine
from kmodtui.services.watch import problems
from kmodtui.services.watch.changes import file_changes, run_make, source_changes
from kmodtui.services.watch.copies import Copies, Copy, NotCompleteError
from kmodtui.services.watch.loaded_copy import copy_of_loaded
from kmodtui.services.watch.loading import Around, Loading
from kmodtui.services.watch.log_reader import TroubleWatch, described, source_line

COMPLETE = 2.0
"""Seconds without a write, after which a file that is not a module is broken, not half-written."""

MOST_TROUBLES = 20

Publish = Callable[[WatchState], None]


class _Wish(IntEnum):
    """What has to be done, the most urgent first."""

    LOAD_OLD = 0
    LOAD = 1
    MAKE = 2
    FILE = 3


def _alone(_command: str) -> AbstractContextManager[object]:
    return nullcontext()


class Watch:
    """One watched file.

    Attributes:
        state: what is known now.
    """

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
        self._publish = publish
        self._loading = Loading(machine, tuple(parameters), foreground, around)
        self._copies = Copies(machine.host)
        self.state = WatchState(
            self._path,
            parameters=tuple(parameters),
            make=make,
            automatic=automatic,
            confirmed=confirmed,
        )
        self._candidate: Copy | None = None  # the build that can be loaded
        self._loaded: Copy | None = None
        self._previous: Copy | None = None  # the build before the loaded one
        self._from_copy = False  # whether the loaded build was inserted from its copy
        self._accepted: ModuleBuild | None = None  # the last one that passed the check
        self._number = 0  # of rebuilds
        self._confirmed: set[str] = set()  # warnings of plans
        self._seen = ""  # SHA-256 of the last build that was examined
        self._written = -COMPLETE  # on the monotonic clock
        self._again: asyncio.TimerHandle | None = None
        self._started = time.time()
        self._wishes: set[_Wish] = set()
        self._wished = asyncio.Event()
        self._wanted = ""  # SHA-256 of the build that a key is to load
        self._making: asyncio.Task[None] | None = None
        self._troubles = TroubleWatch(machine, self._take_trouble, self._log_followed)
        self._stopped: list[str] = []
        self._tasks: asyncio.TaskGroup | None = None

    # What a person can want

    def load(self) -> None:
        """Load the build that is shown; this confirms the path."""
        if self._candidate is not None and self.state.can_load:
            self._set(confirmed=True)
            self._wanted = self._candidate.build.sha256
            self._wish(_Wish.LOAD)
        elif self.state.stage in (Stage.REFUSED, Stage.FAILED):
            self._seen = ""  # try again
            self._wish(_Wish.FILE)

    def load_old(self) -> None:
        """Load the build again that was loaded before."""
        if self.state.old is not None:
            self._wish(_Wish.LOAD_OLD)

    def set_automatic(self, on: bool) -> None:
        """Load rebuilds automatically, or only on a key."""
        if on:
            self._stopped = []
        self._set(automatic=on, note="")
        if on and self.state.can_load and self.state.confirmed:
            self.load()

    def set_make(self, folder: str) -> None:
        """Run make in this directory when a source there changes; empty for no make."""
        self._set(make=folder)
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
        stays = self._loaded is not None and (self._from_copy or not self.state.loaded)
        return self._loaded.path if self._loaded is not None and stays else ""

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
            if self.kept:
                self._copies.keep_only(self._loaded)
            else:
                self._copies.close()

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
                await self._load_old()
            case _Wish.LOAD:
                await self._load(automatic=False)
            case _Wish.MAKE:
                await self._make()
            case _Wish.FILE:
                await self._examine()

    async def _follow_file(self) -> None:
        async for _ in file_changes(self._machine.host, self._path):
            self._written = time.monotonic()
            self._wish(_Wish.FILE)

    async def _follow_sources(self, folder: str) -> None:
        async for _ in source_changes(folder):
            self._wish(_Wish.MAKE)

    def _set(self, **fields: object) -> None:
        self.state = replace(self.state, **fields)  # type: ignore[arg-type]
        self._publish(self.state)

    def _set_rebuild(self, rebuild: Rebuild, **fields: object) -> None:
        self._set(rebuild=rebuild, **fields)

    # Reading a build

    def _begin(self) -> None:
        """Find out which build is loaded, and copy it. Reads files."""
        try:
            here = self._copies.take(self._path)
        except KmodtuiError:
            return
        name = here.build.name
        self.state = replace(self.state, name=name, loaded=self._is_loaded(name))
        if self.state.loaded:
            self._loaded = copy_of_loaded(self._machine, self._copies, name, here)

    def _is_loaded(self, name: str) -> bool:
        return bool(name) and self._loading.memory(name) is not None

    async def _examine(self) -> None:
        """Look at the file, and at what can be done with it."""
        try:
            copy = await asyncio.to_thread(self._copies.take, self._path)
        except UnreadableError as error:
            self._seen = ""
            there = self._machine.host.exists(self._path)
            words = error.message if there else f"{clean(self._path)} does not exist yet."
            self._set(rebuild=None, note=words)
            return
        except (ModuleFileError, NotCompleteError) as error:
            await self._incomplete(error)
            return
        build = copy.build
        if build.sha256 == self._seen:
            return  # only touched
        self._seen = build.sha256
        name = self.state.name or build.name
        loaded = await asyncio.to_thread(self._is_loaded, name)
        self._set(name=name, loaded=loaded, note="")
        if loaded and self._loaded is not None and build.is_same_build(self._loaded.build):
            # BTF or a signature can be added to a file in a second step.
            words = f"{clean(name)} is loaded as it is in the file."
            self._set(rebuild=self.state.rebuild if self.state.loads else None, note=words)
            return
        self._candidate = copy
        self._copies.keep_only(copy, self._loaded, self._previous)
        rebuild = self._new_rebuild(Stage.CHECKING, copy)
        if build.name != name:
            why = problems.other_module(self._path, build.name, name)
            self._set_rebuild(replace(rebuild, stage=Stage.BROKEN, problem=why))
            return
        if (why_not := await self._check(build, loaded)) is not None:
            self._set_rebuild(replace(rebuild, stage=Stage.REFUSED, problem=why_not))
            return
        await self._plan(rebuild, copy)

    def _new_rebuild(self, stage: Stage, copy: Copy | None = None) -> Rebuild:
        if self.state.stage not in (Stage.MAKING, Stage.INCOMPLETE):
            self._number += 1
        changes = None
        if copy is not None and self._loaded not in (None, copy):
            changes = difference(self._loaded.build, copy.build)
        return Rebuild(self._number, stage, copy.build if copy else None, changes)

    async def _incomplete(self, error: KmodtuiError) -> None:
        loop = asyncio.get_running_loop()
        left = await asyncio.to_thread(self._rest_of_write)
        self._seen = ""
        if left <= 0:
            problem = problems.not_a_module(error)
            self._set_rebuild(replace(self._new_rebuild(Stage.BROKEN), problem=problem))
            return
        if self.state.stage is not Stage.INCOMPLETE:
            self._set_rebuild(self._new_rebuild(Stage.INCOMPLETE), note=error.message)
        if self._again is not None:
            self._again.cancel()
        self._again = loop.call_later(left + 0.05, self._wish, _Wish.FILE)

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

    # Loading

    async def _plan(self, rebuild: Rebuild, copy: Copy) -> None:
        try:
            plan = await self._loading.plan(copy, self._path)
        except KmodtuiError as error:
            problem = problems.not_planned(error)
            self._set_rebuild(replace(rebuild, stage=Stage.FAILED, problem=problem))
            return
        if plan.refused:
            why = problems.refused(plan)
            self._set_rebuild(replace(rebuild, stage=Stage.REFUSED, plan=plan, problem=why))
            return
        if plan.inserts and plan.inserts[-1].sha256 != copy.build.sha256:
            self._seen = ""  # it was written meanwhile
            self._set_rebuild(replace(rebuild, stage=Stage.INCOMPLETE))
            self._wish(_Wish.FILE)
            return
        plan = replace(plan, warnings=self._new_warnings(plan))
        self._set_rebuild(replace(rebuild, stage=Stage.READY, plan=plan))
        if not (self.state.automatic and self.state.confirmed):
            return
        if plan.danger:
            self._set(note=f"It is not loaded automatically: {plan.danger}")
        elif not self._stopped:
            await self._load(automatic=True)

    def _new_warnings(self, plan: Plan) -> tuple[str, ...]:
        """Return the warnings of a plan, but not again those that were confirmed before."""
        # The difference of the builds says it better.
        expected = f"{clean(self._path)} has changed since"
        return tuple(
            each
            for each in plan.warnings
            if each not in self._confirmed and not each.startswith(expected)
        )

    async def _load(self, *, automatic: bool) -> None:
        rebuild, copy = self.state.rebuild, self._candidate
        if rebuild is None or copy is None or rebuild.plan is None or not self.state.can_load:
            return
        if not automatic and self._wanted != copy.build.sha256:
            return  # another build than the one that was seen
        await self._perform(replace(rebuild, automatic=automatic), copy, rebuild.plan)

    async def _load_old(self) -> None:
        loaded = await asyncio.to_thread(self._is_loaded, self.state.name)
        copy = self._previous if loaded else self._loaded
        if copy is None:
            return
        rebuild = replace(self._new_rebuild(Stage.CHECKING, copy), old=True)
        try:
            plan = await self._loading.plan(copy, copy.path)
        except KmodtuiError as error:
            problem = problems.not_planned(error)
            self._set_rebuild(replace(rebuild, stage=Stage.FAILED, problem=problem))
            return
        rebuild = replace(rebuild, plan=plan)
        if plan.refused:
            why = problems.refused(plan)
            self._set_rebuild(replace(rebuild, stage=Stage.REFUSED, problem=why))
            return
        await self._perform(rebuild, copy, plan)

    async def _perform(self, rebuild: Rebuild, copy: Copy, plan: Plan) -> None:
        self._confirmed.update(plan.warnings)
        # What the kernel reported of the build before is in the log.
        self._set_rebuild(replace(rebuild, stage=Stage.LOADING), troubles=())
        load = await self._loading.perform(copy.build.name, plan)
        self._troubles.take((*load.exit_log, *load.init_log))
        outcome = load.outcome
        if not load.works and any(
            found.trouble.kind is TroubleKind.OOPS for found in self.state.troubles
        ):
            outcome = problems.died(copy.build.name, outcome, load.after is not None)
        # On a key, the time in which nobody pressed it does not count.
        began = max(copy.modified, self._started) if rebuild.automatic else load.began
        if load.works:
            self._previous = None if rebuild.old else self._loaded
            self._loaded = copy
            self._from_copy = rebuild.old
        old = self._previous if load.after is not None else self._loaded
        self._set_rebuild(
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
            loads=self.state.loads + load.works,
            old=old.build if old is not None else None,
        )

    # make

    async def _make(self) -> None:
        folder = self.state.make
        if not folder:
            return
        self._set_rebuild(replace(self._new_rebuild(Stage.MAKING)), note="")
        try:
            result = await run_make(folder)
        except KmodtuiError as error:
            problem = problems.not_planned(error)
            self._set_rebuild(replace(self._new_rebuild(Stage.BROKEN), problem=problem))
            return
        if result.status:
            problem = problems.make_failed(result, folder)
            self._set_rebuild(replace(self._new_rebuild(Stage.BROKEN), problem=problem))
            return
        self._wishes.discard(_Wish.FILE)
        await self._examine()
        if self.state.stage is Stage.MAKING:
            self._set(rebuild=None, note=f"make changed nothing in {clean(self._path)}.")

    # The log

    def _log_followed(self, follows: bool) -> None:
        self._set(follows_log=follows)

    def _take_trouble(self, trouble: Trouble) -> None:
        if not trouble.concerns(self.state.name):
            return
        self._stopped.append(trouble.header[0])
        found = described(trouble, self.state.name, taint_flags(self._machine.tainted()))
        note = self.state.note
        if self.state.automatic:
            note = problems.stopped(trouble)
        troubles = (*self.state.troubles, found)[-MOST_TROUBLES:]
        self._set(troubles=troubles, automatic=False, note=note)
        if self._tasks is not None:
            self._tasks.create_task(self._find_source(found))

    async def _find_source(self, found: FoundTrouble) -> None:
        """Add the source line of the file's debug information."""
        copy = self._loaded if self.state.stage is not Stage.LOADING else self._candidate
        if copy is None:
            return
        source = await asyncio.to_thread(
            source_line, self._machine.host, copy.path, self.state.name, found.trouble
        )
        if source:
            better = replace(found, source=source)
            self._set(
                troubles=tuple(better if each is found else each for each in self.state.troubles)
            )
