"""An audit as JUnit XML, which CI systems show as tests.

Format: a `testsuite` for each kernel and one for the switches; a requirement is a `testcase`,
with a `failure` if it is not met and an `error` if that could not be determined.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from kmodtui.model.audit.report import AuditedKernel, Finding, Outcome, Report
from kmodtui.model.text import clean


def junit(report: Report) -> str:
    """Return the XML, with a newline at the end."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>']
    lines.append(f"<testsuites name={_quoted(report.policy.name)}{_counts(report.findings)}>")
    for kernel in (*report.kernels, None):
        if found := report.of(kernel):
            lines += _suite(report, kernel, found)
    lines.append("</testsuites>")
    return "".join(f"{line}\n" for line in lines)


def _suite(
    report: Report, kernel: AuditedKernel | None, found: tuple[Finding, ...]
) -> Iterator[str]:
    name = f"{report.policy.name} {kernel.release}" if kernel else f"{report.policy.name} switches"
    yield f"  <testsuite name={_quoted(name)}{_counts(found)}>"
    for finding in found:
        title = f"{finding.requirement.name} {finding.requirement.reference}".strip()
        words = f'classname={_quoted(name)} name={_quoted(title)} time="0"'
        kind = {Outcome.NOT_COMPLIANT: "failure", Outcome.UNDETERMINED: "error"}.get(
            finding.outcome
        )
        if kind is None:
            yield f"    <testcase {words}/>"
            continue
        yield f"    <testcase {words}>"
        message = f"type={_quoted(finding.actual or 'unknown')} message={_quoted(finding.sentence)}"
        yield f"      <{kind} {message}>{escape(clean(finding.requirement.reason))}</{kind}>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _counts(findings: tuple[Finding, ...]) -> str:
    outcomes = [finding.outcome for finding in findings]
    failures, errors = map(outcomes.count, (Outcome.NOT_COMPLIANT, Outcome.UNDETERMINED))
    tests = len(outcomes)
    return f' tests="{tests}" failures="{failures}" errors="{errors}" skipped="0" time="0"'


def _quoted(text: str) -> str:
    """Return a text as the value of an attribute; XML allows no control characters at all."""
    return quoteattr(clean(text))
