"""The rows of the help, and which of them match a search."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kmodtui.model.filter.reference import term_rows
from kmodtui.model.modules import TAINTS
from kmodtui.model.symbols.table import TYPE_WORDS
from kmodtui.ui.command import Command
from kmodtui.ui.commands import CONTEXTS, in_context, key_of
from kmodtui.ui.key_names import key_words
from kmodtui.ui.terminal.kinds import keys_kept


@dataclass(frozen=True, slots=True)
class HelpRow:
    """A key or sign, and what it does or means.

    Attributes:
        name: the keys or the sign.
        words: what it does or means.
        command: what Enter runs on it; None for a sign.
    """

    name: str
    words: str
    command: Command | None = None

    def contains(self, words: Sequence[str]) -> bool:
        """Return whether each of some words, in lower case, occurs in the row."""
        command = self.command
        more = (command.label, *command.terms) if command else ()
        text = " ".join((self.name, self.words, *more)).casefold()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class HelpSection:
    """A title, and the rows below it."""

    title: str
    rows: tuple[HelpRow, ...]


def help_sections(first: Sequence[str], search: str = "") -> tuple[HelpSection, ...]:
    """Return the sections of the help that have a match, with the rows that match.

    Args:
        first: the contexts to begin with, such as that of the pane with the focus.
        search: words that have to occur in a row; empty for all rows.
    """
    words = search.casefold().split()
    order = dict.fromkeys((*first, *CONTEXTS))
    sections = [HelpSection(CONTEXTS[each], tuple(_rows(each))) for each in order]
    if taken := keys_kept(os.environ):
        sections.append(_signs("Keys that this terminal keeps", ("Ctrl", taken)))
    sections += _SIGNS
    sections.append(_signs("Filters: a line has to match every term", *term_rows()))
    matching = (
        HelpSection(each.title, tuple(row for row in each.rows if row.contains(words)))
        for each in sections
    )
    return tuple(each for each in matching if each.rows)


def _rows(context: str) -> Iterator[HelpRow]:
    for command in in_context(context):
        yield HelpRow("  ".join(map(key_words, command.keys)), command.help, command)


def _signs(title: str, *rows: tuple[str, str]) -> HelpSection:
    return HelpSection(title, tuple(HelpRow(name, words) for name, words in rows))


_SIGNS = (
    _signs(
        "Root privileges, at the end of the header",
        ("root: off", "no root privileges; a change starts the helper, with sudo or the like"),
        (
            "root: reading (sudo)",
            "the helper runs as root, but can only read hidden addresses and the kernel log",
        ),
        (
            "root: on (sudo)",
            f"the helper runs as root, started through sudo; {key_of('dashboard.drop_root')} "
            "ends it",
        ),
        ("root: denied", "no way to get root privileges was found: no changes"),
        ("read-only", "started with --read-only, or showing a captured tree: no changes"),
        ("(idle)", "the helper exited because it had no request for a while"),
        ("(helper exited)", "the helper exited unexpectedly: it failed or was killed"),
        ("(unexpected answer)", "ended because another program may have used the connection"),
        ("running as root", "kmodtui itself runs as root, which it does not need"),
    ),
    _signs(
        "Columns and signs of the modules pane",
        ("size", "memory used by the module, from /proc/modules"),
        ("refs", "reference count: modules that use it, mounts, open files, devices, sockets"),
        ("state", "Live, Loading (its init function runs), Unloading (its exit function runs)"),
        ("taint", "taint flags that the module has set"),
        ("used by", "modules that hold a reference; +N counts other references"),
        ("*", f"marked with {key_of('modules.mark')}, for a plan of several modules"),
        ("●", "loaded while kmodtui was running, and not selected since"),
    ),
    _signs(
        "Kernel log",
        ("[   91.823344]", "seconds since boot, as in dmesg"),
        ("err", "errors and worse: emerg, alert, crit, err"),
        ("warn", "warnings; the levels below are notice, info and debug"),
        ("●", "logged after the log was opened"),
    ),
    _signs(
        "Symbol types of /proc/kallsyms",
        *TYPE_WORDS.items(),
        (
            "",
            "In a module, upper case means EXPORT_SYMBOL; a symbol exported with "
            "EXPORT_SYMBOL_GPL stays lower case. Addresses are zero if the kernel hides "
            "them (kptr_restrict, perf_event_paranoid); names are compared nevertheless.",
        ),
    ),
    _signs("Taint flags", *TAINTS.items()),
)
