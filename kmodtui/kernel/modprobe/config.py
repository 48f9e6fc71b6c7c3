"""Reader of modprobe's configuration: the modprobe.d directories and the kernel command line.

Sources: kmod's `libkmod/libkmod-config.c`, versions 30 to 34, and `man 5 modprobe.d`. What
kmod ignores silently, or with a message that is easily missed, becomes a `Problem`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import cached_property

from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import PatternIndex, has_wildcard
from kmodtui.kernel.index.places import (
    has_android_files,
    loads_by_box,
    loads_by_kmodloader,
    loads_by_libmodprobe,
)
from kmodtui.kernel.modprobe.command_line import forbidden_modules, parse_command_line
from kmodtui.kernel.modprobe.file import parse_rules, parse_softdep
from kmodtui.kernel.modprobe.programs import with_programs
from kmodtui.kernel.modprobe.unread import files_elsewhere, not_read, unread_file
from kmodtui.model.modprobe_rules import (
    ANDROID_FILES,
    OPENWRT_FILE,
    Problem,
    Rule,
    RuleKind,
    Softdep,
    option_words,
)
from kmodtui.model.plan.plan import Option
from kmodtui.model.rule_problems import problems_about
from kmodtui.model.text import clean

FOLDERS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
"""If several of these have a file of the same name, the first one counts."""

_INDEX_FILES = ("modules.softdep", "modules.weakdep")
"""Files in the release's directory that kmod reads like files in modprobe.d."""

_COMMAND_LINE = "/proc/cmdline"
_COMMAND_LINE_BYTES = 4095


