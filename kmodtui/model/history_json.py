"""A change of modules as the fields of a JSON object, and back. Symbols are counted, not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmodtui.model.history import Change, CountedRows
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.symbols.table import NO_ROWS, OwnerDelta, SymbolDelta, SymbolRows


def moved_json(change: Change) -> dict[str, Any]:
    """Return what was loaded and unloaded, with the number of symbols."""
    return {
        "loaded": [module_json(module) for module in change.loaded],
        "unloaded": [module_json(module) for module in change.unloaded],
        "reloaded": [module_json(module) for module in change.reloaded],
        "repeated": {name: change.cycles[name] for name in change.cycled},
        "memory_change": change.memory,
        "symbols": {
            "added": change.symbols.added,
            "removed": change.symbols.removed,
            "by_module": [_owner_json(owner) for owner in change.symbols.owners],
            "problem": change.symbols_missing or None,
        },
    }


def module_json(module: LoadedModule) -> dict[str, Any]:
    """Return the name, size and taint flags of a module; its address is not included."""
    return {"name": module.name, "size": module.size, "taint": module.taints}


def _owner_json(owner: OwnerDelta) -> dict[str, Any]:
    return {
        "module": owner.owner or None,
        "added": _rows_json(owner.added),
        "removed": _rows_json(owner.removed),
    }


def _rows_json(rows: SymbolRows) -> dict[str, Any]:
    return {"count": len(rows), "types": dict(rows.types)}


def read_moved(fields: Mapping[str, Any], number: int, when: float) -> Change:
    """Return the change in the fields of `moved_json`.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are malformed.
    """
    symbols = fields["symbols"]
    reloaded = read_modules_json(fields["reloaded"])
    repeated = {str(name): int(times) for name, times in fields["repeated"].items()}
    return Change(
        number=number,
        when=when,
        loaded=read_modules_json(fields["loaded"]),
        unloaded=read_modules_json(fields["unloaded"]),
        reloaded=reloaded,
        cycles={**{module.name: 1 for module in reloaded}, **repeated},
        symbols=SymbolDelta(tuple(map(_owner, symbols["by_module"]))),
        symbols_missing=str(symbols["problem"] or ""),
    )


def read_modules_json(entries: Any) -> tuple[LoadedModule, ...]:
    """Return the modules in a list of `module_json`; for errors see `read_moved`."""
    return tuple(
        LoadedModule(
            str(entry["name"]),
            int(entry["size"]),
            None,
            (),
            ModuleState.LIVE,
            str(entry["taint"]),
            False,
            0,
        )
        for entry in entries
    )


def _owner(fields: Mapping[str, Any]) -> OwnerDelta:
    return OwnerDelta(str(fields["module"] or ""), _rows(fields["added"]), _rows(fields["removed"]))


def _rows(fields: Mapping[str, Any]) -> SymbolRows:
    counts = tuple((str(kind), int(number)) for kind, number in fields["types"].items())
    return CountedRows(counts=counts) if counts else NO_ROWS
