"""`kmodtui record`: record the timeline in a bounded file, for days."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.text import clean, counted
from kmodtui.model.timeline.event import EventKind, Lost, TimelineEvent
from kmodtui.services.event_stream import Item, timeline_events
from kmodtui.services.timeline.recorder import FLUSH, Recorder, default_path
from kmodtui.verbs.printing import add_json, print_error, print_json, print_note

SCHEMA = 1

MEBIBYTE = 1024 * 1024

SIZE = 8
"""MiB of each file, unless --size says otherwise: some 50,000 events."""

KEEP = 4
"""Older files that are kept, unless --keep says otherwise."""


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
    recording = asyncio.create_task(record(host, recorder, count=count))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, recording.cancel)
    with suppress(asyncio.CancelledError):
        await recording


async def record(
    host: Host,
    recorder: Recorder,
    *,
    count: int = 0,
    interval: float = 1.0,
    started: asyncio.Event | None = None,
) -> None:
    """Record; return after `count` events beside the start, or never if that is 0.

    Raises:
        KmodtuiError: the file cannot be written any more.
    """
    stream = timeline_events(host, with_start=True, interval=interval, started=started)
    flushing = asyncio.create_task(_flush(recorder))
    reading = asyncio.create_task(_read(stream, recorder, count))
    try:
        await asyncio.wait({flushing, reading}, return_when=asyncio.FIRST_COMPLETED)
        for task in (flushing, reading):
            if task.done():
                task.result()
    finally:
        flushing.cancel()
        reading.cancel()
        await asyncio.wait({flushing, reading})


async def _read(stream: AsyncIterator[Item], recorder: Recorder, count: int) -> None:
    recorded = 0
    async with aclosing(stream) as items:  # type: ignore[type-var]
        async for item in items:
            if isinstance(item, TimelineEvent):
                recorder.add(item)
                recorded += item.kind is not EventKind.START
            else:
                _note(recorder, item)
                recorded += 1
            if count and recorded >= count:
                return


def _note(recorder: Recorder, error: KmodtuiError) -> None:
    """Record what cannot be read: who opens the recording has to know what it lacks."""
    print_error(error)
    lost = Lost(error.message)
    recorder.add(TimelineEvent(0, time.time(), EventKind.LOST, (), lost))


async def _flush(recorder: Recorder) -> None:
    while True:
        await asyncio.sleep(FLUSH)
        recorder.flush()
