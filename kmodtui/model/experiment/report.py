"""An experiment: load a module, record what changed, unload it, and report what still differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from kmodtui.model.explain.explanation import Explanation, Kind
from kmodtui.model.history import Change, Totals
from kmodtui.model.modules import LoadedModule, ModuleTable, taint_flags
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.reading import Reading
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.model.text import natural_key


class Stage(IntEnum):
    """The stages of an experiment, in order."""

    PLANNED = 0
    CHECK = 1
    LOAD = 2
    LOOK = 3
    UNLOAD = 4
    CHECK_AGAIN = 5
    OVER = 6


@dataclass(frozen=True, slots=True, order=True)
class InventoryItem:
    """Something that a module can register besides symbols.

    Attributes:
        kind: `file system`, `network interface`, `device`, `driver`…
        name: its name in the kernel.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Observation:
    """The state of the system at one moment.

    Attributes:
        reading: modules, symbols and taint.
        things: devices, drivers, file systems and the like.
    """

    reading: Reading
    things: frozenset[InventoryItem] = frozenset()

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

    def since(self, earlier: Observation) -> Change:
        """Return what changed since an earlier moment."""
        return self.reading.since(earlier.reading)


@dataclass(frozen=True, slots=True)
class ActionResult:
    """One load or unload, and its outcome.

    Attributes:
        plan: what was to be done.
        told: the outcome, or why the plan could not be carried out.
    """

    plan: Plan
    told: Explanation

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.told.kind is Kind.FAILURE


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the machine before and after the experiment.

    Attributes:
        what: the difference in a few words: `module xor`, `taint E`.
        why: the reason, and the remedy if there is one.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Report:
    """The report of an experiment; each stage adds to it until the experiment is over.

    Attributes:
        plan: the plan for loading the module, which the user confirms first.
        stage: the current stage.
        hostname: host name of the machine.
        release: release of its kernel.
        before: the state before the load.
        loaded: the load and its outcome.
        after: the state after the load; None if the module was not loaded.
        log: kernel log records of the load.
        unloads: the unloads, in order, then the loads that restore modules which were loaded
            before and which modprobe -r unloaded as well.
        unload_log: kernel log records after the load.
        end: the state at the end.
        reasons: why a module is still loaded, by module name.
        problem: why the state after the load could not be read, in a sentence; else empty.
    """

    plan: Plan
    stage: Stage = Stage.PLANNED
    hostname: str = ""
    release: str = ""
    before: Observation | None = None
    loaded: ActionResult | None = None
    after: Observation | None = None
    log: tuple[str, ...] = ()
    unloads: tuple[ActionResult, ...] = ()
    unload_log: tuple[str, ...] = ()
    end: Observation | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        """The module to experiment with."""
        return self.plan.target

    @property
    def planned(self) -> frozenset[str]:
        """The modules that the plan loads, and that are unloaded again."""
        return frozenset(s.module for s in self.plan.steps if s.action is Action.INSMOD)

    @property
    def load_change(self) -> Change | None:
        """The change made by the load; None until both states are known."""
        return self.after.since(self.before) if self.after and self.before else None

    @property
    def unload_change(self) -> Change | None:
        """The change made by the unload; None until both states are known."""
        return self.end.since(self.after) if self.end and self.after else None

    @property
    def unplanned_modules(self) -> tuple[LoadedModule, ...]:
        """Modules that were loaded meanwhile and are not in the plan."""
        came = self.load_change
        return tuple(m for m in came.loaded if m.name not in self.planned) if came else ()

    @property
    def appeared(self) -> tuple[InventoryItem, ...]:
        """Devices, drivers and the like that appeared with the load, sorted."""
        if self.after is None or self.before is None:
            return ()
        return _ordered(self.after.things - self.before.things)

    @property
    def succeeded(self) -> bool:
        """Whether the module was loaded, and the machine is in its previous state again."""
        return self.after is not None and self.end is not None and not self.differences

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences between the machine before and after; empty until it is over."""
        if self.before is None or self.end is None:
            return ()
        change = self.end.since(self.before)
        changed = {module.name for module in (*change.loaded, *change.unloaded)}
        left = [self._still_loaded(module) for module in change.loaded]
        left += [self._unloaded(module) for module in change.unloaded]
        left += [
            Difference(f"module {name} was reloaded", "modprobe -r had unloaded it as well")
            for name in self._reloaded
            if name not in changed
        ]
        for owner in change.symbols.owners:
            if owner.owner not in changed:
                numbers = f"+{len(owner.added):,} −{len(owner.removed):,}"
                whose = f"of {owner.owner}" if owner.owner else "of the kernel itself"
                why = "not caused by this experiment"
                left.append(Difference(f"{numbers} symbols {whose}", why))
        left += [
            Difference(f"{thing.kind} {thing.name}", "it appeared meanwhile and still exists")
            for thing in _ordered(self.end.things - self.before.things)
        ]
        left += [
            Difference(f"{thing.kind} {thing.name} is gone", "it existed before")
            for thing in _ordered(self.before.things - self.end.things)
        ]
        if letters := taint_flags(self.end.tainted & ~self.before.tainted):
            left.append(
                Difference(f"taint {letters}", "the kernel stays tainted until the next boot")
            )
        return tuple(left)

    def _unloaded(self, module: LoadedModule) -> Difference:
        why = "it was loaded before; another program unloaded it"
        for deed in self.unloads:
            if deed.plan.verb is Verb.LOAD and deed.plan.target == module.name and deed.failed:
                why = f"modprobe -r unloaded it, and loading it again failed: {deed.told.cause}"
        return Difference(f"module {module.name} is gone", why)

    @property
    def _reloaded(self) -> list[str]:
        return [deed.plan.target for deed in self.unloads if deed.plan.verb == "load"]

    def _still_loaded(self, module: LoadedModule) -> Difference:
        program = "rmmod" if self.plan.inserts and module.name == self.name else "modprobe -r"
        remedy = f"unload it with {program} {module.name}"
        if module.permanent:
            why = "it cannot be unloaded: it has no exit function ([permanent])"
            remedy = "it stays loaded until the next boot"
        elif why := self.reasons.get(module.name, ""):
            pass
        elif module.users:
            why = f"used by {', '.join(module.users)}"
        elif module.other_references:
            why = "in use, but not by a module"
        elif module.name not in self.planned:
            why = "it was loaded meanwhile and is not in the plan, so it was not unloaded"
        else:
            why = "it was not unloaded"
        return Difference(f"module {module.name}", f"{why}; {remedy}")

    def symbols_of_it(self, look: Observation | None) -> int:
        """Return the number of symbols that the module has in a state; 0 if there is none."""
        return len(look.symbols.of(self.name)) if look else 0


def _ordered(things: Iterable[InventoryItem]) -> tuple[InventoryItem, ...]:
    return tuple(sorted(things, key=lambda thing: (thing.kind, natural_key(thing.name))))
