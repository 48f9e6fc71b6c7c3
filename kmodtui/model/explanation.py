"""What an explanation is, and what it is made from: an answer of the helper and facts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Literal, Protocol

from kmodtui.model.modules import LoadedModule, canonical
from kmodtui.model.text import clean

Operation = Literal["load", "unload", "reload", "insert", "set", "blacklist", "unblacklist"]

LOADS: tuple[Operation, ...] = ("load", "insert")
"""Operations that end with a module in the kernel."""

PAST: dict[Operation, str] = {
    "load": "loaded",
    "unload": "unloaded",
    "reload": "reloaded",
    "insert": "inserted",
    "set": "changed",
    "blacklist": "blacklisted",
    "unblacklist": "taken off the blacklist",
}
"""What has been done to a module, by operation."""

_EVIDENCE_LINES = 6

# Some files of the kernel put `module: ` before whatever they say.
_SPEAKER = re.compile(r"(?:module: )?([\w-]+): ")


def speaker(text: str) -> str:
    """Return the module that a record of the kernel log is about: `M` of `M: …`; empty if none."""
    found = _SPEAKER.match(text)
    return canonical(found[1]) if found else ""


class Kind(StrEnum):
    """How an explanation is to be shown."""

    DONE = "done"
    WARNING = "warning"  # done, but not all of what was asked for
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, for a person. All texts are safe to show.

    Attributes:
        title: in a few words.
        cause: the true cause, in one or two sentences.
        evidence: records of the kernel log that prove it.
        remedy: what to do now; empty if there is nothing to do.
        kind: done, done with a warning, or failed.
        output: lines of modprobe that prove it.
        shown: lines that prove it and stand in a file of the system, each after the file's name.
        file: who besides root could have changed the file that was inserted; see `ownership`.
    """

    title: str
    cause: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    kind: Kind = Kind.FAILURE
    output: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    file: tuple[str, ...] = ()


class LogLine(Protocol):
    """A record of the kernel log."""

    @property
    def text(self) -> str:
        """The record's text."""
        ...


class Answer(Protocol):
    """What the helper answered; `privileged.protocol.Result` is one."""

    @property
    def ok(self) -> bool: ...  # noqa: D102 - the fields of the protocol, explained there
    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def errno(self) -> int | None: ...  # noqa: D102
    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def command(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def exit(self) -> int | None: ...  # noqa: D102
    @property
    def output(self) -> str: ...  # noqa: D102
    @property
    def before(self) -> Mapping[str, str | None]: ...  # noqa: D102
    @property
    def after(self) -> Mapping[str, str | None]: ...  # noqa: D102
    @property
    def took(self) -> float: ...  # noqa: D102
    @property
    def log(self) -> Sequence[LogLine]: ...  # noqa: D102


@dataclass(frozen=True)
class Facts:
    """What is known of the system, read after the request. Whatever is unknown is left out.

    Attributes:
        release: of the running kernel.
        loaded: what /proc/modules says now, by name.
        available: names in modules.dep.
        index_found: whether /lib/modules has a folder with an index for this release.
        parameters: type by name of the module's parameters, from its modinfo.
        wanted_devices: device aliases of the module, from its modinfo.
        providers: module by symbol, from modules.symbols.
        install_rules: `file:line: rule` by module name.
        modules_disabled: /proc/sys/kernel/modules_disabled is 1.
        lockdown: `none`, `integrity` or `confidentiality`; empty if unknown.
        command_line: of the kernel, from /proc/cmdline.
        in_user_namespace: whether root here is not the host's root (/proc/self/uid_map).
        other_holders: who else holds a reference, each with its evidence: mounts, sockets.
        holder_words: the same in a sentence; empty where nobody was found.
        unseen: what could not be looked into for them, in a sentence; empty if nothing.
        blacklisted_by: `file:line` of blacklist rules by module name.
    """

    release: str = ""
    loaded: Mapping[str, LoadedModule] = field(default_factory=dict)
    available: Collection[str] = ()
    index_found: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)
    wanted_devices: Sequence[str] = ()
    providers: Mapping[str, str] = field(default_factory=dict)
    install_rules: Mapping[str, str] = field(default_factory=dict)
    modules_disabled: bool = False
    lockdown: str = ""
    command_line: str = ""
    in_user_namespace: bool = False
    other_holders: Sequence[str] = ()
    holder_words: str = ""
    unseen: str = ""
    blacklisted_by: Mapping[str, Sequence[str]] = field(default_factory=dict)


NO_FACTS = Facts()


@dataclass(frozen=True)
class Case:
    """One answer with everything that helps to judge it."""

    operation: Operation
    names: tuple[str, ...]
    answer: Answer
    facts: Facts

    @property
    def name(self) -> str:
        """The module at which it stopped: the file that modprobe tried last, if it told one."""
        if self.operation in LOADS and self.tried:
            return self.tried[-1]
        return self.answer.subject or self.names[-1]

    @property
    def tried(self) -> tuple[str, ...]:
        """The modules that modprobe tried to insert, in its order."""
        files = re.findall(r"^insmod (\S+)", self.answer.output, re.MULTILINE)
        return tuple(map(canonical, files))

    @property
    def asked(self) -> frozenset[str]:
        """The modules that the request named, and the one at which it stopped."""
        return frozenset((self.name, canonical(self.answer.subject), *self.names))

    @property
    def texts(self) -> list[str]:
        """The kernel-log records of that time."""
        return [record.text for record in self.answer.log]

    @property
    def module(self) -> LoadedModule | None:
        """What the kernel shows of `name` now; None if it is not loaded."""
        return self.facts.loaded.get(self.name)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Records of the kernel log about the module, else the last ones."""
        about = [text for text in self.texts if speaker(text) == self.name]
        lines = about or [text for text in self.texts if self.name in text] or self.texts
        return tuple(clean(line) for line in lines[-_EVIDENCE_LINES:])

    @property
    def last_output(self) -> tuple[str, ...]:
        """The last line that modprobe printed, if it printed any."""
        return tuple(clean(line) for line in self.answer.output.strip().splitlines()[-1:])

    def near(self, word: str, words: Collection[str]) -> str:
        """Return ` Did you mean a, b?` or nothing."""
        close = get_close_matches(word, list(words), n=3, cutoff=0.75)
        return f" Did you mean {' or '.join(close)}?" if close else ""
