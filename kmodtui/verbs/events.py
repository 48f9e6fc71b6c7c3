"""`kmodtui events`: print the timeline as it happens, or the one in a recording."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.sources import EventSource
from kmodtui.model.timeline.event import EventKind, ModulesChanged, TimelineEvent
from kmodtui.model.timeline.event_json import event_json
from kmodtui.model.timeline.summary import summary
from kmodtui.services.event_stream import timeline_events
from kmodtui.verbs.change_json import moved_lines
from kmodtui.verbs.filter_option import add_filter, chosen_filter, matching
from kmodtui.verbs.printing import add_json, print_error, print_note

if TYPE_CHECKING:
    from kmodtui.model.filter.parse import Filter

SCHEMA = 1

ALWAYS = (EventKind.START, EventKind.LOST)
"""Kinds that --kind does not leave out: what is missing is never hidden."""

CHOICES = [kind.value for kind in EventKind if kind not in ALWAYS]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    add_filter(parser, FilterKind.EVENTS)
    parser.add_argument(
        "--count", type=int, default=0, metavar="N", help="end after this number of events"
    )
    parser.add_argument(
        "--kind",
        action="append",
        choices=CHOICES,
        default=[],
        help="print only this kind: " + ", ".join(CHOICES) + "; may be repeated",
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="print the events of a recording; see kmodtui record",
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print events until it is interrupted; return the exit status.

    Raises:
        KmodtuiError: nothing can change there, or the modules cannot be read.
    """
    if options.count < 0:
        raise UsageError("--count takes a positive number.", "Leave it out to print all events.")
    chosen = chosen_filter(options, FilterKind.EVENTS)
    if (path := getattr(options, "replay", None)) is not None:
        return _replay(Path(path), options, chosen)
    if not host.live:
        raise UsageError("--root is a captured tree: nothing changes there.", "Leave out --root.")
    read_modules(host)
    asyncio.run(
        stream(
            host,
            as_json=options.json,
            count=options.count,
            kinds=options.kind,
            chosen=chosen,
        )
    )
    return 0


async def stream(
    host: Host,
    *,
    as_json: bool,
    count: int = 0,
    kinds: Collection[str] = (),
    chosen: Filter | None = None,
    started: asyncio.Event | None = None,
) -> None:
    """Print events; return after `count` of them, or never if that is 0."""
    printed = 0
    async with aclosing(timeline_events(host, started=started)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, KmodtuiError):
                print_error(event)
            elif _is_wanted(event, kinds, chosen):
                _print(event, as_json=as_json)
                printed += 1
                if printed == count:
                    return


def _replay(path: Path, options: argparse.Namespace, chosen: Filter | None) -> int:
    from kmodtui.services.timeline.recording import read_recording

    recording = read_recording(path)
    wanted = [event for event in recording.events if _is_wanted(event, options.kind, chosen)]
    for event in wanted[: options.count or None]:
        _print(event, as_json=options.json, dated=True)
    for note in recording.notes:
        print_note(note)
    return 0


def _is_wanted(event: TimelineEvent, kinds: Collection[str], chosen: Filter | None) -> bool:
    if event.kind in ALWAYS:
        return True
    return (not kinds or event.kind in kinds) and bool(matching(chosen, EventSource(), [event]))


def _print(event: TimelineEvent, *, as_json: bool, dated: bool = False) -> None:
    if as_json:
        print(json.dumps(event_json(event)))
    else:
        for line in _lines(event, dated=dated):
            print(line)
    sys.stdout.flush()


def _lines(event: TimelineEvent, *, dated: bool) -> Iterator[str]:
    form = "%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S"
    when = time.strftime(form, time.localtime(event.when))
    if isinstance(event.detail, ModulesChanged):
        for line in moved_lines(event.detail.event.change):
            yield f"{when}  {line}"
    else:
        yield f"{when}  {event.kind.value:<9}  {summary(event)}"
