"""The report of the doctor, from the facts of a system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodtui.model.doctor.dkms import dkms_findings
from kmodtui.model.doctor.facts import DoctorFacts
from kmodtui.model.doctor.files import index_findings, rule_findings, tool_findings
from kmodtui.model.doctor.finding import OPTIONS, Finding, Group, Report
from kmodtui.model.doctor.loads import load_findings
from kmodtui.model.doctor.options import option_findings
from kmodtui.model.doctor.switches import loading_findings, viewing_findings
from kmodtui.model.doctor.taint import taint_findings
from kmodtui.model.doctor.user import user_findings


def diagnose(facts: DoctorFacts) -> Report:
    """Return the report; about a kernel that is not running, only what its files show."""
    machine = facts.system.machine if facts.running else None
    kernel = f"Linux {facts.release} {machine or ''}".rstrip()
    return Report(kernel, tuple(_groups(facts)))


def _groups(facts: DoctorFacts) -> Iterator[Group]:
    def of(key: str, title: str, findings: Iterable[Finding]) -> Group:
        return Group(key, title, tuple(findings))

    if facts.running:
        yield of("user", "What you may see and do", user_findings(facts))
        yield of("loading", "What the running kernel permits", loading_findings(facts))
        yield of("viewing", "What the running kernel shows", viewing_findings(facts))
        yield of("taint", "Taint", taint_findings(facts))
        yield of("loads", "Loads since boot", load_findings(facts))
    yield of("index", "Module files and their index", index_findings(facts))
    yield of("rules", "Rules", rule_findings(facts))
    yield of("tools", "Tools", tool_findings(facts))
    yield of("dkms", "DKMS", dkms_findings(facts))
    yield of(OPTIONS, "Options that the kernel was built with", option_findings(facts))
