"""Files in the directories of modprobe.d that look like rules and that kmod does not read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from kmodtui.kernel.host import Host
from kmodtui.kernel.modprobe.file import parse_rules
from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.text import clean, counted, shortened

_MOST = 64 * 1024
_MOST_FILES = 100
_OLD_FILE = "/etc/modprobe.conf"
_LEFT_BY_PACKAGES = [
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-tmp",
    ".dpkg-bak",
    ".dpkg-remove",
    ".ucf-new",
    ".ucf-old",
    ".ucf-dist",
    ".rpmnew",
    ".rpmsave",
    ".rpmorig",
    ".pacnew",
    ".pacsave",
    ".pacorig",
]
_BACKUPS = ["~", ".bak", ".backup", ".old", ".orig", ".save", ".sav", ".swp"]
_DISABLED = (".disabled", ".disable", ".off")


def unread_file(host: Host, path: str) -> Iterator[Problem]:
    """Yield that a file is not read, if it contains rules.

    Args:
        host: the observed system.
        path: of a file whose name does not end in .conf.
    """
    name = path.rpartition("/")[2]
    if name.startswith(".") or name.endswith(_DISABLED):
        return
    yield from not_read(host, path, _reason(name))


def files_elsewhere(host: Host, directories: Iterable[str]) -> Iterator[Problem]:
    """Yield files with rules in places that kmod does not read, although people put them there.

    Args:
        host: the observed system.
        directories: those in the directories of modprobe.d.
    """
    yield from not_read(host, _OLD_FILE, f"it reads the files in {_OLD_FILE[:-5]}.d only")
    for directory in directories:
        try:
            names = sorted(host.listdir(directory))[:_MOST_FILES]
        except OSError:
            continue
        for name in (name for name in names if name.endswith(".conf")):
            yield from not_read(host, f"{directory}/{name}", "it reads no subdirectories")


def _reason(name: str) -> str:
    """Return why a file in a directory of modprobe.d is not read."""
    why = "its name does not end in .conf"
    if name.endswith(tuple(_LEFT_BY_PACKAGES)):
        why += "; the package manager left it"
    elif name.endswith(tuple(_BACKUPS)):
        why += "; it is a backup copy"
    return why


def not_read(host: Host, path: str, why: str) -> Iterator[Problem]:
    """Yield that a file is not read, and why, if it contains rules."""
    try:
        text = os.fsdecode(host.read(path, _MOST))
    except OSError:
        return
    problems: list[Problem] = []
    rules = list(parse_rules(text, clean(path), problems))
    if not rules or len(problems) > len(rules):
        return  # such as a README
    example = shortened(f"{rules[0].kind} {rules[0].name} {rules[0].value}".rstrip())
    message = f"modprobe does not read it: {why}. {counted(len(rules), 'rule')} in it, "
    message += f"such as “{example}”, {'has' if len(rules) == 1 else 'have'} no effect."
    yield Problem(clean(path), clean(message), tuple(dict.fromkeys(rule.name for rule in rules)))
