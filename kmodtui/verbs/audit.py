"""`kmodtui audit`: whether the modules of a system have the states that a policy wants."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from kmodtui import __version__
from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.audit.policy import Policy
from kmodtui.model.audit.report import AuditedKernel, Finding, Outcome, Report, totals
from kmodtui.model.text import clean, counted
from kmodtui.services.audit import audit
from kmodtui.services.policies import find_policy, policy_directory, shipped_policies
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1

FAILED = 2
"""The exit status of an audit that failed: nothing could be determined."""

_SIGNS = {Outcome.COMPLIANT: "ok", Outcome.NOT_COMPLIANT: "NO", Outcome.UNDETERMINED: "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = (
        "Exit status: 0 compliant, 1 not compliant, 2 undetermined. The running kernel is audited; "
        "--kernel all audits every installed one."
    )
    add_json(parser)
    parser.add_argument(
        "--policy",
        metavar="FILE|NAME",
        help="what is wanted: a file in TOML, or a shipped policy; without it, list those",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "junit", "sarif"),
        default="text",
        help="how to print the result (default: text)",
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the result; return 0 if it is compliant, 1 if not, 2 if that is unknown.

    Raises:
        KmodtuiError: the policy or the system cannot be read.
    """
    form = "json" if options.json else options.format
    if options.policy is None:
        _list(shipped_policies(), form)
        return 0
    try:
        report = audit(host, find_policy(options.policy), getattr(options, "kernel", ""))
    except KmodtuiError as error:
        error.exit_code = FAILED  # 1 would say that the system is not compliant
        raise
    if form == "json":
        print_json(SCHEMA, _json(report))
    elif form == "sarif":
        from kmodtui.model.audit.sarif import sarif

        print(json.dumps(sarif(report, __version__), indent=2))
    elif form == "junit":
        from kmodtui.model.audit.junit import junit

        # Its first line states the encoding, whatever that of the terminal is.
        sys.stdout.write(junit(report).encode("ascii", "xmlcharrefreplace").decode("ascii"))
    else:
        _print(report)
    return report.exit_status


def _list(policies: Iterable[Policy], form: str) -> None:
    if form == "json":
        found = [
            {
                "name": policy.name,
                "title": policy.title,
                "version": policy.version or None,
                "source": policy.source or None,
                "modules": len(policy.modules),
                "switches": len(policy.switches),
            }
            for policy in policies
        ]
        print_json(SCHEMA, {"policies": found})
        return
    for policy in policies:
        numbers = [counted(len(policy.modules), "module")] if policy.modules else []
        if policy.switches:
            numbers.append(counted(len(policy.switches), "switch", "switches"))
        print(f"{policy.name:<18}  {policy.title}, {policy.version}: {', '.join(numbers)}")
    print(
        "Audit with kmodtui audit --policy NAME. For a policy of your own, copy one of the files in"
    )
    print(f"{clean(policy_directory())}.")


def _print(report: Report) -> None:
    policy = report.policy
    print(clean(f"{policy.name}: {policy.title} {policy.version}".rstrip()))
    for kernel in (*report.kernels, None):
        found = report.of(kernel)
        if not found:
            continue
        print()
        print(_heading(kernel))
        width = max(len(clean(finding.requirement.name)) for finding in found)
        for finding in found:
            _print_finding(finding, width)
    print()
    for note in report.notes:
        print(f"Note: {clean(note)}")
    if len(report.kernels) > 1:
        for kernel in report.kernels:
            print(f"{clean(kernel.release)}: {totals(report.of(kernel))}.")
    print(f"{report.summary} Result: {report.outcome}.")


def _heading(kernel: AuditedKernel | None) -> str:
    if kernel is None:
        return "The running system"
    return clean(f"Linux {kernel.release}{' (running)' if kernel.running else ''}")


def _print_finding(finding: Finding, width: int) -> None:
    where = f" ({finding.source})" if finding.source else ""
    line = f"{finding.requirement.name:<{width}}  {finding.actual or 'unknown':<10}  "
    print(clean(f"  {_SIGNS[finding.outcome]:<3} {line}{finding.detail}{where}"))
    for problem in finding.ignored:
        print(f"{'':{width + 8}}ignored: {clean(str(problem))}")
    if finding.outcome is Outcome.COMPLIANT:
        return
    requirement = finding.requirement
    reference = f" [{requirement.reference}]" if requirement.reference else ""
    wanted = f"wanted: {finding.wanted}. {requirement.reason}{reference}"
    print(clean(f"{'':{width + 8}}{wanted}"))


def _json(report: Report) -> dict[str, Any]:
    policy = report.policy
    return {
        "policy": {
            "name": clean(policy.name),
            "title": clean(policy.title),
            "version": clean(policy.version) or None,
            "source": clean(policy.source) or None,
        },
        "result": report.outcome,
        "kernels": [
            {
                "release": clean(kernel.release),
                "running": kernel.running,
                "modules": list(map(_finding_json, report.of(kernel))),
            }
            for kernel in report.kernels
        ],
        "switches": list(map(_finding_json, report.of(None))),
        "notes": [clean(note) for note in report.notes],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    key = "state" if finding.kernel else "value"
    return {
        "name": clean(finding.requirement.name),
        "result": finding.outcome,
        "wanted": clean(finding.wanted),
        key: clean(finding.actual) or None,
        "detail": clean(finding.detail),
        "file": clean(finding.file) or None,
        "line": finding.line,
        "reason": clean(finding.requirement.reason),
        "reference": clean(finding.requirement.reference) or None,
        "ignored": [
            {"source": clean(each.source), "reason": clean(each.text)} for each in finding.ignored
        ],
    }
