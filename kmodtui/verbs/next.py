"""`kmodtui next [RELEASE]`: what changes for modules when another installed kernel is booted."""

from __future__ import annotations

import argparse

from kmodtui.kernel.host import Host
from kmodtui.model.next.finding import NextFinding
from kmodtui.model.text import clean
from kmodtui.services.next_kernel import compare_next
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1

FINDINGS = 1
NOT_DETERMINABLE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "release", nargs="?", default="", metavar="RELEASE", help="default: the next to boot"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the differences; return the exit status: 1 if there are any, 2 if unknown."""
    report = compare_next(host, release_of(host, options), options.release)
    if options.json:
        print_json(
            SCHEMA,
            {
                "running": report.running,
                "release": report.release,
                "compared": {
                    "modules": report.modules,
                    "options": report.options,
                    "rules": report.rules,
                },
                "unknown": report.unknown,
                "findings": [_json(each) for each in report.findings],
            },
        )
    else:
        for sentence in report.summary:
            print(clean(sentence))
        for each in report.findings:
            _print(each)
    if report.findings:
        return FINDINGS
    return NOT_DETERMINABLE if report.unknown else 0


def _json(each: NextFinding) -> dict[str, str | None]:
    return {
        "kind": each.kind,
        "module": clean(each.module) or None,
        "cause": clean(each.cause),
        "file": clean(each.file),
        "remedy": clean(each.remedy),
        "uses": each.uses or None,
    }


def _print(each: NextFinding) -> None:
    print(f"\n{each.kind:<9}  {clean(each.cause)}")
    if each.uses:
        print(f"{'':11}In use now: {each.uses}.")
    print(f"{'':11}{clean(each.file)}")
    print(f"{'':11}{clean(each.remedy)}")
