"""`kmodtui events`: print loads and unloads of modules as they happen, whoever does it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.history import Change
from kmodtui.services.event_stream import changes
from kmodtui.verbs.change_json import moved_json, moved_lines
from kmodtui.verbs.printing import add_json, print_error

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "--count", type=int, default=0, metavar="N", help="end after this number of changes"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print changes until it is interrupted; return the exit status.

    Raises:
        KmodtuiError: nothing can change there, or the modules cannot be read.
    """
    if not host.live:
        raise UsageError("--root is a captured tree: nothing changes there.", "Leave out --root.")
    if options.count < 0:
        raise UsageError("--count takes a positive number.", "Leave it out to print all changes.")
    read_modules(host)
    asyncio.run(stream(host, as_json=options.json, count=options.count))
    return 0


async def stream(
    host: Host, *, as_json: bool, count: int = 0, started: asyncio.Event | None = None
) -> None:
    """Print changes; return after `count` of them, or never if that is 0."""
    printed = 0
    async for change in changes(host, started=started):
        if isinstance(change, KmodtuiError):
            print_error(change)
            continue
        for line in [_json_line(change)] if as_json else _lines(change):
            print(line)
        sys.stdout.flush()
        printed += 1
        if printed == count:
            return


def _json_line(change: Change) -> str:
    when = round(change.when, 3)
    fields: dict[str, Any] = {"schema": SCHEMA, "time": when, "number": change.number}
    return json.dumps({**fields, **moved_json(change)})


def _lines(change: Change) -> Iterator[str]:
    when = time.strftime("%H:%M:%S", time.localtime(change.when))
    for line in moved_lines(change):
        yield f"{when}  {line}"
