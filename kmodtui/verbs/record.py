"""`kmodtui record`: record the timeline in a bounded file, for days."""

from __future__ import annotations

import argparse
import asyncio
import signal
from contextlib import suppress
from pathlib import Path

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.text import clean, counted
from kmodtui.services.timeline.recorder import Recorder, default_path
from kmodtui.services.timeline.recording_run import KEEP, MEBIBYTE, SIZE, record
from kmodtui.verbs.printing import add_json, print_error, print_json, print_note

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write or continue (default: ~/.local/state/kmodtui/timeline.kmodtui-record)",
    )
    parser.add_argument(
        "--size",
        type=int,
        default=SIZE,
        metavar="MIB",
        help=f"begin another file at this size; the full one becomes FILE.1 (default: {SIZE})",
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=KEEP,
        metavar="N",
        help=f"keep N older files, FILE.1 to FILE.N (default: {KEEP})",
    )
    parser.add_argument(
        "--count", type=int, default=0, metavar="N", help="end after this number of events"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Record until it is ended by SIGINT or SIGTERM; return the exit status."""
    if not host.live:
        raise UsageError("--root is a captured tree: nothing changes there.", "Leave out --root.")
    if not 1 <= options.size <= 64:
        raise UsageError("--size takes a number of MiB from 1 to 64.")
    if not 0 <= options.keep <= 99:
        raise UsageError("--keep takes a number from 0 to 99.")
    if options.count < 0:
        raise UsageError("--count takes a positive number.", "Leave it out to record all events.")
    read_modules(host)
    path = Path(options.output) if options.output is not None else default_path()
    if options.output is None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Recorder(path, size=options.size * MEBIBYTE, keep=options.keep) as recorder:
        if not options.json:
            print_note(f"Recording to {path}; Ctrl+C ends it.")
        asyncio.run(_record(host, recorder, options.count))
    events = recorder.events
    if options.json:
        print_json(SCHEMA, {"path": clean(str(path)), "events": events})
    else:
        print(f"{counted(events, 'event')} recorded in {clean(str(path))}.")
    return 0


async def _record(host: Host, recorder: Recorder, count: int) -> None:
    recording = asyncio.create_task(record(host, recorder, problem=print_error, count=count))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, recording.cancel)
    with suppress(asyncio.CancelledError):
        await recording
