"""`kmodtui seen`: every module that was ever seen loaded here."""

from __future__ import annotations

import argparse
from pathlib import Path

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.modules import is_module_name
from kmodtui.services.seen import note_seen, read_seen
from kmodtui.services.timeline.recording import read_recording
from kmodtui.verbs.printing import add_json, print_json, print_note

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "--lsmod",
        action="store_true",
        help="print them as lsmod does: make LSMOD=FILE localmodconfig builds these modules",
    )
    parser.add_argument(
        "--replay", metavar="FILE", default=argparse.SUPPRESS, help="add those of a recording"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the modules, also those that are loaded now; return the exit status."""
    try:
        loaded = {module.name: module.size for module in read_modules(host)}
    except KmodtuiError as error:
        print_note(error.message)
        loaded = {}
    note_seen(host, loaded)
    names = set(loaded)
    if host.live and not host.badge:
        names |= read_seen()
    if (path := getattr(options, "replay", None)) is not None:
        recording = read_recording(Path(path))
        names |= set(filter(is_module_name, recording.modules))
        for note in recording.notes:
            print_note(note)
    if options.json:
        modules = [{"name": name, "loaded": name in loaded} for name in sorted(names)]
        print_json(SCHEMA, {"modules": modules})
    elif options.lsmod:
        # `make localmodconfig` ignores the first line and, of the others, all but the names.
        print("Module                  Size  Used by")
        for name in sorted(names):
            print(f"{name:<19} {loaded.get(name, 0):>8}  0")
    else:
        for name in sorted(names):
            print(name)
    return 0
