"""What an explanation is, and what it is made from: a result of the helper and facts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.modules import LoadedModule, canonical
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result
from kmodtui.model.text import clean
from kmodtui.model.usage import NO_USAGE, Usage

LOADS = (Verb.LOAD, Verb.INSERT)
"""Verbs after which a module should be in the kernel."""

_EVIDENCE_LINES = 6

# Some files of the kernel put `module: ` before every message.
_SPEAKER = re.compile(r"(?:module: )?([\w.-]+): ")


def speaker(text: str) -> str:
    """Return the module that a kernel log record names first: `M` of `M: …`; empty if none."""
    found = _SPEAKER.match(text)
    return canonical(found[1]) if found else ""


class Kind(StrEnum):
    """How an explanation is to be shown."""

    DONE = "done"
    WARNING = "warning"  # done, but not everything that was asked for
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
        output: lines of modprobe's output that prove it.
        shown: lines of files of the system that prove it, each after the file's name.
        file: who besides root could have changed the file that was inserted; see `ownership`.
        unknown: whether it is unknown what happened.
    """

    title: str
    cause: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    kind: Kind = Kind.FAILURE
    output: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    unknown: bool = False


def cleaned(found: Explanation) -> Explanation:
    """Return an explanation whose words may contain text of the system, safe to show."""
    return replace(
        found,
        title=clean(found.title),
        cause=clean(found.cause),
        remedy=clean(found.remedy),
        shown=tuple(map(clean, found.shown)),
    )


@dataclass(frozen=True)
class Facts:
    """What is known of the system, read after the request. Whatever is unknown is left out.

    Attributes:
        release: of the running kernel.
        loaded: the modules in /proc/modules, by name.
        available: names in modules.dep.
        no_index: why there is no index for this release, and the remedy; both empty if there
            is one.
        parameters: type by name of the module's parameters, from its modinfo.
        wanted_devices: device aliases of the module, from its modinfo.
        providers: module by symbol, from modules.symbols.
        install_rules: `file:line: rule` by module name.
        modules_disabled: /proc/sys/kernel/modules_disabled is 1.
        lockdown: `none`, `integrity` or `confidentiality`; empty if unknown.
        command_line: of the kernel, from /proc/cmdline.
        in_user_namespace: whether root here is not the host's root (/proc/self/uid_map).
        usage: what uses the module beside other modules, as far as it was found.
        blacklisted_by: `file:line` of blacklist rules by module name.
        given: the parameters that the module was loaded with, each with its source.
        compiler: that of the kernel, from /proc/version.
        signer: who signed the module's file; empty if nobody did, or the file is unknown.
        key_file: the certificate on this system of the key that signed it; empty if none is.
    """

    release: str = ""
    loaded: Mapping[str, LoadedModule] = field(default_factory=dict)
    available: Collection[str] = ()
    no_index: tuple[str, str] = ("", "")
    parameters: Mapping[str, str] = field(default_factory=dict)
    wanted_devices: Sequence[str] = ()
    providers: Mapping[str, str] = field(default_factory=dict)
    install_rules: Mapping[str, str] = field(default_factory=dict)
    modules_disabled: bool = False
    lockdown: str = ""
    command_line: str = ""
    in_user_namespace: bool = False
    usage: Usage = NO_USAGE
    blacklisted_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    given: Sequence[str] = ()
    compiler: str = ""
    signer: str = ""
    key_file: str = ""


NO_FACTS = Facts()


@dataclass(frozen=True)
class Case:
    """One result with everything that helps to explain it."""

    verb: Verb
    names: tuple[str, ...]
    result: Result
    facts: Facts

    @property
    def name(self) -> str:
        """The module at which it stopped: the last file that modprobe tried, if it named one."""
        if self.verb in LOADS and self.tried:
            return self.tried[-1]
        return self.result.subject or self.names[-1]

    @property
    def tried(self) -> tuple[str, ...]:
        """The modules that modprobe tried to insert, in its order."""
        files = re.findall(r"^insmod (\S+)", self.result.output, re.MULTILINE)
        return tuple(map(canonical, files))

    @property
    def asked(self) -> frozenset[str]:
        """The modules that the request named, and the one at which it stopped."""
        return frozenset((self.name, canonical(self.result.subject), *self.names))

    @property
    def texts(self) -> list[str]:
        """The kernel log records that came during the request."""
        return [record.text for record in self.result.log]

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
        return tuple(clean(line) for line in self.result.output.strip().splitlines()[-1:])

    def near(self, word: str, words: Collection[str]) -> str:
        """Return `Did you mean a or b?` with a blank before it, or nothing."""
        question = did_you_mean(near(word, words))
        return f" {question}" if question else ""
