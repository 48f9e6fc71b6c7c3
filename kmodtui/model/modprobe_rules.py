"""Rules of modprobe.d and of the kernel command line, each with its source.

Their meaning: `man 5 modprobe.d`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE


class RuleKind(StrEnum):
    """The keyword of a rule."""

    ALIAS = "alias"
    BLACKLIST = "blacklist"
    OPTIONS = "options"
    INSTALL = "install"
    REMOVE = "remove"
    SOFTDEP = "softdep"
    WEAKDEP = "weakdep"
    ALLOW_UNSUPPORTED = "allow_unsupported_modules"  # SUSE's kmod only


ANDROID_FILES = ("modules.options", "modules.blocklist")
"""Files beside the modules that only Android's modprobe reads (`libmodprobe`)."""

OPENWRT_FILE = "/etc/modules.conf"
"""The only file that OpenWrt's modprobe reads (`load_options` in ubox's `kmodloader.c`)."""

ALLOWED = ("1", "yes")
"""The values of `allow_unsupported_modules` that allow them."""


class Unrunnable(NamedTuple):
    """Why the command of a rule cannot run.

    Attributes:
        program: the program that it starts.
        reason: what is the matter with it, as `does not exist`.
        certain: False if a captured tree lacks the program with its whole directory, which the
            system itself may have.
    """

    program: str
    reason: str
    certain: bool = True

    def __str__(self) -> str:
        """Return program and reason: `/bin/ture does not exist`."""
        return f"{self.program} {self.reason}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        kind: its keyword.
        name: the module or pattern that it applies to, with `_` for `-`.
        value: the rest: options, a shell command, names; empty for `blacklist`.
        file: the file that contains it; empty for the kernel command line.
        line: its line number in the file, the first if it is continued over several.
        unrunnable: why its command cannot run; None if it can, or nothing is known of it.
    """

    kind: RuleKind
    name: str
    value: str = ""
    file: str = ""
    line: int = 0
    unrunnable: Unrunnable | None = field(default=None, compare=False)

    @property
    def only_for_init(self) -> bool:
        """Whether it is in Android's modules.blocklist, which matters to init alone."""
        return self.file.endswith("/modules.blocklist")

    @property
    def also_by_name(self) -> bool:
        """Whether it is a blacklist rule of OpenWrt, where modprobe obeys it for names, too."""
        return self.kind is RuleKind.BLACKLIST and self.file == OPENWRT_FILE

    @property
    def source(self) -> str:
        """Where it is set: `/etc/modprobe.d/a.conf:3`, or KERNEL_COMMAND_LINE."""
        return f"{self.file}:{self.line}" if self.file else KERNEL_COMMAND_LINE

    def __str__(self) -> str:
        """Return the rule with its source: `/etc/modprobe.d/a.conf:3: blacklist pcspkr`."""
        return f"{self.source}: {self.kind} {self.name} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in modprobe's configuration.

    Attributes:
        source: its source: `/etc/modprobe.d/a.conf:3`, or a file.
        text: what is wrong, in a sentence.
        modules: the modules or patterns that it is about, with `_` for `-`; empty if it is
            unknown which ones the line was meant for.
    """

    source: str
    text: str
    modules: tuple[str, ...] = field(default=(), compare=False)

    @property
    def file(self) -> str:
        """The file, without a line number."""
        file, _, line = self.source.rpartition(":")
        return file if line.isdecimal() else self.source

    def __str__(self) -> str:
        """Return source and text for the screen."""
        return f"{self.source}: {self.text}"


def is_from_index(source: str, folders: Iterable[str]) -> bool:
    """Return whether a rule is declared by a module itself, and collected in depmod's index.

    Args:
        source: of the rule.
        folders: those of the kernel release.
    """
    if source.partition(":")[0].endswith(tuple(f"/{name}" for name in ANDROID_FILES)):
        return False
    return any(source.startswith(f"{folder}/") for folder in folders)


class Softdep(NamedTuple):
    """The soft dependencies of a module: optional modules that are loaded with it.

    Attributes:
        pre: names or aliases to load before it.
        post: names or aliases to load after it.
        source: source of the rule; empty if the module itself declares them.
    """

    pre: tuple[str, ...] = ()
    post: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A module that a name or an alias resolves to.

    Attributes:
        name: module name; such a module need not exist.
        alias: the alias it was found by; empty if by its own name. Options set for the
            alias apply to it, and so does `blacklist`.
        source: source of the rule that defines the alias; empty if the module itself does.
        builtin: whether it was found in the index of built-in modules.
    """

    name: str
    alias: str = ""
    source: str = ""
    builtin: bool = False


