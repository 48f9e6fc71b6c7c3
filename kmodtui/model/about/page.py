"""A page about a module: statements in sections, each with the file that proves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LINKING = ("xterm", "tmux", "alacritty", "foot", "kitty", "wezterm", "ghostty", "vte")
"""Terminals that know links (OSC 8); others may print the sequence, so they get none."""


def shows_links(terminal: str) -> bool:
    """Return whether a terminal shows links, given its TERM."""
    return terminal.startswith(LINKING)


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is said about a module.

    Attributes:
        kind: a word for programs, such as `device`.
        text: a phrase or a sentence, safe to show.
        evidence: what proves it: a file, or `FILE: LINE`; several if it takes several.
        possible: whether the evidence makes it possible only, and does not prove it.
        link: the address of a page about it; empty for none.
    """

    kind: str
    text: str
    evidence: tuple[str, ...] = ()
    possible: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The statements that answer one question.

    Attributes:
        key: a word for programs, such as `provides`.
        title: the question or subject, as a heading.
        statements: the answer, most important first.
    """

    key: str
    title: str
    statements: tuple[Statement, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that prove its statements, each once, without their lines."""
        every = (line for statement in self.statements for line in statement.evidence)
        return tuple(dict.fromkeys(line.partition(": ")[0] for line in every))


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that is said about a module in answer to one command.

    Attributes:
        name: the module.
        status: `loaded`, `not loaded`, `built in`, or the state of one that is not Live.
        category: such as `file system`; empty if unknown.
        description: MODULE_DESCRIPTION; empty if there is none.
        problem: why its file or the index cannot be read, in a sentence; empty if they can.
        sections: those that have something to say.
    """

    name: str
    status: str
    category: str
    description: str
    problem: str
    sections: tuple[Section, ...]

    def section(self, key: str) -> tuple[Statement, ...]:
        """Return the statements of a section; none if there is nothing to say."""
        return next((part.statements for part in self.sections if part.key == key), ())


def section(key: str, title: str, statements: Iterable[Statement]) -> Iterator[Section]:
    """Yield a section, unless it is empty."""
    found = tuple(dict.fromkeys(statements))
    if found:
        yield Section(key, title, found)


def some(names: Iterable[str], most: int = 4) -> str:
    """Return the first names, and how many more there are: `a, b and 12 more`."""
    every = list(names)
    if len(every) <= most + 1:
        head, last = every[:-1], every[-1:]
        return " and ".join(filter(None, (", ".join(head), *last)))
    return f"{', '.join(every[:most])} and {len(every) - most:,} more"
