"""The plan of a load, after kmod's `kmod_module_probe_insert_module` and modprobe's `insmod`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import PlanError
from kmodtui.model.block.lines import only_logs
from kmodtui.model.modprobe_rules import CommandEffect, Found, Rule, option_words, rule_effect
from kmodtui.model.modules import ModuleState, canonical, hang_remedy
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.plan import REQUESTED, Action, Option, Plan, PlanCommand, Step
from kmodtui.model.plan.verb import Verb
from kmodtui.model.probe_list import Probe, probe_list, quoted
from kmodtui.model.storage import Storage

_SUBSTITUTED = "$CMDLINE_OPTS"

MAX_NAMES = 20
"""Modules that one sentence names; no alias of a distribution has as many."""


def plan_load(asked: Sequence[str], parameters: Sequence[str], facts: PlanFacts) -> Plan:
    """Return what `modprobe NAME parameters…` would do now, for each name in turn.

    Args:
        asked: names or aliases.
        parameters: `name=value`, for a single name only.
        facts: one reading of the system.

    Raises:
        UnknownModuleError: no module has such a name.
        PlanError: there are parameters for more than one name, or softdeps form a loop.
    """
    if parameters and len(asked) > 1:
        raise PlanError(
            "Parameters apply to one module, but several are named.",
            "Load the module with parameters by itself.",
        )
    loading = _Loading(tuple(parameters), facts)
    for text in asked:
        found = loading.lookup.find(text)
        if not found and canonical(text) in facts.table.by_name:
            found = (Found(canonical(text)),)  # loaded, whatever files there are
        if not found:
            raise loading.lookup.unknown(text)
        for target in found:
            if target.name not in loading.targets:
                loading.take(target, text)
        loading.explain_alias(text, found)
    return loading.plan()


class _Loading:
    """A plan in the making."""

    def __init__(self, given: tuple[str, ...], facts: PlanFacts) -> None:
        self.targets: dict[str, None] = {}
        self.lookup = facts.lookup
        self._given = given
        self._table = facts.table
        self._steps: dict[str, Step] = {}
        self._commands: list[PlanCommand] = []
        self._warnings: list[str] = []
        # Why a target needs no load, and why the plan cannot work; each with the remedy.
        self._left: list[tuple[str, str]] = []
        self._refusals: list[tuple[str, str]] = []

    def plan(self) -> Plan:
        """Return the plan for everything that was taken."""
        self._show_weakdeps()
        unneeded = () if self._commands or self._refusals else self._left
        if not unneeded:
            self._warnings += [sentence for sentence, _ in self._left]
        return Plan(
            Verb.LOAD,
            tuple(self.targets),
            tuple(self._steps.values()),
            () if self._refusals else tuple(self._commands),
            warnings=tuple(dict.fromkeys(self._warnings)),
            refused=" ".join(dict.fromkeys(sentence for sentence, _ in self._refusals)),
            nothing_to_do=" ".join(dict.fromkeys(sentence for sentence, _ in unneeded)),
            remedy=" ".join(
                dict.fromkeys(remedy for _, remedy in (*self._refusals, *unneeded) if remedy)
            ),
            parameters=self._given,
        )

    def take(self, target: Found, text: str) -> None:
        """Plan the load of one module that was requested as `text`."""
        name = target.name
        self.targets[name] = None
        blacklist = self.lookup.blacklisted(name)
        if name in self._table.by_name:
            self._step(Step(Action.SKIP, name, f"{REQUESTED}; {self._state(name)}"))
            state = self._table.by_name[name].state
            if state is ModuleState.LOADING:
                self._left.append((f"{name} is being loaded already.", hang_remedy(state)))
                return
            if state is ModuleState.UNLOADING:
                self._refusals.append((f"{name} is {state.lower()}.", hang_remedy(state)))
                return
            remedy = "Parameters only take effect at load time: reload it with them."
            self._left.append((f"{name} is already loaded.", remedy if self._given else ""))
        elif target.builtin or self.lookup.is_builtin(name):
            self._step(Step(Action.BUILTIN, name, f"{REQUESTED}; built into the kernel"))
            self._left.append(
                (
                    f"{name} is built into this kernel: there is nothing to load.",
                    f"Set its parameters on the kernel command line, as {name}.name=value.",
                )
            )
        elif blacklist and blacklist.also_by_name:
            self._step(
                Step(Action.SKIP, name, f"{REQUESTED}; blacklisted", source=blacklist.source)
            )
            self._refusals.append(
                (
                    f"{name} is blacklisted ({blacklist.source}): OpenWrt's modprobe does not "
                    "load it, by its name either.",
                    "Remove that line, or insert its file with insmod.",
                )
            )
        elif target.alias and blacklist and not blacklist.only_for_init:
            reason = f"{REQUESTED} as {text}; blacklisted"
            self._step(Step(Action.SKIP, name, reason, source=blacklist.source))
            self._left.append(
                (
                    f"{name} is blacklisted ({blacklist.source}): "
                    f"an alias such as {text} does not load it.",
                    f"Load it by its own name, {name}.",
                )
            )
        else:
            self._take_with_dependencies(target, text)
            if blacklist:
                prevents = "loading by an alias, not by name"
                if blacklist.only_for_init:
                    prevents = "Android's init from loading it at boot"
                self._warnings.append(
                    f"{name} is blacklisted ({blacklist.source}). That only prevents {prevents}."
                )

    def _take_with_dependencies(self, target: Found, text: str) -> None:
        order = probe_list(target, self.lookup)
        for probe in order:
            if probe.name not in self._steps:
                self._step(self._step_of(probe, self._given if probe.found is target else ()))
        whole = self.lookup.options(target.name, target.alias)
        own = frozenset(self.lookup.options(target.name))
        # modprobe gets the module's name: options that are set for the alias are added here.
        words = (
            word for option in whole if option not in own for word in option_words(option.text)
        )
        extra = tuple(word for word in words if "=" in word)
        self._commands.append(PlanCommand(Verb.LOAD, (target.name,), (*extra, *self._given)))
        self._refuse_lacking(next(probe for probe in order if probe.found is target), text)
        self._warn_of_loop(target.name)

    def _step(self, step: Step) -> None:
        self._steps.setdefault(step.module, step)

    def _state(self, name: str) -> str:
        state = self._table.by_name[name].state
        return "already loaded" if state is ModuleState.LIVE else state.lower()

    def _step_of(self, probe: Probe, given: tuple[str, ...]) -> Step:
        """Return what is done for one module of the list, and note warnings and refusals."""
        name, lookup = probe.name, self.lookup
        if name in self._table.by_name:
            state = self._table.by_name[name].state
            if state is not ModuleState.LIVE:
                self._warnings.append(
                    f"{name} is {state.lower()}: until that has ended, modprobe waits or fails. "
                    f"{hang_remedy(state)}"
                )
            return self._skip(probe, self._state(name))
        if probe.is_builtin(lookup):
            reason = f"{probe.reason}; built into the kernel"
            return Step(Action.BUILTIN, name, reason, source=probe.source)
        options = (*probe.options(lookup), *(Option(quoted(text)) for text in given))
        if rule := probe.install(lookup):
            return self._install(probe, rule, options)
        path = lookup.path_of(name)
        if path is None or not lookup.has_file(name):
            return self._without_file(probe, path)
        if lookup.is_blocked(name):
            return self._forbidden(probe)
        if probe.lacking and not probe.required:
            return self._skip(probe, f"its dependency {probe.lacking[0]} has no file")
        reason = probe.reason
        if name not in self.targets and (blacklist := lookup.blacklisted(name)):
            prevents = " Only an install rule prevents that."
            if blacklist.only_for_init:
                prevents = " On Android, only init and modprobe -b obey that."
            elif lookup.advice.storage in (Storage.PARTITIONS, Storage.OPENWRT):
                prevents = ""  # their modprobe has no install rules
            self._warnings.append(
                f"{name} is blacklisted ({blacklist.source}), but it is loaded anyway: "
                f"{reason}.{prevents}"
            )
            reason = f"blacklisted; {reason}"
        return Step(Action.INSMOD, name, reason, path, options, source=probe.source)

    def _skip(self, probe: Probe, why: str) -> Step:
        path = self.lookup.path_of(probe.name) or ""
        return Step(Action.SKIP, probe.name, f"{probe.reason}; {why}", path, source=probe.source)

    def _install(self, probe: Probe, rule: Rule, options: tuple[Option, ...]) -> Step:
        name = probe.name
        words = " ".join(option.text for option in options)
        command = rule.value.strip().replace(_SUBSTITUTED, words)
        effect = rule_effect(replace(rule, value=command))
        if rule.unrunnable and rule.unrunnable.certain:
            sentence = f"{rule.source} runs {command} instead of loading {name}, but "
            sentence += f"{rule.unrunnable}."
            if probe.required:
                remedy = "Correct that line, or remove it to load the module."
                self._refusals.append((f"{sentence} modprobe would fail.", remedy))
        elif effect is CommandEffect.FAILS and probe.required:
            self._refusals.append(
                (
                    f"{name} is blocked: {rule.source} runs {command} instead of loading it.",
                    "Remove that line to load it.",
                )
            )
        elif only_logs(command):
            self._warnings.append(
                f"The load of {name} is logged by kmodtui's rule ({rule.source})."
            )
        elif effect is CommandEffect.NOTHING and probe.required:
            self._warnings.append(
                f"{name} will not be loaded: {rule.source} runs {command} instead, which does "
                "nothing."
            )
        else:
            self._warnings.append(
                f"An install rule ({rule.source}) runs a shell command as root instead of "
                f"loading {name}. Its effect is unknown."
            )
            if rule.unrunnable:
                self._warnings.append(
                    f"{rule.unrunnable}: where it does not exist, modprobe fails and does not load "
                    f"{name}."
                )
        path = self.lookup.path_of(name) or ""
        return Step(Action.INSTALL, name, probe.reason, path, options, command, rule.source)

    def _without_file(self, probe: Probe, path: str | None) -> Step:
        name = probe.name
        if not probe.required:
            # An optional module is skipped silently, as modprobe does.
            return self._skip(probe, "it has no file")
        if path is not None:
            link = self.lookup.link_of(name)
            why = f"is a link to {link}, which does not exist" if link else "does not exist"
            advice = self.lookup.advice
            remedy = advice.restore_target(name, link) if link else advice.restore(name)
            self._refusals.append((f"{name} has no file: {path} {why}.", remedy))
        elif probe.found.source:
            self._refusals.append(
                (
                    f"{probe.found.alias} is an alias of {name} ({probe.found.source}), "
                    "and there is no such module.",
                    "Such a line disables the alias; remove it to restore the alias.",
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
                    "Remove it from the kernel command line and reboot.",
                )
            )
        return self._skip(probe, "blocked by module_blacklist= on the kernel command line")

    def _refuse_lacking(self, target: Probe, text: str) -> None:
        """Refuse a target whose dependency has no file: modprobe would load no dependency."""
        for name in target.lacking:
            path = self.lookup.path_of(name)
            where = f": {path} does not exist" if path else " and is not in the index"
            self._step(Step(Action.SKIP, name, f"needed by {target.name}; it has no file"))
            self._refuse_missing(name, f"{name}, a dependency of {text}, has no file{where}.")

    def _refuse_missing(self, name: str, sentence: str) -> None:
        self._refusals.append((sentence, self.lookup.advice.restore(name)))

    def _warn_of_loop(self, target: str) -> None:
        """Warn where modules.dep says that two modules depend on each other."""
        names = (target, *self.lookup.dependencies(target))
        dependencies = {name: set(self.lookup.dependencies(name)) for name in names}
        for name, needed in dependencies.items():
            for other in sorted(needed):
                if name in dependencies.get(other, ()):
                    loop = (
                        f"{name} depends on itself"
                        if other == name
                        else f"{name} and {other} depend on each other"
                    )
                    self._warnings.append(
                        f"modules.dep is wrong: it says that {loop}. {self.lookup.advice.rebuild}"
                    )
                    return

    def _show_weakdeps(self) -> None:
        """Show what modules may load by themselves later. modprobe does not load it."""
        for name in [name for name, step in self._steps.items() if step.action is Action.INSMOD]:
            for text in self.lookup.weakdeps(name):
                for found in self.lookup.find(text):
                    if found.name not in self._table.by_name:
                        reason = f"weakdep of {name}, which may load it later"
                        self._step(Step(Action.SKIP, found.name, reason))

    def explain_alias(self, text: str, found: tuple[Found, ...]) -> None:
        """Add a warning that says what an alias stands for."""
        names = [target.name for target in found]
        source = f" ({found[0].source})" if found[0].source else ""
        if names != [canonical(text)]:
            more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
            listed = ", ".join(names[:MAX_NAMES]) + more
            self._warnings.insert(0, f"{text} is an alias of {listed}{source}.")