class CommandEffect(StrEnum):
    """What the shell command of an install rule does instead of loading the module."""

    FAILS = "fails"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


_FAILING = frozenset(("false", "nologin"))
_DOING_NOTHING = frozenset(("true", ":", "echo", "printf", "logger"))
_DIRECTORIES = frozenset(
    ("", "/bin", "/usr/bin", "/sbin", "/usr/sbin", "/run/current-system/sw/bin")
)
"""Where such a program is the one of its name; empty for the shell's own."""

_IN_STORE = re.compile(r"/nix/store/[^/]+/bin")
_COMMENT = re.compile(r"(?:^|[\s;])#")


def rule_effect(rule: Rule) -> CommandEffect:
    """Return what an install rule does: what its words show, and whether its program exists."""
    if rule.unrunnable and rule.unrunnable.certain:
        return CommandEffect.FAILS  # the shell ends with status 126 or 127
    return command_effect(rule.value)


def program_of(command: str) -> str:
    """Return the program of a command that starts only this one; empty if it is less simple."""
    if re.search(r"[&|;`<>(){}\n\\\"'*?\[~#]", command):
        return ""
    words = command.split()
    while words and words[0] in ("exec", "command"):
        words = words[1:]
    program = words[0] if words else ""
    return "" if "$" in program or "=" in program else program


def command_effect(command: str) -> CommandEffect:
    """Return what a command does, as far as its words show.

    It is known only if every part of it is: any other program could load the module.
    """
    comment = _COMMENT.search(command)
    if comment and not re.search("[\"']", command[: comment.start()]):
        command = command[: comment.start()]
    if re.search(r"modprobe|insmod|[&|`$<>()\n]", command):
        return CommandEffect.UNKNOWN
    effects = [_part_effect(part.split()) for part in command.split(";") if part.strip()]
    if CommandEffect.UNKNOWN in effects:
        return CommandEffect.UNKNOWN
    return effects[-1] if effects else CommandEffect.NOTHING


def _part_effect(quoted: list[str]) -> CommandEffect:
    """Return the effect of one command with its arguments."""
    words = [word.strip("\"'") for word in quoted]
    while words and words[0] in ("exec", "command", "env", "/usr/bin/env", "/bin/env"):
        words = words[1:]
    directory, _, program = (words or [""])[0].rpartition("/")
    if words[:1] == ["/dev/null"]:  # which cannot be executed
        return CommandEffect.FAILS
    if directory not in _DIRECTORIES and not _IN_STORE.fullmatch(directory):
        return CommandEffect.UNKNOWN
    if words[:1] == ["exit"] and len(words) > 1:
        return CommandEffect.NOTHING if words[1] == "0" else CommandEffect.FAILS
    if program in _FAILING:
        return CommandEffect.FAILS
    return CommandEffect.NOTHING if program in _DOING_NOTHING else CommandEffect.UNKNOWN


def option_words(text: str) -> tuple[str, ...]:
    """Return the options of a line; as in the kernel, blanks within double quotes do not split."""
    words: list[str] = []
    start, quoted = 0, False
    for position, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            words.append(text[start:position])
            start = position + 1
    return tuple(filter(None, (*words, text[start:])))