class ModprobeConfig:
    """The rules of a system, in the order of their precedence."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        problems: Iterable[Problem] = (),
        forbidden: Iterable[str] = (),
        unreadable: Iterable[str] = (),
    ) -> None:
        """Store the rules in kmod's order.

        Args:
            rules: those of the files, sorted by file name, then those of the kernel command
                line.
            problems: what is wrong with the files.
            forbidden: modules that the kernel itself refuses to load (`module_blacklist=`).
            unreadable: files and directories that kmod reads and this process may not.
        """
        self.rules = tuple(rules)
        self.problems = tuple(problems)
        self.blocked = frozenset(forbidden)
        self.unreadable = tuple(unreadable)

    def of(self, kind: RuleKind) -> tuple[Rule, ...]:
        """Return the rules of a kind, in order."""
        return tuple(rule for rule in self.rules if rule.kind is kind)

    def aliased(self, text: str) -> tuple[Rule, ...]:
        """Return the alias rules whose pattern matches a normalised alias."""
        return tuple(self._aliases.matching(text))

    def options(self, name: str, alias: str = "") -> tuple[Option, ...]:
        """Return the options that a module is loaded with, one item per rule; the last one wins.

        Args:
            name: of the module.
            alias: by which it is loaded, because options can be set for an alias too.
        """
        rules = self._options.get(name, [])
        if alias and alias in self._options:
            rules = [rule for rule in self.rules if self._is_option_of(rule, name, alias)]
        return tuple(Option(rule.value.strip(), rule.source) for rule in rules)

    def settings(self, name: str) -> dict[str, Option]:
        """Return the option `name=value` for each parameter that is set; the last one wins."""
        found: dict[str, Option] = {}
        for option in self.options(name):
            for word in option_words(option.text):
                found[word.partition("=")[0].replace("-", "_")] = Option(word, option.source)
        return found

    def install(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of loading a module; None if there is none."""
        return self._installs.first(name)

    def remove(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of unloading it; None if there is none."""
        return self._removes.first(name)

    def has_command(self, name: str) -> bool:
        """Return whether modprobe knows `name` because of an install or remove rule."""
        return name in self._installs.names or name in self._removes.names

    def softdep(self, name: str) -> Softdep:
        """Return the soft dependencies of a module; only the first rule for it counts."""
        rule = self._softdeps.first(name)
        return parse_softdep(rule.value, rule.source) if rule else Softdep()

    def weakdeps(self, name: str) -> tuple[str, ...]:
        """Return the modules that a module may request later; only the first rule counts."""
        rule = self._weakdeps.first(name)
        return tuple(rule.value.split()) if rule else ()

    def blacklisted(self, name: str) -> Rule | None:
        """Return the rule that keeps a module from being loaded by alias; None if there is none."""
        return self._blacklists.get(name)

    def problems_of(self, names: Iterable[str]) -> tuple[Problem, ...]:
        """Return the problems that a plan for some modules should mention."""
        return problems_about(self.problems, names)

    @property
    def allow_unsupported(self) -> Rule | None:
        """The rule of SUSE about modules that SUSE does not support; None if there is none."""
        rules = self.of(RuleKind.ALLOW_UNSUPPORTED)
        return rules[-1] if rules else None

    def replacing(self, file: str, rules: Iterable[Rule]) -> ModprobeConfig:
        """Return the configuration as it would be with other rules in one file."""
        name = os.fsencode(os.path.basename(file))
        others = [rule for rule in self.rules if rule.file != file]
        position = next(
            (
                number
                for number, rule in enumerate(others)
                if not rule.file or os.fsencode(os.path.basename(rule.file)) > name
            ),
            len(others),
        )
        whole = (*others[:position], *rules, *others[position:])
        return ModprobeConfig(whole, self.problems, self.blocked, self.unreadable)

    def without(self, unwanted: Callable[[Rule], bool]) -> ModprobeConfig:
        """Return the configuration as it would be without some of its rules."""
        rules = (rule for rule in self.rules if not unwanted(rule))
        return ModprobeConfig(rules, self.problems, self.blocked, self.unreadable)

    def _is_option_of(self, rule: Rule, name: str, alias: str) -> bool:
        return rule.kind is RuleKind.OPTIONS and rule.name in (name, alias)

    @cached_property
    def _aliases(self) -> PatternIndex[Rule]:
        return PatternIndex((rule.name, rule) for rule in self.of(RuleKind.ALIAS))

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
    """Rules for names and patterns, of which the first match counts."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.names: dict[str, int] = {}
        self._rules = rules
        patterns: list[tuple[str, int]] = []
        for number, rule in enumerate(rules):
            if has_wildcard(rule.name):
                patterns.append((rule.name, number))
            else:
                self.names.setdefault(rule.name, number)
        self._patterns = PatternIndex(patterns)

    def first(self, name: str) -> Rule | None:
        found = self._patterns.matching(name)[:1]
        if name in self.names:
            found.append(self.names[name])
        return self._rules[min(found)] if found else None


def read_modprobe_config(host: Host, *folders: str) -> ModprobeConfig:
    """Return the rules of a system. A file that cannot be read is a problem, not an error.

    Args:
        host: the observed system.
        folders: the directories of a kernel release, whose modules.softdep and modules.weakdep
            are read as well, and on Android modules.options and modules.blocklist.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    unreadable: list[str] = []
    for path in _files(host, folders, problems, unreadable):
        try:
            data = host.read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            why = error.strerror or str(error)
            problems.append(Problem(clean(path), f"It cannot be read: {clean(why)}."))
            unreadable.append(clean(path))
            continue
        rules += parse_rules(os.fsdecode(data), clean(path), problems)
    try:
        line = os.fsdecode(host.read(_COMMAND_LINE, _COMMAND_LINE_BYTES))
    except OSError:
        line = ""
    rules += parse_command_line(line, problems)
    if box := loads_by_box(host):
        rules, dropped = _without_commands(rules)
        problems += [
            Problem(
                rule.source,
                f"{rule.kind} {clean(rule.name)} has no effect: modprobe is {box}'s, without such "
                "rules.",
                (rule.name,),
            )
            for rule in dropped
        ]
    whole = with_programs(host, rules)
    return ModprobeConfig(whole, problems, forbidden_modules(line), unreadable)


def _without_commands(rules: Iterable[Rule]) -> tuple[list[Rule], list[Rule]]:
    """Return the rules without those that run a command, and these."""
    kept: list[Rule] = []
    dropped: list[Rule] = []
    for rule in rules:
        runs = rule.kind in (RuleKind.INSTALL, RuleKind.REMOVE)
        (dropped if runs else kept).append(rule)
    return kept, dropped


def _files(
    host: Host, folders: Iterable[str], problems: list[Problem], unreadable: list[str]
) -> list[str]:
    """Return the files that take effect, in the order in which kmod reads them."""
    found: dict[str, str] = {}
    for number, folder in enumerate(filter(None, folders)):
        own = (*_INDEX_FILES, *(ANDROID_FILES if has_android_files(folder) else ()))
        found |= {f"{name}\0{number}": f"{folder}/{name}" for name in own}
    directories: list[str] = []
    openwrt = loads_by_kmodloader(host)
    not_kmod = ""
    if openwrt:
        found[OPENWRT_FILE] = OPENWRT_FILE
        not_kmod = f"OpenWrt's reads {OPENWRT_FILE} only"
    elif any(loads_by_libmodprobe(host, folder) for folder in folders):
        not_kmod = "Android's reads modules.options and modules.blocklist beside the modules"
    for directory in FOLDERS:
        try:
            names = host.listdir(directory)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            why = error.strerror or str(error)
            problems.append(Problem(directory, f"It cannot be read: {clean(why)}."))
            unreadable.append(directory)
            continue
        for name in names:
            path = f"{directory}/{name}"
            if name.startswith("."):
                continue
            if not_kmod:
                problems += not_read(host, path, not_kmod)
                continue
            if not name.endswith((".conf", ".alias")):
                problems += unread_file(host, path)
                directories.append(path)
                continue
            try:
                is_directory = stat.S_ISDIR(host.stat(path).st_mode)
            except OSError:
                problems.append(Problem(clean(path), "It is a dangling symbolic link."))
                continue
            if is_directory:
                problems.append(Problem(clean(path), "It is a directory, which modprobe ignores."))
            elif name not in found:
                found[name] = path
                if name.endswith(".alias"):
                    message = "kmod 33 and later ignore it: its name does not end in .conf."
                    problems.append(Problem(clean(path), message))
    problems += () if not_kmod else files_elsewhere(host, directories)
    return [found[name] for name in sorted(found, key=os.fsencode)]


def replaced_files(host: Host) -> tuple[Problem, ...]:
    """Return the files that are not read because of one of the same name before them."""
    found: dict[str, str] = {}
    replaced = []
    for directory in FOLDERS:
        try:
            names = sorted(host.listdir(directory))
        except OSError:
            continue
        for name in (name for name in names if name.endswith(".conf")):
            path = f"{directory}/{name}"
            first = found.setdefault(name, path)
            if first != path and not _is_same(host, path, first):
                modules = _modules_in(host, path)
                replaced.append(Problem(clean(path), f"{clean(first)} replaces it.", modules))
    return tuple(replaced)


def _modules_in(host: Host, path: str) -> tuple[str, ...]:
    """Return the modules and patterns that the rules of a file are about."""
    try:
        text = os.fsdecode(host.read(path))
    except OSError:
        return ()
    return tuple(dict.fromkeys(rule.name for rule in parse_rules(text, path, [])))


def _is_same(host: Host, one: str, other: str) -> bool:
    """Return whether two paths lead to one file, as where /lib is a link to /usr/lib."""
    try:
        first, second = host.stat(one), host.stat(other)
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
