"""Rules of modprobe.d and of the boot line, each with the place where it stands.

Meaning of each: `man 5 modprobe.d`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kmodtui.model.plan import BOOT_LINE


class RuleKind(StrEnum):
    """The word that a rule begins with."""

    ALIAS = "alias"
    BLACKLIST = "blacklist"
    OPTIONS = "options"
    INSTALL = "install"
    REMOVE = "remove"
    SOFTDEP = "softdep"
    WEAKDEP = "weakdep"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        kind: what it does.
        name: the module or the pattern that it is for, with `_` for `-`.
        value: what follows: options, a shell command, names; empty for a blacklist.
        file: where it stands; empty for the boot line.
        line: of that file, the first if the rule takes several.
    """

    kind: RuleKind
    name: str
    value: str = ""
    file: str = ""
    line: int = 0

    @property
    def source(self) -> str:
        """Where it stands, in one word: `/etc/modprobe.d/a.conf:3` or `boot line`."""
        return f"{self.file}:{self.line}" if self.file else BOOT_LINE

    def __str__(self) -> str:
        """Return it with its place, for a person: `/etc/modprobe.d/a.conf:3: blacklist pcspkr`."""
        return f"{self.source}: {self.kind} {self.name} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in modprobe's configuration that does not do what its author may have meant.

    Attributes:
        source: where: `/etc/modprobe.d/a.conf:3`, or a file.
        text: what is wrong with it, in a sentence.
    """

    source: str
    text: str

    def __str__(self) -> str:
        """Return both, for a person."""
        return f"{self.source}: {self.text}"


class Softdep(NamedTuple):
    """What is tried before and after a module.

    Attributes:
        pre: names or aliases, loaded before it.
        post: names or aliases, loaded after it.
        source: where the rule stands; empty if it is the module's own wish.
    """

    pre: tuple[str, ...] = ()
    post: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A module that a name or an alias stands for.

    Attributes:
        name: of the module; nothing promises that there is such a one.
        alias: as which it was found; empty if by its own name. Options that are set for
            the alias are given to it, and blacklisting it counts.
        source: where the rule stands that says so; empty if it is the modules' own.
        builtin: whether the index of built-in modules named it.
    """

    name: str
    alias: str = ""
    source: str = ""
    builtin: bool = False


def option_words(text: str) -> tuple[str, ...]:
    """Return options one by one; blanks within double quotes part nothing, as in the kernel."""
    words = [""]
    quoted = False
    for char in text:
        if char == '"':
            quoted = not quoted
        if char.isspace() and not quoted:
            words.append("")
        else:
            words[-1] += char
    return tuple(word for word in words if word)
