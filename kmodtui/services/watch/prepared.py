"""A reload that is planned before the rebuild: then only what can have changed is read again.

A plan takes most of the time from a rebuild until it is loaded, and rebuild after rebuild it
is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.live_module import ParameterValue
from kmodtui.model.modules import LoadedModule, ModuleTable
from kmodtui.model.plan.danger import KEYBOARD
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Action, Plan, PlanCommand, Step
from kmodtui.model.plan.verb import Verb
from kmodtui.model.usage import UseKind
from kmodtui.model.watch.build import ModuleBuild
from kmodtui.services.machine import Machine
from kmodtui.services.planning.planning import plan_now
from kmodtui.services.planning.undo import Before, read_before
from kmodtui.services.usage import usage_of


@dataclass(frozen=True)
class _Shown:
    """What the system shows of a loaded module: while it is the same, so is the plan.

    Attributes:
        module: its line in /proc/modules.
        instance: the inode number of its directory in /sys/module, another one after a reload.
        parameters: with their values.
        interfaces: the network interfaces of the system.
    """

    module: LoadedModule
    instance: int
    parameters: tuple[ParameterValue, ...]
    interfaces: frozenset[str]


@dataclass(frozen=True)
class Prepared:
    """The reload of a module from a file.

    Attributes:
        build: the build that is loaded.
        path: of the file.
        plan: of the reload.
        before: what it will change.
    """

    build: ModuleBuild
    path: str
    plan: Plan
    before: Before
    _shown: _Shown

    def now(self, machine: Machine, build: ModuleBuild) -> tuple[Plan, Before] | None:
        """Return the plan for another build; None if it has to be planned again. Reads files."""
        known = self.build
        if (known.name, known.vermagic, known.parameters) != (
            build.name,
            build.vermagic,
            build.parameters,
        ) or not build.imports <= known.imports:
            return None
        table, shown = _read(machine, known.name)
        if shown != self._shown:
            return None

        def step(step: Step) -> Step:
            return replace(step, memory=build.memory) if step.action is Action.INSMOD else step

        def command(command: PlanCommand) -> PlanCommand:
            insert = command.verb is Verb.INSERT
            return replace(command, sha256=build.sha256) if insert else command

        plan = replace(
            self.plan,
            steps=tuple(map(step, self.plan.steps)),
            commands=tuple(map(command, self.plan.commands)),
        )
        return plan, replace(self.before, table=table)


def prepare(
    machine: Machine, build: ModuleBuild, path: str, parameters: Sequence[str]
) -> Prepared | None:
    """Return the reload of a loaded build from the file at `path`. Reads files.

    None where more than the build decides about it: while the module is used, if it could be
    what the user is connected through, or if other modules have to be loaded.
    """
    if build.name in KEYBOARD:
        return None
    try:
        table, shown = _read(machine, build.name)
        if shown is None or shown.module.refcount:
            return None
        usage = usage_of(machine.host, machine.index_now(), [build.name], open_files=False)
        if any(use.kind is UseKind.INTERFACE for use in usage.by_module.get(build.name, ())):
            return None
        plan = plan_now(machine, [Intent(Verb.RELOAD, (build.name,), tuple(parameters), file=path)])
        if plan.refused or plan.danger or [c.verb for c in plan.commands] != _COMMANDS:
            return None
        before = read_before(machine, plan)
        _, after = _read(machine, build.name)
    except KmodtuiError:
        return None
    return (
        Prepared(build, path, plan, replace(before, table=table), shown) if after == shown else None
    )


_COMMANDS = [Verb.UNLOAD, Verb.INSERT]


def _read(machine: Machine, name: str) -> tuple[ModuleTable, _Shown | None]:
    """Return the loaded modules, and what is shown of one of them; None if it is not loaded."""
    host = machine.host
    table = read_modules(host)
    module = table.by_name.get(name)
    if module is None:
        return table, None
    try:
        instance = host.stat(f"/sys/module/{name}").st_ino
    except OSError:
        return table, None
    try:
        interfaces = frozenset(host.listdir("/sys/class/net"))
    except OSError:
        interfaces = frozenset()  # a kernel without network
    return table, _Shown(module, instance, read_parameters(host, name), interfaces)
