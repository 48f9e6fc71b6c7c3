"""`kmodtui crosscheck`: look for modules that some parts of the kernel show and others do not."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import nullcontext
from typing import Any

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.model.crosscheck.finding import DECEIVED, Difference
from kmodtui.model.text import clean, counted
from kmodtui.services.crosscheck import CrossCheck, cross_check, root_files
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from kmodtui.verbs.change import NO_PRIVILEGES, machine_for
from kmodtui.verbs.printing import add_json, print_error, print_json

SCHEMA = 1

FOUND, UNDETERMINED = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "--as-root",
        action="store_true",
        help="also compare what only root can read: kprobes, ftrace, vmallocinfo",
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the findings; return the exit status: 0 none, 1 some, 2 undetermined."""
    if options.as_root:
        machine = machine_for(host, options, "examine as root")
    else:
        machine = Machine(host, NoRoot("Use --as-root.", ""))
    if options.as_root and machine.root.denied is not None:
        print_error(machine.root.denied)
        return NO_PRIVILEGES
    try:
        found = asyncio.run(_checked(machine, as_root=options.as_root))
    except KmodtuiError as error:
        print_error(error)
        return UNDETERMINED
    if options.json:
        print_json(SCHEMA, _json(found))
    else:
        _print(found)
    if found.findings:
        return FOUND
    return UNDETERMINED if found.undetermined else 0


async def _checked(machine: Machine, *, as_root: bool) -> CrossCheck:
    try:
        read, log = await root_files(machine, nullcontext) if as_root else (None, None)
        return await cross_check(machine, read, log)
    finally:
        await machine.close()


def _print(found: CrossCheck) -> None:
    for each in found.findings:
        print(clean(f"{each.kind}: {each.words}"))
        for sign in each.signs:
            print(clean(f"    {sign.source}: {sign.says}"))
        for cause in each.causes:
            print(f"  - {cause}")
    if not found.findings:
        print("Nothing can be said." if found.undetermined else "No difference was found.")
    print(f"Compared in {counted(found.readings, 'reading')}: {', '.join(found.compared)}.")
    for what, why in found.missing.items():
        print(clean(f"Not compared: {what}: {why}."))
    print(DECEIVED)


def _json(found: CrossCheck) -> dict[str, Any]:
    return {
        "findings": [_finding(each) for each in found.findings],
        "undetermined": found.undetermined,
        "readings": found.readings,
        "compared": found.compared,
        "not_compared": [
            {"source": source, "reason": clean(why)} for source, why in found.missing.items()
        ],
    }


def _finding(each: Difference) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "subject": clean(each.subject),
        "description": clean(each.words),
        "signs": [{"source": clean(sign.source), "says": clean(sign.says)} for sign in each.signs],
        "innocent_causes": each.causes,
    }
