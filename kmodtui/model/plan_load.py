"""The plan of a load, after kmod's `kmod_module_get_probe_list` in `libkmod/libkmod-module.c`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kmodtui.errors import UnknownModuleError
from kmodtui.model.modules import ModuleState, ModuleTable, canonical
from kmodtui.model.plan import Action, Command, Option, Plan, Step, Verb


class DependencyIndex(Protocol):
    """What a plan has to know of a kernel release's modules; see `kernel.catalog`."""

    def path_of(self, name: str) -> str | None:
        """Return the module's file, None if there is none."""
        ...

    def is_builtin(self, name: str) -> bool:
        """Return whether the module is compiled into the kernel."""
        ...

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return everything it needs, in load order."""
        ...

    def softdeps(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return names or aliases of what is tried before and after it."""
        ...

    def resolve(self, name: str) -> tuple[str, ...]:
        """Return the modules that a name or alias stands for; none if it stands for nothing."""
        ...

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error that says that there is no such module, with near names."""
        ...


def plan_load(
    asked: str, parameters: Iterable[str], table: ModuleTable, index: DependencyIndex
) -> Plan:
    """Return what `modprobe asked parameters…` would do now.

    Raises:
        UnknownModuleError: the index knows no such module.
    """
    names = index.resolve(asked)
    if not names:
        raise index.unknown(asked)
    target = names[0]
    given = tuple(parameters)
    order = _ProbeList(index)
    order.visit(target, "asked for")
    required = {target, *index.dependencies(target)}
    steps, warnings = [], []
    for name, reason in order.found.items():
        loaded = table.by_name.get(name)
        options = tuple(map(Option, given)) if name == target else ()
        if loaded is not None:
            state = "already loaded" if loaded.state is ModuleState.LIVE else loaded.state.lower()
            steps.append(Step(Action.SKIP, name, f"{reason}; {state}"))
        elif index.is_builtin(name) and index.path_of(name) is None:
            steps.append(Step(Action.BUILTIN, name, f"{reason}; compiled into the kernel"))
        elif (path := index.path_of(name)) is None and name not in required:
            # A wish is dropped without a word, as modprobe does.
            steps.append(Step(Action.SKIP, name, f"{reason}; it has no file"))
        else:
            steps.append(Step(Action.INSMOD, name, reason, path or "", options))
    if len(names) > 1:
        others = ", ".join(names[1:])
        warnings.append(f"{asked} stands for {others} as well; only {target} is loaded.")
    if canonical(asked) != target:
        warnings.append(f"{asked} is an alias of {target}.")
    refused, remedy = "", ""
    if target in table.by_name:
        refused = f"{target} is loaded already."
        remedy = "Parameters are only taken when it is loaded: unload it first."
    elif index.is_builtin(target) and index.path_of(target) is None:
        refused = f"{target} is compiled into this kernel: it cannot be loaded."
        remedy = f"Its parameters are set on the boot line, as {target}.name=value."
    return Plan(
        Verb.LOAD,
        (target,),
        tuple(steps),
        () if refused else (Command(Verb.LOAD, (target,), given),),
        warnings=tuple(warnings),
        refused=refused,
        remedy=remedy,
        parameters=given,
    )


class _ProbeList:
    """The order in which kmod loads: softdeps before, dependencies, itself, softdeps after."""

    def __init__(self, index: DependencyIndex) -> None:
        self.found: dict[str, str] = {}
        self._index = index
        self._visited: set[str] = set()

    def visit(self, name: str, reason: str) -> None:
        if name in self._visited:
            return
        self._visited.add(name)
        for needed in self._index.dependencies(name):
            self._with_softdeps(needed, f"needed by {name}")
        self._with_softdeps(name, reason)

    def _with_softdeps(self, name: str, reason: str) -> None:
        before, after = self._index.softdeps(name)
        for alias in before:
            for module in self._index.resolve(alias):
                self.visit(module, f"softdep of {name}, before it")
        self.found.setdefault(name, reason)
        for alias in after:
            for module in self._index.resolve(alias):
                self.visit(module, f"softdep of {name}, after it")
