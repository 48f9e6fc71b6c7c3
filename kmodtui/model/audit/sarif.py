"""An audit as SARIF 2.1.0, which code scanning services read.

Format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. A requirement is a
rule of the tool; what was found about it under a kernel is a result, of the kind `pass`,
`fail`, or `open` if it could not be determined.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from kmodtui.model.audit.policy import wanted_words
from kmodtui.model.audit.report import Finding, Outcome, Report
from kmodtui.model.text import clean

_KINDS = {
    Outcome.COMPLIANT: ("pass", "none"),
    Outcome.NOT_COMPLIANT: ("fail", "error"),
    Outcome.UNDETERMINED: ("open", "none"),  # the standard allows no level for it
}


def sarif(report: Report, version: str) -> dict[str, Any]:
    """Return the SARIF log.

    Args:
        report: of an audit.
        version: of kmodtui.
    """
    policy = report.policy
    requirements = policy.requirements
    ids = {each.name: f"{policy.name}/{clean(each.name)}" for each in requirements}
    rules = [
        {
            "id": ids[each.name],
            "shortDescription": {"text": clean(f"{each.name}: {wanted_words(each.wanted)}")},
            "fullDescription": {"text": clean(each.reason)},
            "properties": {"reference": clean(each.reference)},
        }
        for each in requirements
    ]
    places = {each.name: place for place, each in enumerate(requirements)}
    results = [
        _result(finding, ids[finding.requirement.name], places[finding.requirement.name])
        for finding in report.findings
    ]
    notes = [{"level": "note", "message": {"text": clean(note)}} for note in report.notes]
    run = {
        "tool": {"driver": {"name": "kmodtui", "semanticVersion": version, "rules": rules}},
        "automationDetails": {"id": f"kmodtui-audit/{policy.name}/"},
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": report.exit_status,
                "toolExecutionNotifications": notes,
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _result(finding: Finding, rule: str, place: int) -> dict[str, Any]:
    kind, level = _KINDS[finding.outcome]
    release = clean(finding.kernel.release) if finding.kernel else "running system"
    name = clean(finding.requirement.name)
    location: dict[str, Any] = {
        "logicalLocations": [
            {
                "name": name,
                "kind": "module" if finding.kernel else "resource",
                "fullyQualifiedName": f"{release}/{name}",
            }
        ]
    }
    # Some services reject a result without a file.
    uri = f"file://{quote(finding.file or '/etc/modprobe.d')}"
    location["physicalLocation"] = {"artifactLocation": {"uri": uri}}
    if finding.line:
        location["physicalLocation"]["region"] = {"startLine": finding.line}
    return {
        "ruleId": rule,
        "ruleIndex": place,
        "kind": kind,
        "level": level,
        "message": {"text": finding.sentence},
        "locations": [location],
        "partialFingerprints": {"kmodtui/v1": f"{release}/{rule}"},
        "properties": {"kernel": release, "state": finding.actual or "unknown"},
    }
