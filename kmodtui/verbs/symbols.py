"""`kmodtui symbols`: the symbols in /proc/kallsyms, all of them or those that match."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kmodtui.errors import KmodtuiError, UnknownModuleError, UsageError
from kmodtui.kernel.builtin_ranges import read_builtin_map
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.modules import canonical, named_module
from kmodtui.model.symbols.builtin import BuiltinMap, builtin_words
from kmodtui.model.symbols.table import Symbol, SymbolRows, SymbolTable
from kmodtui.model.text import clean, counted
from kmodtui.verbs.filter_option import add_filter
from kmodtui.verbs.printing import add_json, hexadecimal, print_error, print_json

if TYPE_CHECKING:
    from kmodtui.model.symbols.query import Query

SCHEMA = 1

_OwnedSymbol = tuple[str, Symbol, tuple[str, ...]]
"""A symbol with its module, empty for the kernel itself, and its built-in modules."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    add_filter(parser, FilterKind.SYMBOLS)
    parser.add_argument("name", nargs="?", metavar="NAME", help="symbols with exactly this name")
    parser.add_argument(
        "--match",
        metavar="PATTERN",
        help="symbols whose name contains this text; re:PATTERN for a regular expression",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="the symbol at a hexadecimal address, or at name+0x1f/0x40 as an oops prints it",
    )
    parser.add_argument("--module", metavar="NAME", help="only symbols of this module")
    parser.add_argument("--counts", action="store_true", help="count the symbols of each module")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the symbols; return the exit status: 1 if none matches."""
    texts = (options.name, options.match, options.address, options.filter)
    wanted = [word for word in texts if word is not None]
    if len(wanted) > 1 or (wanted and options.counts):
        raise UsageError(
            "NAME, --match, --filter, --address and --counts cannot be combined.",
            "Use only one of them.",
        )
    query = _query(options)
    table = read_symbols(host)
    builtin = read_builtin_map(host, table)
    shown, module = _of_module(table, builtin, options.module)
    if options.counts:
        counts = {module: len(table.of(module))} if module is not None else shown.counts()
        others = builtin.counts(shown.core) if builtin is not None and module is None else {}
        if options.module is not None:
            # An object file can belong to several built-in modules.
            others = {name: n for name, n in others.items() if name == canonical(options.module)}
        return _print_counts(counts, others, as_json=options.json)
    if options.address is not None:
        return _print_address(host, table, builtin, options.address, as_json=options.json)
    if query is not None:
        rows = _found(shown, module, builtin, query)
    else:
        rows = _rows(shown, module, builtin)
    count = _print_rows(rows, table, as_json=options.json)
    if not wanted:
        listed = len(shown) if module is None else len(table.of(module))
        if count < listed:
            skipped = counted(listed - count, "malformed line")
            print_error(KmodtuiError(f"{skipped} of /proc/kallsyms skipped."))
    if count or not wanted:
        return 0
    print_error(_no_match(table, module, options))
    return 1


def _of_module(
    table: SymbolTable, builtin: BuiltinMap | None, name: str | None
) -> tuple[SymbolTable, str | None]:
    """Return the rows to search, and the loaded module among whose rows it is searched.

    The rows of a built-in module are a table of their own.

    Raises:
        UnknownModuleError: the module has no symbols.
    """
    if name is None:
        return table, None
    module = named_module(name, table.modules)
    if module in table.modules:
        return table, module
    if builtin is not None and module in builtin.names:
        lines = table.core.raw.split(b"\n")[:-1]
        own = (line + b"\n" for line in lines if module in builtin.of_line(line))
        return SymbolTable(SymbolRows(b"".join(own))), None
    raise UnknownModuleError(
        f"/proc/kallsyms has no symbols of module {module}.",
        "It is not loaded or has no symbols. To list loaded modules: kmodtui list",
    )


def _no_match(table: SymbolTable, module: str | None, options: argparse.Namespace) -> KmodtuiError:
    """Return the error for a search without a match, with a hint if a module has that name."""
    from kmodtui.model.symbols.address import NoSymbolError

    text = next(t for t in (options.name, options.match, options.filter) if t is not None)
    what = "is named" if options.name is not None else "matches"
    where = f" of {module}" if module is not None else ""
    meant = named_module(text, table.modules)
    hint = ""
    if module is None and meant in table.modules:
        hint = f"To list the symbols of a module: kmodtui symbols --module {meant}"
    elif options.name is not None:
        hint = f"To search for part of a name: kmodtui symbols --match {shlex.quote(text)}"
    return NoSymbolError(f"No symbol{where} {what} {clean(text)}.", clean(hint))


def _print_counts(counts: dict[str, int], builtin: dict[str, int], *, as_json: bool) -> int:
    if as_json:
        print_json(SCHEMA, {"counts": counts, "builtin_counts": builtin})
        return 0
    for name, count in counts.items():
        print(f"{count:>7} {name}")
    for name, count in builtin.items():
        print(f"{count:>7} {builtin_words((name,))}")
    return 0


def _rows(
    table: SymbolTable, module: str | None, builtin: BuiltinMap | None
) -> Iterator[_OwnedSymbol]:
    owners = [(module, table.of(module))] if module is not None else [("", table.core)]
    if module is None:
        owners += [*table.modules.items(), *table.pseudo.items()]
    return (
        (owner, symbol, builtin.at(symbol.address) if builtin is not None and not owner else ())
        for owner, found in owners
        for symbol in found
    )


def _query(options: argparse.Namespace) -> Query | None:
    """Return the query of the command line; None if all symbols are asked for.

    Raises:
        KmodtuiError: it is invalid.
    """
    if options.name is None and options.match is None and options.filter is None:
        return None
    from kmodtui.model.symbols.query import Query, parse_query
    from kmodtui.services.filtering import named_filters

    if options.name is not None:
        return Query(exact=options.name.encode(errors="surrogateescape"))
    text = options.filter if options.match is None else options.match
    return parse_query(text, places=False, named=named_filters(text))


def _found(
    table: SymbolTable,
    module: str | None,
    builtin: BuiltinMap | None,
    query: Query,
) -> Iterator[_OwnedSymbol]:
    from kmodtui.model.symbols.list import SymbolList
    from kmodtui.model.symbols.search import find_all
    from kmodtui.services.time_limit import limited

    symbols = (
        SymbolList.of_table(table, builtin)
        if module is None
        else SymbolList([(module, table.of(module))])
    )
    with limited(
        _SEARCH_TIMEOUT,
        "The search timed out.",
        "Simplify the pattern: a nested repetition such as (a+)+ can take forever.",
    ):
        rows = [symbols.row(number) for number in find_all(symbols, query)]
    return ((row.owner, row.symbol, row.builtin) for row in rows if row.symbol is not None)


_SEARCH_TIMEOUT = 20.0
"""Seconds; a usual search takes a thousandth of it."""


def _print_rows(rows: Iterable[_OwnedSymbol], table: SymbolTable, *, as_json: bool) -> int:
    """Print rows of a table; return their number."""
    hidden, digits, count = table.addresses_hidden, _digits(table), 0

    def numbered() -> Iterator[_OwnedSymbol]:
        nonlocal count
        for count, row in enumerate(rows, 1):  # noqa: B007  used after the loop
            yield row

    if as_json:
        found = (_as_json(*row, hidden=hidden) for row in numbered())
        print_json(SCHEMA, {"symbols": found})
    else:
        sys.stdout.writelines(f"{_row(*row, digits)}\n" for row in numbered())
    return count


def _row(owner: str, symbol: Symbol, builtin: tuple[str, ...], digits: int) -> str:
    words = owner or builtin_words(builtin)
    tail = f"\t[{words}]" if words else ""
    return f"{symbol.address:0{digits}x} {symbol.type} {symbol.name}{tail}"


def _as_json(
    owner: str, symbol: Symbol, builtin: tuple[str, ...], *, hidden: bool
) -> dict[str, Any]:
    return {
        "name": symbol.name,
        "type": symbol.type,
        "module": owner or None,
        "builtin": list(builtin),
        "address": None if hidden else hexadecimal(symbol.address),
    }


def _digits(table: SymbolTable) -> int:
    """Return the number of digits of an address: 8 on a 32-bit kernel, else 16."""
    owners = (table.core, *table.modules.values())
    first = next((found.raw for found in owners if found.raw), b"")
    return 8 if first.find(b" ") == 8 else 16


def _print_address(
    host: Host, table: SymbolTable, builtin: BuiltinMap | None, text: str, *, as_json: bool
) -> int:
    from kmodtui.kernel.kptr import read_hiding
    from kmodtui.model.symbols.address import NoSymbolError, look_up
    from kmodtui.model.symbols.list import SymbolList

    symbols = SymbolList.of_table(table, builtin)
    try:
        found = look_up(symbols, text)
    except NoSymbolError as error:
        if table.addresses_hidden and "hidden" in error.message:
            raise NoSymbolError(
                f"No address can be looked up: addresses are {read_hiding(host).reason}.",
                error.hint,
            ) from None
        raise
    found_json = []
    for located in found:
        row = symbols.row(located.row)
        if row.symbol is None:
            continue
        found_json.append(
            _as_json(row.owner, row.symbol, row.builtin, hidden=table.addresses_hidden)
            | {"offset": located.offset, "size": located.size, "warning": located.warning or None}
        )
        if not as_json:
            size = f"/{located.size:#x}" if located.size is not None else ""
            owner = f" [{row.owner_words}]" if row.owner_words else ""
            warning = f"  ({located.warning})" if located.warning else ""
            print(f"{row.symbol.name}+{located.offset:#x}{size}{owner}{warning}")
    if as_json:
        print_json(SCHEMA, {"symbols": found_json})
    return 0
