"""`kmodtui snapshot`: modules and symbols of this moment, in a file to compare with later."""

from __future__ import annotations

import argparse
from pathlib import Path

from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.snapshots import default_path, save, take
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the file to write; by default HOST-DATE-TIME.kmodtui in this folder",
    )
    parser.add_argument(
        "--addresses",
        action="store_true",
        help="keep the addresses too: they tell where the kernel lies in memory and so defeat "
        "KASLR; never give such a file away",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(host: Host, options: argparse.Namespace) -> int:
    """Take it and tell what is in it; return the exit status."""
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
        print("It holds kernel addresses, which defeat KASLR: do not give it away.")
    return 0
