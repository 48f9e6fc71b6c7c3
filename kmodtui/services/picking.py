"""What a text stands for that somebody types to choose a module.

It can be a part of a name, an alias or a few words; an alias of hardware; a
device; or the path of a module's file. Each is answered with what can be chosen.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import Enum, auto
from itertools import takewhile

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.catalog import EXTENSIONS, ModuleIndex
from kmodtui.kernel.device_alias import names_device, read_device
from kmodtui.kernel.host import Host
from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.did_you_mean import did_you_mean
from kmodtui.model.fuzzy import Haystack, Rank
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, counted

MOST_FILES = 2000
"""Names of one folder that are offered at the most."""

_PATH_STARTS = ("/", "./", "../", "~/")


class Kind(Enum):
    """What a text is taken for."""

    MODULE = auto()
    DEVICE = auto()
    PATH = auto()


@dataclass(frozen=True, slots=True)
class PathChoice:
    """A folder, or a module's file.

    Attributes:
        path: as it would be typed; a folder's ends with `/`.
        size: bytes of the file; None of a folder.
    """

    path: str
    size: int | None

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rstrip("/").rpartition("/")[2] + ("/" if self.size is None else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What can be chosen for a text.

    Attributes:
        text: what was typed.
        entries: modules, best first.
        rank: how the first of them was found; None where there is none.
        paths: files and folders, sorted.
        words: what is to be told about it; empty if the entries say it all.
        near: names that may have been meant where there is nothing.
    """

    text: str = ""
    entries: tuple[CatalogEntry, ...] = ()
    rank: Rank | None = None
    paths: tuple[PathChoice, ...] = ()
    words: str = ""
    near: tuple[str, ...] = ()


def kind_of(text: str) -> Kind:
    """Return what a text is taken for, by its form alone."""
    if names_device(text):
        return Kind.DEVICE
    if text.startswith(_PATH_STARTS) or text == "~":
        return Kind.PATH
    return Kind.MODULE


def answer_modules(haystack: Haystack, index: ModuleIndex | None, text: str) -> Answer:
    """Return the modules that fit a text: those that it is an alias of, then what is found."""
    query = _without_extension(text)
    hits = haystack.search(query)
    entries = [haystack.entries[hit.place] for hit in hits]
    rank = hits[0].rank if hits else None
    if rank in (None, *range(Rank.ALIAS, len(Rank))) and " " not in text and len(text) > 1:
        by_name = {entry.name: entry for entry in haystack.entries}
        meant = [by_name[name] for name in index.resolve(text) if name in by_name] if index else []
        if meant:
            rest = [entry for entry in entries if entry not in meant]
            who = "1 module" if len(meant) == 1 else f"{len(meant)} modules, in this order"
            words = f"This is an alias of {who}"
            return Answer(text, (*meant, *rest), Rank.ALIAS, words=words)
    near = haystack.near(query) if not entries else ()
    return Answer(text, tuple(entries), rank, near=near)


def answer_device(host: Host, haystack: Haystack, index: ModuleIndex | None, text: str) -> Answer:
    """Return the modules that a device asks for, and that of the driver that it has. Reads files.

    What cannot be found out is told in the answer.
    """
    try:
        device = read_device(host, text)
    except KmodtuiError as error:
        return Answer(text, words=str(error))
    asked = [
        name for alias in device.modaliases for name in (index.resolve(alias) if index else ())
    ]
    names = dict.fromkeys([*([device.module] if device.module else []), *asked])
    by_name = {entry.name: entry for entry in haystack.entries}
    entries = tuple(by_name[name] for name in names if name in by_name)
    which = clean(device.modaliases[0]) if device.modaliases else ""
    if not which and not device.module:
        words = f"{device.path} does not say which module it needs"
    elif not entries:
        words = f"No module of this kernel is for {which or device.path}"
    else:
        words = f"{counted(len(entries), 'module')} for {which or device.path}"
    if device.module:
        words += f"; {device.module} drives it now"
    return Answer(text, entries, Rank.ALIAS if entries else None, words=words)


def answer_path(host: Host, text: str) -> Answer:
    """Return the folders and module files that a path can be completed to. Reads folders."""
    path = full_path(text)
    typed, slash, start = text.rpartition("/")
    folder = path.rpartition("/")[0] or "/"
    if text in ("~", "..", "."):
        return Answer(text, paths=(PathChoice(text + "/", None),))
    try:
        names = [name for name in host.listdir(folder) if name.startswith(start)]
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        return Answer(text, words=f"{clean(folder)}: {why}")
    choices = []
    for name in names:
        # What a terminal cannot show cannot be chosen by what it shows either.
        hidden = name.startswith(".") and not start.startswith(".")
        if hidden or clean(name) != name:
            continue
        choice = _choice(host, f"{folder.rstrip('/')}/{name}", f"{typed}{slash}{name}")
        if choice is not None:
            choices.append(choice)
        if len(choices) == MOST_FILES:
            break
    words = "" if choices else f"{clean(folder)} has no folder or module file {clean(start)}…"
    if not choices and not start:
        words = f"{clean(folder)} has no folders and no module files"
    return Answer(text, paths=tuple(choices), words=words)


def full_path(text: str) -> str:
    """Return the absolute path of what was typed; `~` is this user's home."""
    path = os.path.expanduser(text)
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def completed(text: str, answer: Answer) -> str:
    """Return a path completed as far as all that is offered has in common."""
    paths = [choice.path for choice in answer.paths]
    first, last = min(paths, default=""), max(paths, default="")
    # What the first and the last in order have in common all between them have, too.
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
    """Return the name of a module for that of its file: `crc32c-intel` for `crc32c-intel.ko.xz`."""
    return canonical(text) if text.endswith(EXTENSIONS) else text


def nothing_fits(answer: Answer) -> str:
    """Return the sentence for a text that fits no module, with names that are near."""
    if answer.near:
        return f"Nothing fits “{answer.text}”. {did_you_mean(answer.near)}"
    return f"Nothing fits “{answer.text}”: no name, no alias, no description."
