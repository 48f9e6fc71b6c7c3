"""What each rule of modprobe.d does, as kmod evaluates it: the first or the last of several wins.

Sources: `libkmod/libkmod-config.c` and `libkmod/libkmod-module.c` in kmod.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from kmodtui.model.block.lines import BLOCK_FILE, only_logs
from kmodtui.model.modprobe_rules import (
    ALLOWED,
    CommandEffect,
    Rule,
    RuleKind,
    Softdep,
    command_effect,
    option_words,
)
from kmodtui.model.module_lookup import ModuleLookup
from kmodtui.model.modules import canonical


class Effect(StrEnum):
    """Whether a rule does something."""

    ACTIVE = "in effect"
    OVERRIDDEN = "overridden"
    NONE = "no effect"


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """A rule, and what becomes of it.

    Attributes:
        rule: the rule.
        effect: whether it does something.
        reason: what it does, or why it does nothing; a few words.
        winner: the source of the rule that counts instead; empty if there is none.
    """

    rule: Rule
    effect: Effect
    reason: str
    winner: str = ""


def rule_effects(rules: Sequence[Rule], lookup: ModuleLookup) -> tuple[RuleEffect, ...]:
    """Return the effect of each rule, in kmod's order.

    Args:
        rules: all rules, in kmod's order.
        lookup: the index of modules under these rules.
    """
    evaluation = _Evaluation(rules, lookup)
    return tuple(evaluation.effect(rule) for rule in rules)


class _Evaluation:
    """The rules, by what they are about."""

    def __init__(self, rules: Sequence[Rule], lookup: ModuleLookup) -> None:
        self._lookup = lookup
        self._firsts: dict[tuple[RuleKind, str], Rule] = {}
        self._last_words: dict[tuple[str, str], Rule] = {}
        for rule in rules:
            # Of alias rules for one pattern, each that matches counts.
            key = f"{rule.name} {rule.value}" if rule.kind is RuleKind.ALIAS else rule.name
            self._firsts.setdefault((rule.kind, key), rule)
            if rule.kind is RuleKind.OPTIONS:
                for word in option_words(rule.value):
                    self._last_words[rule.name, _parameter(word)] = rule

    def effect(self, rule: Rule) -> RuleEffect:
        """Return the effect of one rule."""
        match rule.kind:
            case RuleKind.BLACKLIST:
                return self._blacklist(rule)
            case RuleKind.INSTALL:
                return self._command(rule, self._lookup.install(rule.name))
            case RuleKind.REMOVE:
                return self._command(rule, self._lookup.remove(rule.name))
            case RuleKind.OPTIONS:
                return self._options(rule)
            case RuleKind.ALIAS:
                return self._alias(rule)
            case RuleKind.SOFTDEP:
                return self._softdep(rule)
            case RuleKind.WEAKDEP:
                first = self._repeated(rule)
                words = f"it may load {rule.value.strip()} later"
                return first or RuleEffect(rule, Effect.ACTIVE, words)
            case RuleKind.ALLOW_UNSUPPORTED:
                allowed = rule.value.strip() in ALLOWED
                words = f"SUSE's modprobe {'loads' if allowed else 'refuses'} unsupported modules"
                return RuleEffect(rule, Effect.ACTIVE, words)
            case _:
                assert_never(rule.kind)

    def _repeated(self, rule: Rule) -> RuleEffect | None:
        key = f"{rule.name} {rule.value}" if rule.kind is RuleKind.ALIAS else rule.name
        first = self._firsts[rule.kind, key]
        if first is rule:
            return None
        return RuleEffect(rule, Effect.OVERRIDDEN, "the first rule counts", first.source)

    def _without_module(self, rule: Rule) -> RuleEffect | None:
        """Return that a rule has no effect, because it is about no module that can be loaded."""
        name = rule.name
        if _has_wildcard(name) or (self._lookup.path_of(name) and canonical(name) == name):
            return None
        if self._lookup.is_builtin(name):
            return RuleEffect(rule, Effect.NONE, f"{name} is built into the kernel")
        if not self._lookup.advice.folder or (canonical(name) == name and self._lookup.find(name)):
            return None
        return RuleEffect(rule, Effect.NONE, f"no module is named {name}")

    def _blacklist(self, rule: Rule) -> RuleEffect:
        if none := self._without_module(rule):
            return none
        first = self._firsts[RuleKind.BLACKLIST, rule.name]
        if first is not rule:
            return RuleEffect(rule, Effect.OVERRIDDEN, "a repetition", first.source)
        if not self._lookup.path_of(rule.name) and self._lookup.find(rule.name):
            names = ", ".join(found.name for found in self._lookup.find(rule.name))
            words = f"{rule.name} is an alias of {names}; blacklist needs the module's own name"
            return RuleEffect(rule, Effect.NONE, words)
        words = "no alias loads it; its name still does"
        if rule.only_for_init:
            words = "Android's init does not load it; modprobe still does"
        elif rule.also_by_name:
            words = "OpenWrt's modprobe does not load it, by its name either"
        return RuleEffect(rule, Effect.ACTIVE, words)

    def _command(self, rule: Rule, counts: Rule | None) -> RuleEffect:
        if not _has_wildcard(rule.name):
            if counts is not None and counts is not rule:
                words = "the first rule counts"
                return RuleEffect(rule, Effect.OVERRIDDEN, words, counts.source)
            if none := self._without_module(rule):
                return none
            softdep = self._lookup.softdep(rule.name)
            if rule.kind is RuleKind.INSTALL and self._has_softdeps(softdep):
                words = f"kmod up to 34 ignores it: {rule.name} has softdeps"
                return RuleEffect(rule, Effect.NONE, words, softdep.source)
        command = rule.value.strip()
        if only_logs(command):
            return RuleEffect(rule, Effect.ACTIVE, "loads are logged, and happen")
        if rule.unrunnable and rule.unrunnable.certain:
            fails = "load" if rule.kind is RuleKind.INSTALL else "unload"
            words = f"every {fails} by modprobe fails: {rule.unrunnable}"
            return RuleEffect(rule, Effect.ACTIVE, words)
        effect = command_effect(command) if rule.kind is RuleKind.INSTALL else CommandEffect.UNKNOWN
        if effect is CommandEffect.FAILS:
            return RuleEffect(rule, Effect.ACTIVE, "blocked: every load by modprobe fails")
        if effect is CommandEffect.NOTHING:
            return RuleEffect(rule, Effect.ACTIVE, "blocked: loads do nothing, without an error")
        instead = "loading" if rule.kind is RuleKind.INSTALL else "unloading"
        doubt = f"; {rule.unrunnable}" if rule.unrunnable else ""
        return RuleEffect(rule, Effect.ACTIVE, f"runs as root instead of {instead}{doubt}")

    def _has_softdeps(self, softdep: Softdep) -> bool:
        # Names that resolve to nothing do not count, as in kmod.
        return any(self._lookup.find(text) for text in (*softdep.pre, *softdep.post))

    def _options(self, rule: Rule) -> RuleEffect:
        words = option_words(rule.value)
        winners = {self._last_words[rule.name, _parameter(word)] for word in words}
        if none := self._without_module(rule):
            if self._lookup.is_builtin(rule.name) and rule.file:
                reason = f"{none.reason}: use {rule.name}.name=value on its command line"
                return RuleEffect(rule, Effect.NONE, reason)
            if not rule.file:  # of a built-in module, the kernel itself takes it
                return RuleEffect(rule, Effect.ACTIVE, "taken by the kernel or a built-in module")
            return none
        if winners and rule not in winners:
            source = next(iter(sorted(winner.source for winner in winners)))
            return RuleEffect(rule, Effect.OVERRIDDEN, "the last value counts", source)
        command = self._lookup.install(rule.name)
        if self._has_softdeps(self._lookup.softdep(rule.name)):
            command = None  # which kmod ignores
        if command is not None and "$CMDLINE_OPTS" not in command.value:
            reason = "an install rule replaces the load and does not pass options on"
            return RuleEffect(rule, Effect.NONE, reason, command.source)
        lost = [w for w in words if self._last_words[rule.name, _parameter(w)] is not rule]
        if lost:
            return RuleEffect(rule, Effect.ACTIVE, f"except {' '.join(lost)}, set again later")
        return RuleEffect(rule, Effect.ACTIVE, "passed when it is loaded")

    def _alias(self, rule: Rule) -> RuleEffect:
        if repeated := self._repeated(rule):
            return RuleEffect(rule, Effect.OVERRIDDEN, "a repetition", repeated.winner)
        target = rule.value
        if self._lookup.path_of(target) or self._lookup.is_builtin(target):
            return RuleEffect(rule, Effect.ACTIVE, f"loads {target}")
        if target == "off" or not self._lookup.find(target):
            words = f"turns the alias off: no module is named {target}"
            return RuleEffect(rule, Effect.ACTIVE, words)
        return RuleEffect(rule, Effect.NONE, f"{target} is itself an alias, not a module")

    def _softdep(self, rule: Rule) -> RuleEffect:
        if repeated := self._repeated(rule):
            return repeated
        if none := self._without_module(rule):
            return none
        softdep = self._lookup.softdep(rule.name)
        if not (softdep.pre or softdep.post):
            if rule.file == BLOCK_FILE:
                words = "removes its softdeps, so that its install rule counts"
                return RuleEffect(rule, Effect.ACTIVE, words)
            return RuleEffect(rule, Effect.NONE, "neither pre: nor post:")
        texts = (*softdep.pre, *softdep.post)
        missing = [text for text in texts if not self._lookup.find(text)]
        if len(missing) == len(texts):
            words = f"there is no {', '.join(missing)}"
            return RuleEffect(rule, Effect.NONE, words)
        parts = [f"{' '.join(softdep.pre)} before it" if softdep.pre else ""]
        parts.append(f"{' '.join(softdep.post)} after it" if softdep.post else "")
        words = f"loads {' and '.join(filter(None, parts))}"
        if missing:
            words += f"; there is no {', '.join(missing)}"
        return RuleEffect(rule, Effect.ACTIVE, words)


def _parameter(word: str) -> str:
    return word.partition("=")[0].replace("-", "_")


def _has_wildcard(name: str) -> bool:
    return any(char in name for char in "*?[")
