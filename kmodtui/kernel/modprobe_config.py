"""Reader of modprobe's configuration: the folders modprobe.d and the kernel's command line.

After kmod's `libkmod/libkmod-config.c`, versions 30 to 34, and `man 5 modprobe.d`.
What kmod drops without a word or with one that nobody reads becomes a `Problem`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import cached_property

from kmodtui.kernel.alias_index import has_wildcard, matches
from kmodtui.kernel.boot_line import forbidden_modules, parse_command_line
from kmodtui.kernel.host import Host
from kmodtui.kernel.modprobe_file import parse_rules, parse_softdep
from kmodtui.model.modprobe_rules import Problem, Rule, RuleKind, Softdep, option_words
from kmodtui.model.modules import canonical
from kmodtui.model.plan import Option
from kmodtui.model.text import clean

FOLDERS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
"""Of files of one name that in the first of these counts."""

_OWN_INDEXES = ("modules.softdep", "modules.weakdep")
"""Files of the release that kmod reads as if they stood in modprobe.d."""

_COMMAND_LINE = "/proc/cmdline"
_COMMAND_LINE_BYTES = 4095


class ModprobeConfig:
    """The rules of one system, in the order in which they count."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        problems: Iterable[Problem] = (),
        forbidden: Iterable[str] = (),
    ) -> None:
        """Take the rules in kmod's order.

        Args:
            rules: of files sorted by name, then those of the boot line.
            problems: what is wrong with the files.
            forbidden: modules that the kernel itself refuses (`module_blacklist=`).
        """
        self.rules = tuple(rules)
        self.problems = tuple(problems)
        self.forbidden = frozenset(forbidden)

    def of(self, kind: RuleKind) -> tuple[Rule, ...]:
        """Return the rules of one kind, in their order."""
        return tuple(rule for rule in self.rules if rule.kind is kind)

    def aliased(self, text: str) -> tuple[Rule, ...]:
        """Return the alias rules whose pattern matches a normalised text."""
        return tuple(rule for rule in self._aliases if matches(rule.name, text))

    def options(self, name: str, alias: str = "") -> tuple[Option, ...]:
        """Return what a module is given at each load, a rule's options each; the last counts.

        Args:
            name: of the module.
            alias: as which it is loaded: options can be set for that as well.
        """
        rules = self._options.get(name, [])
        if alias and alias in self._options:
            rules = [rule for rule in self.rules if self._is_option_of(rule, name, alias)]
        return tuple(Option(rule.value.strip(), rule.source) for rule in rules)

    def settings(self, name: str) -> dict[str, Option]:
        """Return by parameter what a module is given at each load: `name=value`, the last one."""
        found: dict[str, Option] = {}
        for option in self.options(name):
            for word in option_words(option.text):
                found[word.partition("=")[0].replace("-", "_")] = Option(word, option.source)
        return found

    def install(self, name: str) -> Rule | None:
        """Return the rule whose command runs in place of loading a module; None if none does."""
        return self._installs.first(name)

    def remove(self, name: str) -> Rule | None:
        """Return the rule whose command runs in place of unloading a module."""
        return self._removes.first(name)

    def has_command(self, name: str) -> bool:
        """Return whether an install or remove rule makes `name` a name that modprobe knows."""
        return name in self._installs.names or name in self._removes.names

    def softdep(self, name: str) -> Softdep:
        """Return what is tried before and after a module: the first rule for it and no other."""
        rule = self._softdeps.first(name)
        return parse_softdep(rule.value, rule.source) if rule else Softdep()

    def weakdeps(self, name: str) -> tuple[str, ...]:
        """Return what a module may load by itself later: the first rule for it and no other."""
        rule = self._weakdeps.first(name)
        return tuple(rule.value.split()) if rule else ()

    def blacklisted(self, name: str) -> Rule | None:
        """Return the rule that keeps a module from being loaded by an alias; None if none does."""
        return self._blacklists.get(name)

    def problems_of(self, names: Iterable[str]) -> tuple[Problem, ...]:
        """Return the problems whose lines speak of one of the modules."""
        wanted = set(names)
        return tuple(
            problem
            for problem in self.problems
            if wanted.intersection(canonical(word.strip(".,:'")) for word in problem.text.split())
        )

    def _is_option_of(self, rule: Rule, name: str, alias: str) -> bool:
        return rule.kind is RuleKind.OPTIONS and rule.name in (name, alias)

    @cached_property
    def _aliases(self) -> tuple[Rule, ...]:
        return self.of(RuleKind.ALIAS)

    @cached_property
    def _options(self) -> dict[str, list[Rule]]:
        found: dict[str, list[Rule]] = {}
        for rule in self.of(RuleKind.OPTIONS):
            found.setdefault(rule.name, []).append(rule)
        return found

    @cached_property
    def _blacklists(self) -> dict[str, Rule]:
        return {rule.name: rule for rule in reversed(self.of(RuleKind.BLACKLIST))}

    @cached_property
    def _installs(self) -> _FirstMatch:
        return _FirstMatch(self.of(RuleKind.INSTALL))

    @cached_property
    def _removes(self) -> _FirstMatch:
        return _FirstMatch(self.of(RuleKind.REMOVE))

    @cached_property
    def _softdeps(self) -> _FirstMatch:
        return _FirstMatch(self.of(RuleKind.SOFTDEP))

    @cached_property
    def _weakdeps(self) -> _FirstMatch:
        return _FirstMatch(self.of(RuleKind.WEAKDEP))


