"""What a check has found, and the report that is made of all findings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.text import counted

OPTIONS = "options"
"""The key of the group of configuration options, which the summary counts but does not name."""


class Level(StrEnum):
    """How far something works on this system."""

    OK = "ok"
    LIMITED = "limited"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        key: a word for programs, such as `MODULE_SIG` or `kernel.modprobe`.
        subject: what was checked, safe to show.
        level: how far it works.
        reason: what that means in practice, in sentences.
        evidence: what proves it: files, or `FILE: LINE`.
        remedy: what would change it, in a sentence; empty where nothing has to change.
        module: the module that it is about; empty if it is about none.
    """

    key: str
    subject: str
    level: Level
    reason: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    module: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """What would change it, and what proves it: each for a line of its own."""
        remedy = (f"→ {self.remedy}",) if self.remedy else ()
        return (*remedy, *(f"[{line}]" for line in self.evidence))


@dataclass(frozen=True, slots=True)
class Group:
    """The findings about one subject.

    Attributes:
        key: a word for programs, such as `taint`.
        title: the subject, as a heading.
        findings: its lines.
    """

    key: str
    title: str
    findings: tuple[Finding, ...]

    @property
    def worst_first(self) -> tuple[Finding, ...]:
        """The findings, those that are not ok first."""
        return tuple(sorted(self.findings, key=lambda finding: finding.level is Level.OK))


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about the modules of one kernel release.

    Attributes:
        kernel: the kernel in words, such as `Linux 6.1.0-56-amd64 x86_64`.
        groups: the findings by subject.
    """

    kernel: str
    groups: tuple[Group, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all groups."""
        return tuple(finding for group in self.groups for finding in group.findings)

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(finding.level is level for finding in self.findings)

    @property
    def summary(self) -> tuple[str, ...]:
        """How many findings each level has, and a line for each level with its subjects."""
        counts = (f"{self.count(level)} {level}" for level in Level if self.count(level))
        others = (level for level in Level if level is not Level.OK and self.count(level))
        return (f"{self.kernel}: {', '.join(counts)}.", *map(self._subjects, others))

    def _subjects(self, level: Level) -> str:
        groups = [group for group in self.groups if group.key != OPTIONS]
        found = [each.subject for group in groups for each in group.findings if each.level is level]
        named = list(dict.fromkeys(found))
        if options := self.count(level) - len(found):
            named.append(counted(options, "configuration option"))
        return f"{level.capitalize()}: {', '.join(named)}."
