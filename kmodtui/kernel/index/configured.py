"""A release's modules as modprobe sees them: depmod's index and the rules of modprobe.d."""

from __future__ import annotations

from functools import cached_property

from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.index.aliases import lookup_form
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.modprobe.config import ModprobeConfig, read_modprobe_config
from kmodtui.model.modprobe_rules import Found, Problem, Rule, Softdep, is_from_index
from kmodtui.model.modules import canonical
from kmodtui.model.plan.plan import Option
from kmodtui.model.rule_problems import rule_problems
from kmodtui.model.storage import Advice


class ConfiguredIndex:
    """Lookups in the order of `kmod_module_new_from_lookup` (`libkmod/libkmod-module.c`)."""

    def __init__(self, index: ModuleIndex, config: ModprobeConfig) -> None:
        self.index = index
        self.config = config
        self._files: dict[str, bool] = {}
        self._builtin: dict[str, bool] = {}

    @property
    def advice(self) -> Advice:
        """What to do about module files and their index on this system."""
        return self.index.advice

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the rules: malformed lines, and rules that have no effect."""
        # A softdep of the distribution that is missing is not a mistake in the configuration.
        lines = (each for each in self.config.problems if not self._is_from_index(each.source))
        return (*lines, *rule_problems(self.config.rules, self, self._is_from_index))

    def _is_from_index(self, source: str) -> bool:
        """Return whether a rule is from the modules themselves, collected in depmod's index."""
        return is_from_index(source, self.index.folders)

    def find(self, text: str) -> tuple[Found, ...]:
        """Return the modules that a name or an alias resolves to, each once.

        The first of these that has a match counts: alias rules, file names, symbols, names
        with an install or remove rule, the modules' aliases, built-in modules, their aliases.
        """
        alias = lookup_form(text)
        if alias is None:
            return ()
        if rules := self.config.aliased(alias):
            found = (Found(rule.value, rule.name, rule.source) for rule in rules)
            return tuple(dict.fromkeys(found))
        if canonical(alias) == alias and alias in self.index:
            return (Found(alias),)
        names = self.index.resolve(alias)
        if self.config.has_command(alias) and not (names and alias.startswith("symbol:")):
            return (Found(canonical(alias)),)
        if names == (alias,) and self.index.is_builtin(alias):
            return (Found(alias, builtin=True),)
        return tuple(
            Found(name, alias, builtin=name not in self.index and self.index.is_builtin(name))
            for name in names
        )

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error for an unknown name or alias, with suggestions."""
        return self.index.unknown(text)

    def path_of(self, name: str) -> str | None:
        """Return the path of the module's file; None if the index lists none."""
        return self.index.path_of(name)

    def has_file(self, name: str) -> bool:
        """Return whether the module's file exists."""
        if name not in self._files:
            path = self.index.path_of(name)
            self._files[name] = path is not None and self.index.host.exists(path)
        return self._files[name]

    def link_of(self, name: str) -> str:
        """Return the target of a file that is a symbolic link; empty for others."""
        return self.index.link_of(name)

    def is_builtin(self, name: str) -> bool:
        """Return whether the module is built into the kernel."""
        if name not in self._builtin:  # without modules.builtin, /sys is read
            self._builtin[name] = self.index.is_builtin(name)
        return self._builtin[name]

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return the module's direct and indirect dependencies, in load order."""
        return self.index.dependencies(name)

    def softdep(self, name: str) -> Softdep:
        """Return the module's soft dependencies; `source` is empty if the module sets them."""
        softdep = self.config.softdep(name)
        return softdep._replace(source="") if self._is_from_index(softdep.source) else softdep

    def weakdeps(self, name: str) -> tuple[str, ...]:
        """Return the modules that this one may request later."""
        return self.config.weakdeps(name)

    def options(self, name: str, alias: str = "") -> tuple[Option, ...]:
        """Return the options of the module, and of the alias that it is loaded by."""
        return self.config.options(name, alias)

    def install(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of loading the module."""
        return self.config.install(name)

    def remove(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of unloading the module."""
        return self.config.remove(name)

    def blacklisted(self, name: str) -> Rule | None:
        """Return the rule that keeps the module from being loaded by alias."""
        return self.config.blacklisted(name)

    def is_blocked(self, name: str) -> bool:
        """Return whether the kernel itself refuses the module (`module_blacklist=`)."""
        return name in self.config.blocked


def configured(index: ModuleIndex) -> ConfiguredIndex:
    """Return an index with the rules that its system has now. Reads files."""
    return ConfiguredIndex(index, read_modprobe_config(index.host, *index.folders))
