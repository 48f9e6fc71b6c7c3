"""Whether the programs exist that rules of modprobe.d start.

modprobe runs the command of an install or remove rule with system(3), that is, with /bin/sh. If
the program does not exist, the shell ends with status 127, and modprobe reports an error.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import replace

from kmodtui.kernel.host import Host
from kmodtui.model.modprobe_rules import (
    CommandEffect,
    Rule,
    RuleKind,
    Unrunnable,
    command_effect,
    program_of,
)
from kmodtui.model.text import clean

_PATH = tuple(f"{top}/{name}" for top in ("/usr/local", "/usr", "") for name in ("sbin", "bin"))
"""Where the shell looks for a program that is named without a directory.

The kernel starts modprobe with `PATH=/sbin:/bin:/usr/sbin:/usr/bin` (`kernel/module/kmod.c`).
"""

_BUILTINS = frozenset(
    (
        *(":", ".", "[", "case", "cd", "command", "echo", "eval", "exec", "exit", "export"),
        *("false", "for", "if", "kill", "printf", "read", "return", "set", "shift", "test"),
        *("trap", "true", "type", "ulimit", "umask", "unset", "until", "wait", "while"),
    )
)
"""Words that a shell knows without a program."""

_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def with_programs(host: Host, rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules, with those marked whose command cannot run. Calls stat(2) for each."""
    return [
        _checked(host, rule) if rule.kind in (RuleKind.INSTALL, RuleKind.REMOVE) else rule
        for rule in rules
    ]


def _checked(host: Host, rule: Rule) -> Rule:
    effect = command_effect(rule.value)
    if effect is CommandEffect.FAILS:
        return rule  # on purpose; /bin/false does not exist on NixOS, and fails as well
    found = _unrunnable(host, program_of(rule.value))
    if found and not found.certain and effect is not CommandEffect.UNKNOWN:
        return rule
    return replace(rule, unrunnable=found)


def _unrunnable(host: Host, program: str) -> Unrunnable | None:
    """Return why a program cannot be started; None if it can, or if it is unknown."""
    if not program or program in _BUILTINS:
        return None
    if "/" not in program:
        if any(host.exists(f"{folder}/{program}") for folder in _PATH):
            return None
        known = any(_has_programs(host, folder) for folder in _PATH)
        return Unrunnable(clean(program), _missing(certain=known), known)
    if not program.startswith("/"):
        return None  # relative to whatever directory modprobe runs in
    try:
        mode = host.stat(program).st_mode
    except (FileNotFoundError, NotADirectoryError):
        known = _has_programs(host, program.rpartition("/")[0])
        return Unrunnable(clean(program), _missing(certain=known), known)
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(mode):
        return Unrunnable(clean(program), "is a directory")
    if stat.S_ISREG(mode) and not mode & _EXECUTABLE:
        return Unrunnable(clean(program), "is not executable")
    return None


def _missing(*, certain: bool) -> str:
    return "does not exist" if certain else "is not in this tree"


def _has_programs(host: Host, folder: str) -> bool:
    """Return whether programs of a directory can be looked for: a captured tree may lack them."""
    if not folder:
        return any(_has_programs(host, each) for each in _PATH)
    try:
        return bool(host.listdir(folder))
    except OSError:
        return False
