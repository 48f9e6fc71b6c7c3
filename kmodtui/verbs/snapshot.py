"""`kmodtui snapshot`: save the loaded modules and all symbols to a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.snapshots import default_path, save, take
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write (default: HOST-DATE-TIME.kmodtui in the current directory)",
    )
    parser.add_argument(
        "--addresses",
        action="store_true",
        help="include addresses; they reveal the kernel's location in memory and defeat KASLR, "
        "so keep the file private",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")


def run(host: Host, options: argparse.Namespace) -> int:
    """Take the snapshot and print what it contains; return the exit status."""
    snapshot = take(host, addresses=options.addresses)
    path = Path(options.output) if options.output else default_path(snapshot, Path())
    size = save(snapshot, path, force=options.force)
    totals = snapshot.totals
    if options.json:
        print_json(
            SCHEMA,
            {
                "path": str(path),
                "size": size,
                "taken": snapshot.origin.taken,
                "hostname": snapshot.origin.hostname or None,
                "release": snapshot.origin.release or None,
                "module_count": totals.modules,
                "symbol_count": totals.symbols,
                "addresses": options.addresses,
            },
        )
        return 0
    print(
        f"{clean(str(path))}: {counted(totals.modules, 'module')}, "
        f"{counted(totals.symbols or 0, 'symbol')}, {human_size(size)}"
    )
    if options.addresses:
        print("It contains kernel addresses, which defeat KASLR: keep it private.")
    return 0
