"""The experiment: a module is loaded, looked at and unloaded again, and what stayed is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from kmodtui.model.explanation import Explanation, Kind
from kmodtui.model.history import Change, Totals
from kmodtui.model.modules import LoadedModule, ModuleTable, taint_letters
from kmodtui.model.plan import Action, Plan, Verb
from kmodtui.model.reading import Reading
from kmodtui.model.symbols import SymbolTable


class Stage(IntEnum):
    """What is going on."""

    PLANNED = 0
    CHECK = 1
    LOAD = 2
    LOOK = 3
    UNLOAD = 4
    CHECK_AGAIN = 5
    OVER = 6


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """Something that a module can bring, beside its symbols.

    Attributes:
        kind: `filesystem`, `network interface`, `device`, `driver`…
        name: as the kernel has it.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Look:
    """What one moment shows.

    Attributes:
        reading: modules, symbols and taint.
        things: devices, drivers, file systems and the like.
    """

    reading: Reading
    things: frozenset[Thing] = frozenset()

    @property
    def table(self) -> ModuleTable:
        """The modules."""
        return self.reading.table

    @property
    def symbols(self) -> SymbolTable:
        """The symbols of the kernel and of the Live modules."""
        return self.reading.symbols or SymbolTable()

    @property
    def tainted(self) -> int:
        """The kernel's taint bits."""
        return self.reading.tainted

    @property
    def totals(self) -> Totals:
        """How many modules and symbols there are, and the memory of the modules."""
        return self.reading.totals

    def since(self, earlier: Look) -> Change:
        """Return what changed since an earlier moment."""
        return self.reading.since(earlier.reading)


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done with root, and what came of it.

    Attributes:
        plan: what was to be done.
        told: what came of it; the plan's own refusal where nothing was tried.
    """

    plan: Plan
    told: Explanation

    @property
    def failed(self) -> bool:
        """Whether it did not happen."""
        return self.told.kind is Kind.FAILURE


@dataclass(frozen=True, slots=True)
class Left:
    """A difference between the machine before and after.

    Attributes:
        what: a few words: `module xor`, `taint E`.
        why: the reason, and the remedy where there is one.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Report:
    """How an experiment stands: grows from stage to stage, and is whole when it is over.

    Attributes:
        plan: of the load; shown and confirmed before anything runs.
        stage: what is going on now.
        hostname: of the machine.
        release: of its kernel.
        before: what there was.
        loaded: the load.
        after: what there was once it was loaded; None if it was not.
        log: records of the kernel log during the load.
        deeds: the unloads, in order; and loads of what went with them and was there before.
        unload_log: records of the kernel log since then.
        end: what there is at the end.
        reasons: why a module stays, by its name.
        problem: why what came could not be looked at, in a sentence; empty if it could.
    """

    plan: Plan
    stage: Stage = Stage.PLANNED
    hostname: str = ""
    release: str = ""
    before: Look | None = None
    loaded: Deed | None = None
    after: Look | None = None
    log: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = ()
    unload_log: tuple[str, ...] = ()
    end: Look | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        """The module that it is about."""
        return self.plan.target

    @property
    def planned(self) -> frozenset[str]:
        """The modules that the plan inserts: those that are unloaded again."""
        return frozenset(s.module for s in self.plan.steps if s.action is Action.INSMOD)

    @property
    def came(self) -> Change | None:
        """What the load brought."""
        return self.after.since(self.before) if self.after and self.before else None

    @property
    def went(self) -> Change | None:
        """What went again."""
        return self.end.since(self.after) if self.end and self.after else None

    @property
    def came_unplanned(self) -> tuple[LoadedModule, ...]:
        """Modules that came during the load and are not in its plan."""
        came = self.came
        return tuple(m for m in came.came if m.name not in self.planned) if came else ()

    @property
    def things_came(self) -> tuple[Thing, ...]:
        """Devices and the like that came."""
        if self.after is None or self.before is None:
            return ()
        return tuple(sorted(self.after.things - self.before.things))

    @property
    def succeeded(self) -> bool:
        """Whether the module was loaded and the machine is as it was before."""
        return self.after is not None and self.end is not None and not self.left

    @property
    def left(self) -> tuple[Left, ...]:
        """Everything in which the machine differs from before; empty until it is over."""
        if self.before is None or self.end is None:
            return ()
        change = self.end.since(self.before)
        moved = {module.name for module in (*change.came, *change.went)}
        left = [self._stayed(module) for module in change.came]
        left += [self._gone(module) for module in change.went]
        left += [
            Left(f"module {name} was loaded anew", "modprobe -r had taken it along")
            for name in self._loaded_again
            if name not in moved
        ]
        for owner in change.symbols.owners:
            if owner.owner not in moved:
                numbers = f"+{len(owner.gained):,} −{len(owner.lost):,}"
                whose = f"of {owner.owner}" if owner.owner else "of the kernel itself"
                left.append(Left(f"{numbers} symbols {whose}", "not of this experiment"))
        left += [
            Left(f"{thing.kind} {thing.name}", "it came meanwhile and is still there")
            for thing in sorted(self.end.things - self.before.things)
        ]
        left += [
            Left(f"{thing.kind} {thing.name} is gone", "it was there before")
            for thing in sorted(self.before.things - self.end.things)
        ]
        if letters := taint_letters(self.end.tainted & ~self.before.tainted):
            left.append(Left(f"taint {letters}", "a kernel stays tainted until the next boot"))
        return tuple(left)

    def _gone(self, module: LoadedModule) -> Left:
        why = "it was there before; somebody else unloaded it"
        for deed in self.deeds:
            if deed.plan.verb is Verb.LOAD and deed.plan.target == module.name and deed.failed:
                why = f"modprobe -r took it along, and it was not loaded again: {deed.told.cause}"
        return Left(f"module {module.name} is gone", why)

    @property
    def _loaded_again(self) -> list[str]:
        return [deed.plan.target for deed in self.deeds if deed.plan.verb == "load"]

    def _stayed(self, module: LoadedModule) -> Left:
        remedy = f"modprobe -r {module.name} takes it away"
        if module.permanent:
            why, remedy = "it is permanent: it has no way out", "it stays until the next boot"
        elif why := self.reasons.get(module.name, ""):
            pass
        elif module.users:
            why = f"used by {', '.join(module.users)}"
        elif module.other_references:
            why = "in use by something other than modules"
        elif module.name not in self.planned:
            why = "it came meanwhile and is not in the plan, so it is left alone"
        else:
            why = "it was not unloaded"
        return Left(f"module {module.name}", f"{why}; {remedy}")

    def symbols_of_it(self, look: Look | None) -> int:
        """Return how many symbols of the module a moment shows."""
        return len(look.symbols.of(self.name)) if look else 0
