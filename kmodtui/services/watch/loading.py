"""Plans and carries out the load of one build: instead of the loaded one, or as the first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.explain.explanation import Explanation, Kind
from kmodtui.model.log.record import LogRecord
from kmodtui.model.parameters import key_of
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Plan, PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_now
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import plan_for
from kmodtui.services.planning.undo import Before
from kmodtui.services.watch.copies import Copy
from kmodtui.services.watch.prepared import Prepared, prepare

Around = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True)
class Load:
    """A load that was carried out.

    Attributes:
        outcome: of the plan.
        exit_log: records of the kernel log until the new build was inserted.
        init_log: the records from then on.
        began: when it was begun, in seconds since the epoch.
        ended: when the last request was confirmed by what the kernel shows; 0 without one.
        before: bytes of the module in memory before; None if it was not loaded.
        after: the same afterwards.
    """

    outcome: Explanation
    exit_log: tuple[LogRecord, ...]
    init_log: tuple[LogRecord, ...]
    began: float
    ended: float
    before: int | None
    after: int | None

    @property
    def works(self) -> bool:
        """Whether the build is loaded."""
        return self.outcome.kind is not Kind.FAILURE and not self.outcome.unknown


class Loading:
    """Loads builds of one module with the same parameters."""

    def __init__(
        self, machine: Machine, given: tuple[str, ...], foreground: Foreground, around: Around
    ) -> None:
        """Prepare to load.

        Args:
            machine: the machine.
            given: `name=value` for every load; the others keep their current values.
            foreground: hands the terminal over for a password prompt.
            around: a context for a command line, within which a monitor attributes changes to it.
        """
        self._machine = machine
        self._given = given
        self._foreground = foreground
        self._around = around
        self._values: tuple[str, ...] = ()  # of the parameters, when the module was last read
        self._prepared: Prepared | None = None
        self._before: Before | None = None  # the state now, if the last plan was prepared

    def memory(self, name: str) -> int | None:
        """Return the bytes that a module takes; None if it is not loaded. Reads a file."""
        module = read_modules(self._machine.host).by_name.get(name)
        return module.size if module is not None else None

    def is_loaded(self, name: str) -> bool:
        """Return whether a module is loaded; False for an empty name. Reads a file."""
        return bool(name) and self.memory(name) is not None

    async def plan(self, copy: Copy, path: str) -> Plan:
        """Return the plan that loads a build from the file at `path`.

        Raises:
            KmodtuiError: it cannot be planned.
        """
        name = copy.build.name
        prepared, self._prepared, self._before = self._prepared, None, None
        if prepared is not None and path == prepared.path:
            ready = await asyncio.to_thread(prepared.now, self._machine, copy.build)
            if ready is not None:
                plan, self._before = ready
                return plan
        loaded = await asyncio.to_thread(self.memory, name) is not None
        parameters = await asyncio.to_thread(self._parameters, copy, loaded)
        if loaded:
            intent = Intent(Verb.RELOAD, (name,), parameters, file=path)
        else:
            intent = Intent(Verb.INSERT, (path,), parameters)
        return await plan_for(self._machine, [intent])

    async def prepare(self, copy: Copy, path: str) -> None:
        """Plan the reload of the loaded build from the file at `path`, for the next one."""
        if self._prepared is None or self._prepared.build is not copy.build:
            self._prepared = await asyncio.to_thread(self._prepare, copy, path)

    def _prepare(self, copy: Copy, path: str) -> Prepared | None:
        parameters = self._parameters(copy, loaded=True)
        return prepare(self._machine, copy.build, path, parameters)

    def _parameters(self, copy: Copy, loaded: bool) -> tuple[str, ...]:
        """Return what was given, and the values that the module has, or had. Reads files."""
        if loaded:
            self._values = kept_now(self._machine, copy.build.name)
        declared = {key_of(parameter.name) for parameter in copy.build.parameters}
        given = {_key(word) for word in self._given}
        return (*(w for w in self._values if _key(w) in declared - given), *self._given)

    async def perform(self, name: str, plan: Plan, *, at_once: bool) -> Load:
        """Carry a plan out, which was made just now if this is `at_once`."""
        logs: dict[bool, list[LogRecord]] = {False: [], True: []}
        inserting = plan.verb is Verb.INSERT

        def on_request(command: PlanCommand) -> None:
            nonlocal inserting
            inserting = command.verb is not Verb.UNLOAD

        def on_log(record: LogRecord) -> None:
            logs[inserting].append(record)

        ended = 0.0

        def on_result(_: Result) -> None:
            nonlocal ended
            ended = time.time()

        known = self._before if at_once else None
        if known is not None:
            before: int | None = known.table.by_name[name].size
        else:
            before = await asyncio.to_thread(self.memory, name)
        began = time.time()
        with self._around(plan.summary):
            outcome = await perform(
                self._machine,
                plan,
                self._foreground,
                on_log,
                on_request=on_request,
                on_result=on_result,
                before=known,
            )
        after = await asyncio.to_thread(self.memory, name)
        return Load(outcome, tuple(logs[False]), tuple(logs[True]), began, ended, before, after)


def _key(word: str) -> str:
    return key_of(word.partition("=")[0])
