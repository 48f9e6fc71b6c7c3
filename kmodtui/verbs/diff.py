"""`kmodtui diff`: compare two snapshots, or a snapshot with the running system."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.modules import LoadedModule, taint_flags
from kmodtui.model.snapshot import Comparison, Snapshot, compare
from kmodtui.model.symbols.table import SymbolRows, counted_types
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.snapshots import load, take
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1

KERNEL = "the kernel itself"
"""Stands for the owner of symbols that belong to no module."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument("before", metavar="A", help="a snapshot")
    parser.add_argument(
        "after", metavar="B", nargs="?", help="a later snapshot (default: the running system)"
    )
    parser.add_argument("--symbols", action="store_true", help="list symbols, not only counts")


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the differences from A to B; return the exit status."""
    if options.after is not None and (hasattr(options, "root") or hasattr(options, "demo")):
        raise UsageError(
            "--root and --demo replace the running system, and two snapshots do not need it.",
            "Leave out B, or --root and --demo.",
        )
    before = load(Path(options.before))
    after = load(Path(options.after)) if options.after is not None else take(host)
    comparison = compare(before, after)
    if options.json:
        print_json(SCHEMA, as_json(comparison, symbols=options.symbols))
        return 0
    for line in as_lines(comparison, symbols=options.symbols):
        print(line)
    return 0


def as_lines(comparison: Comparison, *, symbols: bool) -> Iterator[str]:
    """Yield the comparison as lines of text."""
    one, other = comparison.before, comparison.after
    width = max(len(one.name), len(other.name))
    for letter, side in (("A", one), ("B", other)):
        yield f"{letter}  {side.name:<{width}}  {_origin(side)}"
    if comparison.warning:
        yield comparison.warning
    if comparison.nothing_differs:
        yield "Modules, symbols, kernel command line and taint flags are the same."
        return
    yield ""
    if comparison.words_removed or comparison.words_added:
        words = [f"-{word}" for word in comparison.words_removed]
        yield " ".join(["command line ", *words, *(f"+{w}" for w in comparison.words_added)])
    if comparison.taints_added or comparison.taints_removed:
        before = taint_flags(one.origin.tainted) or "none"
        yield f"taint         {before} → {taint_flags(other.origin.tainted) or 'none'}"
    yield (
        f"modules       +{len(comparison.loaded):,} -{len(comparison.unloaded):,}  "
        f"{_signed(comparison.memory)} memory"
    )
    longest = max((len(m.name) for m in (*comparison.loaded, *comparison.unloaded)), default=0)
    for sign, modules in (("+", comparison.loaded), ("-", comparison.unloaded)):
        for module in modules:
            yield f"  {sign} {module.name:<{longest}}  {human_size(module.size):>10}"
    for was, now in comparison.resized:
        yield f"  = {was.name:<{longest}}  {human_size(was.size)} → {human_size(now.size)}"
    delta = comparison.symbols
    yield f"symbols       +{delta.added:,} -{delta.removed:,}"
    longest = max((len(owner.owner or KERNEL) for owner in delta.owners), default=0)
    for owner in delta.owners:
        for sign, rows in (("+", owner.added), ("-", owner.removed)):
            if not rows:
                continue
            types = ", ".join(counted_types(rows.types))
            yield f"  {sign} {owner.owner or KERNEL:<{longest}}  {len(rows):>7,}  {types}"
            if symbols:
                for symbol in sorted(rows, key=lambda s: (s.name, s.type)):
                    yield f"      {sign} {symbol.type} {symbol.name}"


def _origin(snapshot: Snapshot) -> str:
    origin, totals = snapshot.origin, snapshot.totals
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(origin.taken))
    where = f"{origin.hostname or 'unknown'}, Linux {origin.release or 'unknown'}"
    numbers = f"{counted(totals.modules, 'module')}, {counted(totals.symbols or 0, 'symbol')}"
    return f"{when}  {where}, {numbers}"


def _signed(size: int) -> str:
    return f"{'+' if size >= 0 else '-'}{human_size(abs(size))}"


def as_json(comparison: Comparison, *, symbols: bool) -> dict[str, Any]:
    """Return the comparison as JSON fields.

    Args:
        comparison: the two snapshots.
        symbols: whether to list symbols, not only count them.
    """
    return {
        "before": _side(comparison.before),
        "after": _side(comparison.after),
        "warning": comparison.warning or None,
        "same_release": comparison.before.origin.release == comparison.after.origin.release,
        "command_line": {"added": comparison.words_added, "removed": comparison.words_removed},
        "taint": {"added": comparison.taints_added, "removed": comparison.taints_removed},
        "modules": {
            "loaded": [_module(module) for module in comparison.loaded],
            "unloaded": [_module(module) for module in comparison.unloaded],
            "resized": [
                {"name": was.name, "size_before": was.size, "size_after": now.size}
                for was, now in comparison.resized
            ],
            "memory_change": comparison.memory,
        },
        "symbols": {
            "added": comparison.symbols.added,
            "removed": comparison.symbols.removed,
            "by_module": [
                {
                    "module": owner.owner or None,
                    "added": _rows(owner.added, symbols=symbols),
                    "removed": _rows(owner.removed, symbols=symbols),
                }
                for owner in comparison.symbols.owners
            ],
        },
    }


def _side(snapshot: Snapshot) -> dict[str, Any]:
    origin = snapshot.origin
    return {
        "name": clean(snapshot.name),
        "taken": origin.taken,
        "hostname": origin.hostname or None,
        "release": origin.release or None,
        "module_count": snapshot.totals.modules,
        "symbol_count": snapshot.totals.symbols,
        "taint": taint_flags(origin.tainted),
    }


def _module(module: LoadedModule) -> dict[str, Any]:
    return {"name": module.name, "size": module.size}


def _rows(rows: SymbolRows, *, symbols: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"count": len(rows), "types": dict(rows.types)}
    if symbols:
        fields["symbols"] = [{"name": symbol.name, "type": symbol.type} for symbol in rows]
    return fields
