"""What would be different after the next boot, each with its cause, file and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.text import counted


class Difference(StrEnum):
    """What kind of difference a finding is; the most serious first."""

    ROOT = "root disk"
    REMOVED = "removed"
    DKMS = "not built"
    RENAMED = "renamed"
    PARAMETER = "parameter"
    RULE = "rule"
    BUILT_IN = "built in"


@dataclass(frozen=True, slots=True)
class NextFinding:
    """One difference.

    Attributes:
        kind: what kind it is.
        module: the module that it is about, by its name now.
        cause: what is different, in a sentence.
        file: the file that proves it, or the rule as `FILE:LINE`.
        remedy: what to do, in a sentence.
        uses: what uses the module now; empty if nothing was found.
    """

    kind: Difference
    module: str
    cause: str
    file: str
    remedy: str
    uses: str = ""


@dataclass(frozen=True, slots=True)
class NextReport:
    """The comparison of two kernel releases on one system.

    Attributes:
        running: the running release.
        release: the other one.
        findings: the differences, the most serious first.
        modules: number of modules that were compared: loaded, or to be loaded at boot.
        options: number of options that were compared.
        rules: number of blacklist and block rules that were compared.
        unknown: sentences about what could not be compared.
    """

    running: str
    release: str
    findings: tuple[NextFinding, ...]
    modules: int = 0
    options: int = 0
    rules: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def summary(self) -> tuple[str, ...]:
        """What was compared, and how many differences there are, in sentences."""
        compared = ", ".join(
            (
                counted(self.modules, "module"),
                counted(self.options, "option"),
                f"{counted(self.rules, 'blacklist or block rule')}",
            )
        )
        number = counted(len(self.findings), "difference")
        result = f"{number}." if self.findings else "Nothing changes for them."
        return (
            f"Running: {self.running}. Compared with: {self.release}.",
            f"Compared: {compared}. {result}",
            *self.unknown,
        )


def ordered(findings: list[NextFinding]) -> tuple[NextFinding, ...]:
    """Return findings with the most serious first, those of used modules before others."""
    rank = {kind: number for number, kind in enumerate(Difference)}
    return tuple(sorted(findings, key=lambda each: (rank[each.kind], not each.uses, each.module)))
