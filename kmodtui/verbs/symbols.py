"""`kmodtui symbols`: the rows of /proc/kallsyms."""

from __future__ import annotations

import argparse

from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.model.modules import canonical
from kmodtui.verbs.printing import add_json, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)
    parser.add_argument("--module", metavar="NAME", help="of this module only")
    parser.add_argument("--counts", action="store_true", help="how many each module has")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print it; return the exit status."""
    table = read_symbols(host)
    module = canonical(options.module) if options.module is not None else None
    if module is not None and module not in table.modules:
        raise UnknownModuleError(
            f"/proc/kallsyms has no symbols of a module {module}.",
            "It is not loaded, or has none. kmodtui list shows what is loaded.",
        )
    if options.counts:
        counts = {module: len(table.of(module))} if module is not None else table.counts()
        if options.json:
            print_json(counts)
            return 0
        for name, count in counts.items():
            print(f"{count:>7} {name}")
        return 0
    owners = [(module, table.of(module))] if module is not None else [("", table.core)]
    if module is None:
        owners += [*table.modules.items(), *table.pseudo.items()]
    rows = ((owner, symbol) for owner, found in owners for symbol in found)
    if options.json:
        print_json(
            [
                {
                    "name": symbol.name,
                    "type": symbol.type,
                    "module": owner or None,
                    "address": symbol.address,
                }
                for owner, symbol in rows
            ]
        )
        return 0
    # An address has as many digits as a pointer of that kernel: eight where it has 32 bits.
    first = next((found.raw for _, found in owners if found.raw), b"")
    digits = 8 if first.find(b" ") == 8 else 16
    for owner, symbol in rows:
        tail = f"\t[{owner}]" if owner else ""
        print(f"{symbol.address:0{digits}x} {symbol.type} {symbol.name}{tail}")
    return 0
