"""`kmodtui doctor`: what this system lets you do with modules, and what is wrong with it."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from contextlib import nullcontext
from textwrap import wrap

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.debugfs import RootFiles
from kmodtui.kernel.host import Host
from kmodtui.model.doctor.doctor import diagnose
from kmodtui.model.doctor.finding import Finding, Group
from kmodtui.model.text import clean
from kmodtui.services.doctor import examine, root_files
from kmodtui.services.machine import Machine
from kmodtui.verbs.change import NO_PRIVILEGES, machine_for
from kmodtui.verbs.printing import add_json, print_error, print_json, release_of

SCHEMA = 1

_MAX_WIDTH = 100
_INDENT = " " * 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "--as-root",
        action="store_true",
        help="also read what only root can read: failed and duplicate loads",
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the report; return the exit status, which is 0 whatever was found."""
    root = None
    if options.as_root:
        machine = machine_for(host, options, "examine as root")
        try:
            if machine.root.denied is not None:
                raise machine.root.denied
            root = asyncio.run(_read_as_root(machine))
        except KmodtuiError as error:
            print_error(error)
            return NO_PRIVILEGES
    report = diagnose(examine(host, release_of(host, options), root))
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


async def _read_as_root(machine: Machine) -> RootFiles:
    try:
        return await root_files(machine, nullcontext)
    finally:
        await machine.close()


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
