"""What is known of a watched module file at a moment: the last rebuild, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.trouble import Trouble
from kmodtui.model.plan.plan import Plan
from kmodtui.model.watch.build import BuildDifference, ModuleBuild


class Stage(StrEnum):
    """How far a rebuild has come."""

    WAITING = "waiting"
    """There is nothing to load: the file is missing, or is what is loaded."""

    MAKING = "making"
    """make is running."""

    INCOMPLETE = "incomplete"
    """The file is not complete yet."""

    CHECKING = "checking"
    """The file is complete and is being checked."""

    BROKEN = "broken"
    """make failed, or the file is not a module of this name."""

    REFUSED = "refused"
    """The kernel would refuse the file, or the loaded module cannot be unloaded."""

    READY = "ready"
    """The build can be loaded."""

    LOADING = "loading"
    """The old module is being unloaded, the new one inserted."""

    LOADED = "loaded"
    """The build is loaded."""

    FAILED = "failed"
    """It could not be loaded."""


@dataclass(frozen=True)
class Rebuild:
    """One rebuild.

    Attributes:
        number: counts from 1.
        stage: how far it has come.
        build: the build; None if there is none, as after make has failed.
        difference: to the build that was loaded before; None if that is unknown.
        plan: what loads it; None before it was planned.
        problem: why it cannot be loaded, or why it could not be loaded; None if it could.
        outcome: of the load; None before.
        exit_log: records of the kernel log while the old module was unloaded.
        init_log: the same while the new one was inserted.
        seconds: from the last write to the file until the module was loaded; None before.
        memory: bytes of the module in memory before and after; None where it was not loaded.
        automatic: whether it was loaded without a key.
        old: whether this is the earlier build, which was loaded again.
    """

    number: int
    stage: Stage
    build: ModuleBuild | None = None
    difference: BuildDifference | None = None
    plan: Plan | None = None
    problem: Explanation | None = None
    outcome: Explanation | None = None
    exit_log: tuple[LogRecord, ...] = ()
    init_log: tuple[LogRecord, ...] = ()
    seconds: float | None = None
    memory: tuple[int | None, int | None] = (None, None)
    automatic: bool = False
    old: bool = False


@dataclass(frozen=True, slots=True)
class FoundTrouble:
    """An oops or a warning in the log while a module was watched.

    Attributes:
        trouble: the report.
        place: the innermost place in the module, or else in the kernel, as it was logged;
            empty if none was.
        source: the source line of that place; empty if it is unknown.
        taint: the kernel's taint flags afterwards.
    """

    trouble: Trouble
    place: str = ""
    source: str = ""
    taint: str = ""


@dataclass(frozen=True)
class WatchState:
    """What is known of a watched file.

    Attributes:
        path: the file.
        name: of the module; empty before a build was read.
        parameters: `name=value` that were given.
        make: the directory that make runs in; empty if it does not.
        automatic: whether a rebuild is loaded without a key.
        confirmed: whether a load of this file was confirmed once.
        loaded: whether the module is loaded.
        rebuild: the last one; None before the first.
        loads: how many rebuilds were loaded.
        old: the build that can be loaded again; None if there is none.
        troubles: what the kernel reported, the last one last.
        note: what it is waiting for, or why loading automatically was stopped.
        follows_log: whether the kernel log is followed, or only seen during loads.
    """

    path: str
    name: str = ""
    parameters: tuple[str, ...] = ()
    make: str = ""
    automatic: bool = False
    confirmed: bool = False
    loaded: bool = False
    rebuild: Rebuild | None = None
    loads: int = 0
    old: ModuleBuild | None = None
    troubles: tuple[FoundTrouble, ...] = ()
    note: str = ""
    follows_log: bool = False

    @property
    def stage(self) -> Stage:
        """How far the last rebuild has come."""
        return self.rebuild.stage if self.rebuild is not None else Stage.WAITING

    @property
    def can_load(self) -> bool:
        """Whether a key loads the build."""
        return self.stage is Stage.READY and self.rebuild is not None
