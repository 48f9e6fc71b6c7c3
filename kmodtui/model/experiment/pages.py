"""An experiment's report, stage by stage: for the dashboard, and as text, Markdown and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kmodtui.model.experiment.report import ActionResult, Observation, Report, Stage
from kmodtui.model.history import Change
from kmodtui.model.modules import taint_flags
from kmodtui.model.parts import CommandLine, Part, Quote, Rows, Sentence, text_of
from kmodtui.model.plan.plan import Action, Plan, PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.symbols.table import OwnerDelta, counted_types
from kmodtui.model.text import clean, counted, human_size


@dataclass(frozen=True, slots=True)
class Page:
    """One stage of the report.

    Attributes:
        stage: the stage.
        title: its title.
        parts: its contents; empty before the stage begins.
    """

    stage: Stage
    title: str
    parts: tuple[Part, ...]


TITLES = {
    Stage.CHECK: "Before",
    Stage.LOAD: "Load",
    Stage.LOOK: "Added",
    Stage.UNLOAD: "Unload",
    Stage.CHECK_AGAIN: "After",
    Stage.OVER: "Differences",
}
"""Titles of the stages that appear in a report, in order."""


def pages(report: Report) -> tuple[Page, ...]:
    """Return all stages with their contents so far."""
    made = {
        Stage.CHECK: _before,
        Stage.LOAD: _load,
        Stage.LOOK: _added,
        Stage.UNLOAD: _unload,
        Stage.CHECK_AGAIN: _after,
        Stage.OVER: _differences,
    }
    return tuple(Page(stage, title, tuple(made[stage](report))) for stage, title in TITLES.items())


def _before(report: Report) -> Iterator[Part]:
    if report.before is not None:
        yield _symbols_of(report, report.before)
        yield Sentence(_totals(report.before), "dim")


def _load(report: Report) -> Iterator[Part]:
    if report.loaded is not None:
        yield from _deed(report.loaded)


def _added(report: Report) -> Iterator[Part]:
    if report.problem:
        yield Sentence(report.problem, "warn")
    change = report.load_change
    if change is None:
        if report.stage > Stage.LOOK and not report.problem:
            yield Sentence("Nothing: the module was not loaded.", "dim")
        return
    symbols, modules = change.symbols, len(change.loaded)
    yield Sentence(
        f"+{counted(modules, 'module')} · +{counted(symbols.added, 'symbol')} · "
        f"+{human_size(max(0, change.memory))}",
        "good",
    )
    yield _modules_of(change)
    for module in report.unplanned_modules:
        yield Sentence(f"{module.name} is not in the plan: something else loaded it.", "warn")
    if report.appeared:
        named: dict[str, list[str]] = {}
        for thing in report.appeared:
            named.setdefault(thing.kind, []).append(thing.name)
        cells = tuple((kind, ", ".join(names)) for kind, names in named.items())
        yield Rows(("also appeared", ""), cells)
    else:
        yield Sentence("No device, driver, file system or algorithm appeared.", "dim")
    if report.log:
        yield Quote(report.log)
    else:
        yield Sentence("The kernel logged nothing.", "dim")


def _unload(report: Report) -> Iterator[Part]:
    for deed in report.unloads:
        yield from _deed(deed)
    if report.stage > Stage.UNLOAD and not report.unloads:
        yield Sentence("There is nothing to unload.", "dim")
    if report.unload_log:
        yield Quote(report.unload_log)


def _after(report: Report) -> Iterator[Part]:
    if report.end is None:
        return
    yield _symbols_of(report, report.end)
    went = report.unload_change
    if went is not None and went.unloaded:
        yield Sentence(
            f"−{counted(len(went.unloaded), 'module')} · "
            f"−{counted(went.symbols.removed, 'symbol')} · "
            f"−{human_size(max(0, -went.memory))}",
            "bad",
        )
    elif went is not None:
        yield Sentence("No module was unloaded.", "warn")
    yield Sentence(_totals(report.end), "dim")


def _differences(report: Report) -> Iterator[Part]:
    if report.stage is not Stage.OVER:
        return
    left = report.differences
    if not left:
        yield Sentence(
            "None. Modules, symbols, devices and taint flags are the same as before.",
            "good",
        )
        return
    yield Sentence(f"{counted(len(left), 'difference')} from the state before:", "warn")
    yield Rows(("what", "why"), tuple((one.what, one.why) for one in left))


def _symbols_of(report: Report, look: Observation) -> Sentence:
    count = report.symbols_of_it(look)
    return Sentence(f"{counted(count, 'symbol')} of {report.name} in /proc/kallsyms", "strong")


def _totals(look: Observation) -> str:
    totals = look.totals
    taint = taint_flags(look.tainted)
    return (
        f"{counted(totals.modules, 'module')} · {counted(totals.symbols or 0, 'symbol')} · "
        f"{human_size(totals.memory)} · {f'taint {taint}' if taint else 'untainted'}"
    )


def _deed(deed: ActionResult) -> Iterator[Part]:
    if deed.plan.command:
        yield CommandLine(_shell(deed.plan))
    outcome = deed.told
    yield Sentence(f"{outcome.title}. {outcome.cause}".strip(), "bad" if deed.failed else "good")
    if outcome.remedy:
        yield Sentence(outcome.remedy)


def _shell(plan: Plan) -> str:
    return shlex.join(plan.command)


def _modules_of(change: Change) -> Rows:
    sizes = {module.name: human_size(module.size) for module in change.loaded}
    named = [(o.owner or "the kernel itself", o) for o in change.symbols.owners if o.added]
    cells = [(n, f"+{len(o.added):,}", sizes.pop(n, ""), _types(o)) for n, o in named]
    cells += [(name, "+0", size, "") for name, size in sizes.items()]
    return Rows(("module", "symbols", "memory", "types"), tuple(cells), frozenset((1, 2)))


def _types(owner: OwnerDelta) -> str:
    return ", ".join(counted_types(owner.added.types))


def plan_page(report: Report) -> tuple[Part, ...]:
    """Return the plan, for the user to confirm."""
    plan = report.plan
    inserted = [step.module for step in plan.steps if step.action is Action.INSMOD]
    cells = tuple(
        (step.action, step.module, step.reason)
        for step in plan.steps
        if step.action is not Action.SKIP
    )
    others = "All other modules stay as they are."
    if len(inserted) > 1:
        others = (
            f"Any of these {len(inserted)} modules that modprobe -r leaves loaded is unloaded, "
            f"too. {others}"
        )
    return (
        Sentence(
            f"Loads {plan.target}, records what it changes in the kernel, unloads it again, "
            "and reports the remaining differences."
        ),
        Rows(("step", "module", "why"), cells),
        CommandLine(_shell(plan)),
        CommandLine(PlanCommand(Verb.UNLOAD, (plan.target,), indexed=not plan.inserts).line),
        *(Sentence(warning, "warn") for warning in plan.warnings),
        Sentence(others),
    )


# Text


def as_text(report: Report) -> Iterator[str]:
    """Yield the report as lines of text for a terminal."""
    yield _headline(report)
    for page in pages(report):
        yield ""
        yield f"{int(page.stage)}  {page.title}"
        yield from text_of(page.parts)


def _headline(report: Report) -> str:
    where = f"{report.hostname or 'this machine'}, Linux {report.release}"
    return f"Experiment with {clean(report.name)} on {clean(where)}"


# Markdown


def as_markdown(report: Report) -> Iterator[str]:
    """Yield the report as lines of Markdown."""
    yield f"# {_escaped(_headline(report))}"
    for page in pages(report):
        yield ""
        yield f"## {int(page.stage)}. {page.title}"
        for part in page.parts:
            yield ""
            yield from _markdown(part)


def _markdown(part: Part) -> Iterator[str]:
    match part:
        case Sentence(words, tone):
            yield f"**{_escaped(words)}**" if tone == "strong" else _escaped(words)
        case CommandLine(words):
            yield from ("```sh", f"# {clean(words)}", "```")
        case Quote(lines):
            yield from ("```text", *(clean(line).replace("```", "'''") for line in lines), "```")
        case Rows(heading, cells, right):
            yield _markdown_row(heading)
            marks = ("---:" if n in right else "---" for n in range(len(heading)))
            yield f"| {' | '.join(marks)} |"
            yield from map(_markdown_row, cells)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    """Return the text with all Markdown characters escaped."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in clean(text))


