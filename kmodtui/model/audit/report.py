"""The result of an audit: a finding for each requirement, and the outcome of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.audit.policy import (
    ModuleRequirement,
    Policy,
    SwitchRequirement,
    accepted,
    wanted_words,
)
from kmodtui.model.audit.state import ModuleState
from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE
from kmodtui.model.text import clean, counted


class Outcome(StrEnum):
    """Whether a requirement is met."""

    COMPLIANT = "compliant"
    NOT_COMPLIANT = "not compliant"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class AuditedKernel:
    """A kernel release that was audited.

    Attributes:
        release: the release.
        running: whether it is the running kernel.
    """

    release: str
    running: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one requirement.

    Attributes:
        requirement: of the policy.
        kernel: the kernel; None for a switch, which only the running system has.
        outcome: whether it is met.
        actual: the state of the module or the value of the switch; empty if it is unknown.
        detail: why, a phrase.
        source: the rule or file that decides: `/etc/modprobe.d/a.conf:3`; empty if none does.
        ignored: rules about the module that modprobe ignores, and why.
    """

    requirement: ModuleRequirement | SwitchRequirement
    kernel: AuditedKernel | None
    outcome: Outcome
    actual: str
    detail: str
    source: str = ""
    ignored: tuple[Problem, ...] = ()

    @property
    def wanted(self) -> str:
        """What the policy wants, in words."""
        return wanted_words(self.requirement.wanted)

    @property
    def file(self) -> str:
        """The file that decides; empty if none does."""
        return self._place[0]

    @property
    def line(self) -> int | None:
        """The line in that file; None for a file as a whole."""
        return self._place[1]

    @property
    def _place(self) -> tuple[str, int | None]:
        if self.source == KERNEL_COMMAND_LINE:
            return "/proc/cmdline", 1
        file, _, line = self.source.rpartition(":")
        return (file, int(line)) if line.isdecimal() and file else (self.source, None)

    @property
    def sentence(self) -> str:
        """The finding as a sentence without the outcome."""
        where = f" ({self.source})" if self.source else ""
        actual = self.actual or "unknown"
        text = f"{self.requirement.name} is {actual}, wanted {self.wanted}: {self.detail}{where}."
        return clean(text)


def judged(
    requirement: ModuleRequirement,
    kernel: AuditedKernel,
    state: ModuleState,
    ignored: tuple[Problem, ...] = (),
) -> Finding:
    """Return the finding about a module that has this state."""
    good = accepted(requirement.wanted, running=kernel.running)
    fulfilled = [each in good for each in state.possible]
    outcome = Outcome.UNDETERMINED
    if all(fulfilled):
        outcome = Outcome.COMPLIANT
    elif not any(fulfilled):
        outcome = Outcome.NOT_COMPLIANT
    actual = str(state.known) if state.known else ""
    return Finding(requirement, kernel, outcome, actual, state.reason, state.source, ignored)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit.

    Attributes:
        policy: what was wanted.
        kernels: the audited kernels.
        findings: about each module under each kernel, then about each switch.
        notes: what else one has to know, sentences.
    """

    policy: Policy
    kernels: tuple[AuditedKernel, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Not compliant if anything is not; otherwise undetermined if anything is."""
        outcomes = {finding.outcome for finding in self.findings}
        for outcome in (Outcome.NOT_COMPLIANT, Outcome.UNDETERMINED):
            if outcome in outcomes:
                return outcome
        return Outcome.COMPLIANT if self.findings else Outcome.UNDETERMINED

    @property
    def exit_status(self) -> int:
        """0 compliant, 1 not compliant, 2 undetermined."""
        return {Outcome.COMPLIANT: 0, Outcome.NOT_COMPLIANT: 1}.get(self.outcome, 2)

    def of(self, kernel: AuditedKernel | None) -> tuple[Finding, ...]:
        """Return the findings about a kernel; with None, those about switches."""
        return tuple(finding for finding in self.findings if finding.kernel == kernel)

    @property
    def summary(self) -> str:
        """The numbers in a sentence."""
        return f"{totals(self.findings)}."


def totals(findings: Iterable[Finding]) -> str:
    """Return how many findings have each outcome, in words."""
    outcomes = [finding.outcome for finding in findings]
    number = {outcome: outcomes.count(outcome) for outcome in Outcome}
    words = [
        f"{number[Outcome.COMPLIANT]:,} of {counted(len(outcomes), 'requirement')} met",
        f"{number[Outcome.NOT_COMPLIANT]:,} not met",
    ]
    if undetermined := number[Outcome.UNDETERMINED]:
        words.append(f"{undetermined:,} could not be determined")
    return ", ".join(words)
