"""`kmodtui doctor`: what this system lets you do with modules, and what is wrong with it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from textwrap import wrap

from kmodtui.kernel.host import Host
from kmodtui.model.doctor.doctor import diagnose
from kmodtui.model.doctor.finding import Finding, Group
from kmodtui.model.text import clean
from kmodtui.services.doctor import examine
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1

_MAX_WIDTH = 100
_INDENT = " " * 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the report; return the exit status, which is 0 whatever was found."""
    report = diagnose(examine(host, release_of(host, options)))
    if options.json:
        print_json(
            SCHEMA,
            {"kernel": clean(report.kernel), "groups": [_json(group) for group in report.groups]},
        )
        return 0
    for sentence in report.summary:
        print("\n".join(wrap(clean(sentence), _width(), subsequent_indent="  ")))
    for group in report.groups:
        print(f"\n{group.title}")
        for finding in group.worst_first:
            print("\n".join(_lines(finding, _width())))
    return 0


def _json(group: Group) -> dict[str, object]:
    return {
        "key": group.key,
        "title": group.title,
        "findings": [
            {
                "key": clean(finding.key),
                "subject": clean(finding.subject),
                "level": finding.level,
                "reason": clean(finding.reason),
                "evidence": [clean(line) for line in finding.evidence],
                "remedy": clean(finding.remedy) or None,
                "module": clean(finding.module) or None,
            }
            for finding in group.findings
        ],
    }


def _lines(finding: Finding, width: int) -> Iterator[str]:
    yield f"{finding.level:<7}  {clean(finding.subject)}"
    for text in (finding.reason, *finding.lines):
        yield from wrap(
            clean(text),
            width,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_on_hyphens=False,
        )


def _width() -> int:
    try:
        return min(_MAX_WIDTH, os.get_terminal_size(1).columns)
    except (OSError, ValueError):
        return _MAX_WIDTH
