"""Finds what the user can choose for a text typed into the module picker.

The text can be part of a name, an alias or a few words; an alias of hardware; a device; or
the path of a module file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import Enum, auto
from itertools import takewhile

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.device import names_device, read_device
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import EXTENSIONS
from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.did_you_mean import did_you_mean
from kmodtui.model.fuzzy import Rank, SearchIndex
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, counted

MOST_FILES = 2000
"""Most names of a directory that are offered."""

_PATH_STARTS = ("/", "./", "../", "~/")


class InputKind(Enum):
    """How a text is interpreted."""

    MODULE = auto()
    DEVICE = auto()
    PATH = auto()


@dataclass(frozen=True, slots=True)
class PathChoice:
    """A directory or a module file.

    Attributes:
        path: as it would be typed; that of a directory ends with `/`.
        size: bytes of the file; None for a directory.
    """

    path: str
    size: int | None

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rstrip("/").rpartition("/")[2] + ("/" if self.size is None else "")


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The choices for a text.

    Attributes:
        text: what was typed.
        entries: modules, best first.
        rank: how the first module matches; None if there is none.
        paths: files and directories, sorted.
        words: a message to show; empty if none is needed.
        near: similar names, if nothing matches.
    """

    text: str = ""
    entries: tuple[CatalogEntry, ...] = ()
    rank: Rank | None = None
    paths: tuple[PathChoice, ...] = ()
    words: str = ""
    near: tuple[str, ...] = ()


def kind_of(text: str) -> InputKind:
    """Return how a text is interpreted, which depends on its form only."""
    if names_device(text):
        return InputKind.DEVICE
    if text.startswith(_PATH_STARTS) or text == "~":
        return InputKind.PATH
    return InputKind.MODULE


def answer_modules(haystack: SearchIndex, index: ModuleIndex | None, text: str) -> Suggestions:
    """Return the modules that match a text: those that it is an alias of, then the others."""
    query = _without_extension(text)
    matches = haystack.search(query)
    entries = [haystack.entries[match.place] for match in matches]
    rank = matches[0].rank if matches else None
    if rank in (None, *range(Rank.ALIAS, len(Rank))) and " " not in text and len(text) > 1:
        by_name = {entry.name: entry for entry in haystack.entries}
        named = [by_name[name] for name in index.resolve(text) if name in by_name] if index else []
        if named:
            first = {entry.name for entry in named}
            rest = [entry for entry in entries if entry.name not in first]
            modules = "1 module" if len(named) == 1 else f"{len(named)} modules, in this order"
            words = f"This is an alias of {modules}"
            return Suggestions(text, (*named, *rest), Rank.ALIAS, words=words)
    near = haystack.near(query) if not entries else ()
    return Suggestions(text, tuple(entries), rank, near=near)


def answer_device(
    host: Host, haystack: SearchIndex, index: ModuleIndex | None, text: str
) -> Suggestions:
    """Return the modules for a device: that of its current driver, and those of its modaliases.

    Reads files. Problems are part of the answer.
    """
    try:
        device = read_device(host, text)
    except KmodtuiError as error:
        return Suggestions(text, words=str(error))
    matching = [
        name for alias in device.modaliases for name in (index.resolve(alias) if index else ())
    ]
    names = dict.fromkeys([*([device.module] if device.module else []), *matching])
    by_name = {entry.name: entry for entry in haystack.entries}
    entries = tuple(by_name[name] for name in names if name in by_name)
    which = clean(device.modaliases[0]) if device.modaliases else ""
    if not which and not device.module:
        words = f"{device.path} has no modalias"
    elif not entries:
        words = f"No module of this kernel matches {which or device.path}"
    else:
        words = f"{counted(len(entries), 'module')} for {which or device.path}"
    if device.module:
        words += f"; its current driver is {device.module}"
    return Suggestions(text, entries, Rank.ALIAS if entries else None, words=words)


def answer_path(host: Host, text: str) -> Suggestions:
    """Return the directories and module files that complete a path. Reads a directory."""
    path = full_path(text)
    typed, slash, start = text.rpartition("/")
    folder = path.rpartition("/")[0] or "/"
    if text in ("~", "..", "."):
        return Suggestions(text, paths=(PathChoice(text + "/", None),))
    try:
        names = [name for name in host.listdir(folder) if name.startswith(start)]
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        return Suggestions(text, words=f"{clean(folder)}: {why}")
    choices = []
    for name in names:
        # Names with control characters cannot be shown, so they are not offered.
        hidden = name.startswith(".") and not start.startswith(".")
        if hidden or clean(name) != name:
            continue
        choice = _choice(host, f"{folder.rstrip('/')}/{name}", f"{typed}{slash}{name}")
        if choice is not None:
            choices.append(choice)
        if len(choices) == MOST_FILES:
            break
    words = "" if choices else f"{clean(folder)} has no directory or module file {clean(start)}…"
    if not choices and not start:
        words = f"{clean(folder)} has no directories and no module files"
    return Suggestions(text, paths=tuple(choices), words=words)


def full_path(text: str) -> str:
    """Return the absolute path for a typed one; `~` is the user's home directory."""
    path = os.path.expanduser(text)
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def completed(text: str, answer: Suggestions) -> str:
    """Return a path completed to the common prefix of all choices."""
    paths = [choice.path for choice in answer.paths]
    first, last = min(paths, default=""), max(paths, default="")
    # The common prefix of the first and the last in order is that of all.
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    common = "".join(letter for letter, _ in same)
    return common if len(common) > len(text) else text


def _choice(host: Host, path: str, typed: str) -> PathChoice | None:
    try:
        status = host.stat(path)
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return PathChoice(typed + "/", None)
    if stat.S_ISREG(status.st_mode) and typed.endswith(EXTENSIONS):
        return PathChoice(typed, status.st_size)
    return None


def _without_extension(text: str) -> str:
    """Return the module's name for a file name: `crc32c_intel` for `crc32c-intel.ko.xz`."""
    return canonical(text) if text.endswith(EXTENSIONS) else text


def no_match(answer: Suggestions) -> str:
    """Return the sentence for a text that matches no module, with suggestions."""
    if answer.near:
        return f"No match for “{answer.text}”. {did_you_mean(answer.near)}"
    return f"No match for “{answer.text}” in names, aliases, descriptions and categories."
