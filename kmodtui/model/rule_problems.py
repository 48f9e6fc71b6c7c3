"""Rules of modprobe.d that have no effect, or another one than they seem to have.

Sources: `libkmod/libkmod-config.c` and `__kmod_module_fill_softdep` in
`libkmod/libkmod-module.c`, kmod 30 to 34.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from kmodtui.model.modprobe_rules import Found, Problem, Rule, RuleKind, Softdep, option_words
from kmodtui.model.text import clean

_ONE_COUNTS = (RuleKind.INSTALL, RuleKind.REMOVE, RuleKind.SOFTDEP, RuleKind.WEAKDEP)
_BUILTIN = (RuleKind.OPTIONS, RuleKind.INSTALL, RuleKind.BLACKLIST)


class RuleLookup(Protocol):
    """What is needed of an index of modules with its rules; see `ModuleLookup`."""

    def find(self, text: str) -> tuple[Found, ...]:
        """Return the modules that a name or alias resolves to."""
        ...

    def is_builtin(self, name: str) -> bool:
        """Return whether the module is built into the kernel."""
        ...

    def softdep(self, name: str) -> Softdep:
        """Return its soft dependencies."""
        ...

    def install(self, name: str) -> Rule | None:
        """Return the rule whose command runs instead of loading it."""
        ...


def rule_problems(
    rules: Iterable[Rule], lookup: RuleLookup, is_own: Callable[[str], bool]
) -> Iterator[Problem]:
    """Yield the rules that others or the kernel disable.

    Args:
        rules: all rules, in the order in which kmod reads them.
        lookup: the modules, under these rules.
        is_own: returns for a source whether a rule is declared by a module itself; such rules
            are overridden on purpose.
    """
    first: dict[tuple[RuleKind, str], Rule] = {}
    for rule in rules:
        yield from _of_builtin(rule, lookup)
        if rule.kind not in _ONE_COUNTS:
            continue
        counts = first.setdefault((rule.kind, rule.name), rule)
        if counts is not rule:
            if not is_own(rule.source):
                text = (
                    f"this {rule.kind} line of {clean(rule.name)} is ignored: "
                    f"only the first one counts, {clean(counts.source)}."
                )
                yield Problem(rule.source, text, (rule.name,))
            continue
        if rule.unrunnable and rule.unrunnable.certain:
            verb = "load" if rule.kind is RuleKind.INSTALL else "unload"
            text = f"{rule.unrunnable}: modprobe fails to {verb} {clean(rule.name)}."
            yield Problem(rule.source, text, (rule.name,))
        if rule.kind is RuleKind.INSTALL:
            yield from _disabled_install(rule, lookup)


def _of_builtin(rule: Rule, lookup: RuleLookup) -> Iterator[Problem]:
    if rule.kind not in _BUILTIN or not rule.file or not lookup.is_builtin(rule.name):
        return
    name = clean(rule.name)
    text = f"{rule.kind} {name} has no effect: {name} is built into this kernel."
    if rule.kind is RuleKind.OPTIONS:
        words = " ".join(f"{rule.name}.{word}" for word in option_words(rule.value))
        text += f" On the kernel command line: {clean(words)}"
    yield Problem(rule.source, text, (rule.name,))


def _disabled_install(rule: Rule, lookup: RuleLookup) -> Iterator[Problem]:
    """Yield that soft dependencies disable an install rule, if the module has any."""
    softdep = lookup.softdep(rule.name)
    if any(lookup.find(text) for text in (*softdep.pre, *softdep.post)):
        source = f" ({clean(softdep.source)})" if softdep.source else ""
        text = (
            f"install {clean(rule.name)} has NO EFFECT: kmod up to 34 ignores the install rule of "
            f"a module that has a softdep{source}. The module is loaded."
        )
        yield Problem(rule.source, text, (rule.name,))


def problems_about(problems: Iterable[Problem], names: Iterable[str]) -> tuple[Problem, ...]:
    """Return the problems that a plan for some modules should mention.

    Those are the problems of their rules; and of each file with lines that are not rules the
    first such line, because it is unknown which module they were meant for.
    """
    wanted = frozenset(names)
    files: set[str] = set()
    found = []
    for problem in problems:
        if problem.modules:
            if not wanted.isdisjoint(problem.modules):
                found.append(problem)
        elif problem.file not in files:
            files.add(problem.file)
            found.append(problem)
    return tuple(found)
