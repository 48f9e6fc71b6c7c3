"""The plan of a load, after kmod's `kmod_module_probe_insert_module` and modprobe's `insmod`."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence

from kmodtui.errors import PlanError
from kmodtui.model.modprobe_rules import Found, Rule, option_words
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import ModuleState, ModuleTable, canonical
from kmodtui.model.plan import Action, Command, Option, Plan, Step
from kmodtui.model.probe_list import Probe, probe_list, quoted
from kmodtui.model.verb import Verb

SizeOf = Callable[[str], "int | None"]
"""Gives the bytes that a module will take, about; None if that is not known."""

_SUBSTITUTED = "$CMDLINE_OPTS"


def plan_load(
    asked: Sequence[str],
    parameters: Sequence[str],
    table: ModuleTable,
    lookup: ModuleLookup,
    size_of: SizeOf | None = None,
) -> Plan:
    """Return what `modprobe NAME parameters…` would do now, for each name in turn.

    Args:
        asked: names or aliases.
        parameters: `name=value`, for a single name only.
        table: what is loaded.
        lookup: what there is.
        size_of: tells how much memory modules will take.

    Raises:
        UnknownModuleError: nothing is called that.
        PlanError: parameters for more than one name, or softdeps without an end.
    """
    if parameters and len(asked) > 1:
        raise PlanError(
            "Parameters are for one module, and several are named.",
            "Load the one that takes them by itself.",
        )
    loading = _Loading(tuple(parameters), table, lookup, size_of)
    for text in asked:
        found = lookup.find(text)
        if not found:
            raise lookup.unknown(text)
        for target in found:
            if target.name not in loading.targets:
                loading.take(target, text)
        loading.tell_names(text, found)
    return loading.plan()


class _Loading:
    """A plan in the making."""

    def __init__(
        self,
        given: tuple[str, ...],
        table: ModuleTable,
        lookup: ModuleLookup,
        size_of: SizeOf | None,
    ) -> None:
        self.targets: list[str] = []
        self._given = given
        self._table = table
        self._lookup = lookup
        self._size_of = size_of
        self._steps: dict[str, Step] = {}
        self._commands: list[Command] = []
        self._warnings: list[str] = []
        # Why a target is left as it is, and why the whole cannot work; each with the remedy.
        self._left: list[tuple[str, str]] = []
        self._refusals: list[tuple[str, str]] = []

    def plan(self) -> Plan:
        """Return the plan of all that was taken."""
        self._show_weakdeps()
        refusals = self._refusals
        if not refusals and not self._commands:
            refusals = self._left
        else:
            self._warnings += [sentence for sentence, _ in self._left]
        return Plan(
            Verb.LOAD,
            tuple(self.targets),
            tuple(self._steps.values()),
            () if refusals else tuple(self._commands),
            warnings=tuple(dict.fromkeys(self._warnings)),
            refused=" ".join(dict.fromkeys(sentence for sentence, _ in refusals)),
            remedy=" ".join(dict.fromkeys(remedy for _, remedy in refusals if remedy)),
            parameters=self._given,
        )

    def take(self, target: Found, text: str) -> None:
        """Plan the load of one module that was asked for, as `text`."""
        name = target.name
        self.targets.append(name)
        blacklist = self._lookup.blacklisted(name)
        if name in self._table.by_name:
            self._step(Step(Action.SKIP, name, f"asked for; {self._state(name)}"))
            remedy = "Parameters are only taken when it is loaded: reload it with them."
            self._left.append((f"{name} is loaded already.", remedy if self._given else ""))
        elif target.builtin or self._lookup.is_builtin(name):
            self._step(Step(Action.BUILTIN, name, "asked for; compiled into the kernel"))
            self._left.append(
                (
                    f"{name} is compiled into this kernel: it cannot be loaded.",
                    f"Its parameters are set on the boot line, as {name}.name=value.",
                )
            )
        elif target.alias and blacklist:
            reason = f"asked for as {text}; blacklisted"
            self._step(Step(Action.SKIP, name, reason, source=blacklist.source))
            self._left.append(
                (
                    f"{name} is blacklisted ({blacklist.source}): "
                    f"an alias such as {text} does not load it.",
                    f"By its own name, {name}, it is loaded all the same.",
                )
            )
        else:
            self._take_with_needs(target, text)
            if blacklist:
                self._warnings.append(
                    f"{name} is blacklisted ({blacklist.source}). That stops loading by an "
                    "alias; by its name it is loaded."
                )

    def _take_with_needs(self, target: Found, text: str) -> None:
        order = probe_list(target, self._lookup)
        for probe in order:
            if probe.name not in self._steps:
                self._step(self._step_of(probe, self._given if probe.found is target else ()))
        whole = self._lookup.options(target.name, target.alias)
        own = self._lookup.options(target.name)
        # modprobe will be given the module's name, not the alias that options may be set for.
        words = (
            word for option in whole if option not in own for word in option_words(option.text)
        )
        extra = tuple(word for word in words if "=" in word)
        self._commands.append(Command(Verb.LOAD, (target.name,), (*extra, *self._given)))
        self._tell_lacking(next(probe for probe in order if probe.found is target), text)
        self._tell_circle(target.name)

    def _step(self, step: Step) -> None:
        self._steps.setdefault(step.module, step)

    def _state(self, name: str) -> str:
        state = self._table.by_name[name].state
        return "already loaded" if state is ModuleState.LIVE else state.lower()

    def _step_of(self, probe: Probe, given: tuple[str, ...]) -> Step:
        """Return what is done at one place of the list, and note what is to be said of it."""
        name, lookup = probe.name, self._lookup
        if name in self._table.by_name:
            return self._skip(probe, self._state(name))
        if probe.is_builtin(lookup):
            reason = f"{probe.reason}; compiled into the kernel"
            return Step(Action.BUILTIN, name, reason, source=probe.source)
        options = (*probe.options(lookup), *(Option(quoted(text)) for text in given))
        if rule := probe.install(lookup):
            return self._install(probe, rule, options)
        path = lookup.path_of(name)
        if path is None or not lookup.has_file(name):
            return self._without_file(probe, path)
        if lookup.is_forbidden(name):
            return self._forbidden(probe)
        if probe.lacking and not probe.required:
            return self._skip(probe, f"{probe.lacking[0]}, which it needs, has no file")
        size = self._size_of(name) if self._size_of else None
        return Step(
            Action.INSMOD, name, probe.reason, path, options, source=probe.source, memory=size
        )

    def _skip(self, probe: Probe, why: str) -> Step:
        path = self._lookup.path_of(probe.name) or ""
        return Step(Action.SKIP, probe.name, f"{probe.reason}; {why}", path, source=probe.source)

    def _install(self, probe: Probe, rule: Rule, options: tuple[Option, ...]) -> Step:
        name = probe.name
        words = " ".join(option.text for option in options)
        command = rule.value.strip().replace(_SUBSTITUTED, words)
        program = os.path.basename(command.split()[0]) if command.split() else ""
        if program == "false" and probe.required:
            self._refusals.append(
                (
                    f"{name} must not be loaded: {rule.source} runs {command} in its place.",
                    "Take that line out if it is to be loaded.",
                )
            )
        elif program in ("true", ":") and probe.required:
            self._warnings.append(
                f"{name} is not loaded: {rule.source} runs {command} in its place, which does "
                "nothing."
            )
        else:
            self._warnings.append(
                f"An install rule ({rule.source}) runs a shell command as root in place of "
                f"loading {name}. What that does is not known here."
            )
        path = self._lookup.path_of(name) or ""
        return Step(Action.INSTALL, name, probe.reason, path, options, command, rule.source)

    def _without_file(self, probe: Probe, path: str | None) -> Step:
        name = probe.name
        if not probe.required:
            # A wish is dropped without a word, as modprobe does.
            return self._skip(probe, "it has no file")
        if path is not None:
            self._refuse_missing(name, f"{name} has no file: {path} is not there.")
        elif probe.found.source:
            self._refusals.append(
                (
                    f"{probe.found.alias} is an alias of {name} ({probe.found.source}), "
                    "and there is no such module.",
                    "Such a line switches the alias off; take it out to have it back.",
                )
            )
        else:
            self._refuse_missing(name, f"{name} has no file.")
        return self._skip(probe, "it has no file")

    def _forbidden(self, probe: Probe) -> Step:
        if probe.required:
            self._refusals.append(
                (
                    f"The kernel refuses {probe.name}: it was booted with "
                    f"module_blacklist={probe.name}.",
                    "Take it from the boot line and reboot.",
                )
            )
        return self._skip(probe, "the boot line forbids it (module_blacklist=)")

    def _tell_lacking(self, target: Probe, text: str) -> None:
        """Refuse a target whose dependency has no file: modprobe would load none of them."""
        for name in target.lacking:
            path = self._lookup.path_of(name)
            where = f": {path} is not there" if path else ", and the index does not name it"
            self._step(Step(Action.SKIP, name, f"needed by {target.name}; it has no file"))
            self._refuse_missing(name, f"{name}, which {text} needs, has no file{where}.")

    def _refuse_missing(self, name: str, sentence: str) -> None:
        remedy = (
            f"Install the package again that {name} comes from, "
            f"or run depmod {self._lookup.release} as root if it was removed on purpose."
        )
        self._refusals.append((sentence, remedy))

    def _tell_circle(self, target: str) -> None:
        """Warn where modules.dep holds two modules that need each other."""
        needs = {name: set(self._lookup.dependencies(name)) for name in self._needed(target)}
        for name, needed in needs.items():
            for other in sorted(needed):
                if name in needs.get(other, ()):
                    whom = "itself" if other == name else f"{other}, and {other} needs {name}"
                    self._warnings.append(
                        f"modules.dep says that {name} needs {whom}, which cannot be. "
                        f"Run depmod {self._lookup.release} as root."
                    )
                    return

    def _needed(self, target: str) -> tuple[str, ...]:
        return (target, *self._lookup.dependencies(target))

    def _show_weakdeps(self) -> None:
        """Add what modules may load by themselves later. modprobe does not."""
        for name in [name for name, step in self._steps.items() if step.action is Action.INSMOD]:
            for text in self._lookup.weakdeps(name):
                for found in self._lookup.find(text):
                    if found.name not in self._table.by_name:
                        reason = f"weakdep of {name}, which loads it later if it wants it"
                        self._step(Step(Action.SKIP, found.name, reason))

    def tell_names(self, text: str, found: tuple[Found, ...]) -> None:
        """Say what an alias stands for."""
        names = [target.name for target in found]
        source = f" ({found[0].source})" if found[0].source else ""
        if len(names) > 1:
            self._warnings.insert(0, f"{text} stands for {', '.join(names)}{source}.")
        elif canonical(text) != names[0]:
            self._warnings.insert(0, f"{text} is an alias of {names[0]}{source}.")
