"""A change of modules as JSON and as lines: its outcome, log and symbols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmodtui.model.history import Change
from kmodtui.model.history_json import moved_json
from kmodtui.model.plan.plan import Plan
from kmodtui.model.symbols.table import OwnerDelta, counted_types
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.planning.performed import Performed
from kmodtui.verbs.plan import plan_json


def change_json(plan: Plan, done: Performed | None) -> dict[str, Any]:
    """Return a plan and, if it was carried out, what happened."""
    return {
        **plan_json(plan),
        "danger": plan.danger or None,
        "outcome": None if done is None else _outcome(done),
        "change": None if done is None or done.change is None else moved_json(done.change),
    }


def _outcome(done: Performed) -> dict[str, Any]:
    outcome = done.outcome
    return {
        "result": "unknown" if outcome.unknown else outcome.kind,
        "title": outcome.title,
        "cause": outcome.cause,
        "remedy": outcome.remedy or None,
        "shown": outcome.shown,
        "evidence": outcome.evidence,
        "output": outcome.output,
        "file": outcome.file,
        "log": [{"level": record.level, "text": clean(record.text)} for record in done.log],
    }


def moved_lines(change: Change) -> Iterator[str]:
    """Yield a line for each module that was loaded, unloaded or reloaded."""
    owners = {owner.owner: owner for owner in change.symbols.owners}
    rows = [
        *(("loaded", module) for module in reversed(change.loaded)),
        *(("unloaded", module) for module in change.unloaded),
        *(("reloaded", module) for module in change.reloaded),
    ]
    width = max((len(module.name) for _, module in rows), default=0)
    for word, module in rows:
        symbols = _symbols(owners.get(module.name), change.symbols_missing)
        name = clean(module.name)
        size = human_size(module.size)
        yield f"{word:<8}  {name:<{width}}  {size:>10}  {symbols}".rstrip()
    for name in change.cycled:
        yield f"loaded and unloaded  {clean(change.with_times(name))}"


def _symbols(owner: OwnerDelta | None, missing: str) -> str:
    if missing:
        return "symbols unknown"
    if owner is None:
        return ""
    words = []
    for sign, rows in (("+", owner.added), ("-", owner.removed)):
        if rows:
            types = ", ".join(counted_types(rows.types))
            words.append(f"{sign}{counted(len(rows), 'symbol')} ({types})")
    return "  ".join(words)
