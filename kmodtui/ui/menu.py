"""The model of a menu: what can be done with a line, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kmodtui.ui.command import Command
from kmodtui.ui.commands import on_subject
from kmodtui.ui.key_names import key_words
from kmodtui.ui.subject import Subject


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A command in a menu.

    Attributes:
        command: the command.
        reason: why it cannot be used now, without a full stop; empty if it can.
    """

    command: Command
    reason: str = ""

    @property
    def key(self) -> str:
        """The key that does the same without the menu; empty if there is none."""
        return key_words(self.command.keys[0]) if self.command.keys else ""

    @property
    def words(self) -> str:
        """What it does, or why it cannot be used."""
        return f"unavailable: {self.reason}" if self.reason else self.command.help


def menu_entries(
    contexts: Iterable[str], subject: Subject, first: str, why_not: Callable[[Command], str]
) -> tuple[MenuEntry, ...]:
    """Return the entries of the menu of a line.

    Args:
        contexts: those whose keys work where the line is, the innermost first.
        subject: what the line is about.
        first: the id of the command that most people want; it is the first entry. Those that
            every line has are the last ones.
        why_not: returns why a command cannot be used now; empty if it can.
    """
    commands = sorted(
        on_subject(contexts, subject.kind),
        key=lambda each: (each.id != first, each.context == "lines"),
    )
    return tuple(MenuEntry(command, why_not(command)) for command in commands)


def first_available(entries: Sequence[MenuEntry]) -> int:
    """Return the index of the first entry that can be used; 0 if none can."""
    return next((at for at, entry in enumerate(entries) if not entry.reason), 0)