class _FirstMatch:
    """Rules for modules or patterns of modules, of which the first that matches counts."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.names: dict[str, int] = {}
        self._rules = rules
        self._patterns: list[int] = []
        for number, rule in enumerate(rules):
            if has_wildcard(rule.name):
                self._patterns.append(number)
            else:
                self.names.setdefault(rule.name, number)

    def first(self, name: str) -> Rule | None:
        found = self.names.get(name, len(self._rules))
        for number in self._patterns:
            if number > found:
                break
            if matches(self._rules[number].name, name):
                found = number
                break
        return self._rules[found] if found < len(self._rules) else None


def read_modprobe_config(host: Host, folder: str = "") -> ModprobeConfig:
    """Return the rules of a system. What cannot be read is a problem, not an error.

    Args:
        host: the system.
        folder: of a kernel release, whose modules.softdep and modules.weakdep count as
            files of modprobe.d do.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    for path in _files(host, folder, problems):
        try:
            data = host.read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            why = error.strerror or str(error)
            problems.append(Problem(clean(path), f"It cannot be read: {clean(why)}."))
            continue
        rules += parse_rules(os.fsdecode(data), clean(path), problems)
    try:
        line = os.fsdecode(host.read(_COMMAND_LINE, _COMMAND_LINE_BYTES))
    except OSError:
        line = ""
    rules += parse_command_line(line, problems)
    return ModprobeConfig(rules, problems, forbidden_modules(line))


def _files(host: Host, folder: str, problems: list[Problem]) -> list[str]:
    """Return the files that count, in the order in which they are read."""
    found = {name: f"{folder}/{name}" for name in _OWN_INDEXES} if folder else {}
    for place in FOLDERS:
        try:
            names = host.listdir(place)
        except OSError:
            continue
        for name in names:
            path = f"{place}/{name}"
            if name.startswith(".") or not name.endswith((".conf", ".alias")):
                continue
            try:
                is_folder = stat.S_ISDIR(host.stat(path).st_mode)
            except OSError:
                problems.append(Problem(clean(path), "It leads nowhere."))
                continue
            if is_folder:
                problems.append(Problem(clean(path), "It is a folder, which is not looked into."))
            elif name not in found:
                found[name] = path
                if name.endswith(".alias"):
                    told = "kmod 33 and later do not read it: its name does not end in .conf."
                    problems.append(Problem(clean(path), told))
    return [found[name] for name in sorted(found, key=os.fsencode)]