# JSON


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON data."""
    came, went = report.load_change, report.unload_change
    return {
        "module": report.name,
        "hostname": report.hostname or None,
        "release": report.release or None,
        "command": _shell(report.plan) or None,
        "before": _look_json(report, report.before),
        "load": report.loaded and _deed_json(report.loaded),
        "load_change": came and _change_json(came),
        "unplanned_modules": [module.name for module in report.unplanned_modules],
        "appeared": [{"kind": thing.kind, "name": thing.name} for thing in report.appeared],
        "load_log": list(report.log),
        "unloads": [_deed_json(deed) for deed in report.unloads],
        "unload_log": list(report.unload_log),
        "unload_change": went and _change_json(went),
        "after": _look_json(report, report.end),
        "differences": [{"what": one.what, "why": one.why} for one in report.differences],
        "restored": report.end is not None and not report.differences,
        "problem": report.problem or None,
    }


def _look_json(report: Report, look: Observation | None) -> dict[str, Any] | None:
    if look is None:
        return None
    totals = look.totals
    return {
        "module_symbol_count": report.symbols_of_it(look),
        "module_count": totals.modules,
        "symbol_count": totals.symbols,
        "memory": totals.memory,
        "taint": taint_flags(look.tainted),
    }


def _deed_json(deed: ActionResult) -> dict[str, Any]:
    outcome = deed.told
    return {
        "command": _shell(deed.plan) or None,
        "succeeded": not deed.failed,
        "title": outcome.title,
        "cause": outcome.cause or None,
        "remedy": outcome.remedy or None,
        "evidence": list(outcome.evidence),
    }


def _change_json(change: Change) -> dict[str, Any]:
    sign = "added" if change.loaded else "removed"
    rows = {o.owner: getattr(o, sign) for o in change.symbols.owners}
    return {
        "modules": [
            {
                "name": module.name,
                "size": module.size,
                "symbol_count": len(rows[module.name]) if module.name in rows else 0,
                "types": dict(rows[module.name].types) if module.name in rows else {},
            }
            for module in (*change.loaded, *change.unloaded)
        ],
        "memory_change": change.memory,
        "symbols_added": change.symbols.added,
        "symbols_removed": change.symbols.removed,
    }
