"""What is shown of a watched file: for the page of the dashboard, and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kmodtui.model.explain.explanation import Explanation
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.trouble import TroubleKind
from kmodtui.model.modules import taint_words
from kmodtui.model.parts import CommandLine, Part, Quote, Rows, Sentence
from kmodtui.model.text import clean, counted, human_size
from kmodtui.model.watch.build import BuildDifference, ModuleBuild, Moved, SymbolChange
from kmodtui.model.watch.state import FoundTrouble, Rebuild, Stage, WatchState

MOST_LOG = 20
"""Records of the kernel log that are shown of a load, and of an unload."""

_HEADS = {
    Stage.WAITING: ("Waiting for a rebuild", ""),
    Stage.MAKING: ("make is running", ""),
    Stage.INCOMPLETE: ("The file is not complete yet", ""),
    Stage.CHECKING: ("Checking the file", ""),
    Stage.BROKEN: ("The build is broken", "bad"),
    Stage.REFUSED: ("It cannot be loaded", "bad"),
    Stage.READY: ("A new build can be loaded", "good"),
    Stage.LOADING: ("Loading it", ""),
    Stage.LOADED: ("Loaded", "good"),
    Stage.FAILED: ("It could not be loaded", "bad"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a title.

    Attributes:
        title: the title; tone: its tone, see `Sentence`.
        parts: its contents.
    """

    title: str
    parts: tuple[Part, ...]
    tone: str = ""


def sections(state: WatchState, *, most: int = 0) -> Iterator[Section]:
    """Yield everything that is known, the most urgent first.

    Args:
        state: of the watched file.
        most: symbols that are listed; 0 for all.
    """
    for found in reversed(state.troubles):
        yield _trouble(found)
    rebuild = state.rebuild
    if rebuild is None:
        yield Section("Waiting for a rebuild", tuple(_waiting(state)))
        return
    yield Section(headline(state), tuple(_summary(state, rebuild)), _HEADS[rebuild.stage][1])
    if rebuild.difference is not None:
        yield from _difference(rebuild.difference, most)
    yield from _logs(rebuild)


def status_words(state: WatchState) -> str:
    """Return how the file is watched, in a line."""
    words = [clean(state.name) or "no build yet"]
    if state.name:
        words.append("loaded" if state.loaded else "not loaded")
    if state.parameters:
        words.append(clean(" ".join(state.parameters)))
    words.append("rebuilds are loaded automatically" if state.automatic else "loads on a key")
    if state.make:
        words.append(f"make runs in {clean(state.make)}")
    if state.loads:
        words.append(counted(state.loads, "load"))
    return " · ".join(words)


def headline(state: WatchState) -> str:
    """Return what became of the last rebuild, in a few words."""
    rebuild = state.rebuild
    if rebuild is None:
        return "Waiting for a rebuild"
    words = _HEADS[rebuild.stage][0]
    if rebuild.problem is not None and rebuild.stage in (Stage.BROKEN, Stage.REFUSED, Stage.FAILED):
        words = clean(rebuild.problem.title)
    if rebuild.stage is Stage.LOADED:
        words = "The earlier build is loaded again" if rebuild.old else "Loaded"
        if rebuild.seconds is not None:
            since = "after the rebuild" if rebuild.automatic else "after the key"
            words = f"{words} {rebuild.seconds * 1000:,.0f} ms {since}"
    return f"Rebuild {rebuild.number}: {words[0].lower()}{words[1:]}"


def _waiting(state: WatchState) -> Iterator[Part]:
    yield Sentence(state.note or "The file has not changed since it was loaded.", "dim")


def _summary(state: WatchState, rebuild: Rebuild) -> Iterator[Part]:
    if state.note:
        yield Sentence(state.note, "warn")
    if rebuild.problem is not None:
        # The log of the load is shown below as a whole.
        logged = bool(rebuild.exit_log or rebuild.init_log)
        problem = replace(rebuild.problem, evidence=()) if logged else rebuild.problem
        yield from problem_parts(problem)
    elif rebuild.outcome is not None and rebuild.outcome.cause:
        yield Sentence(rebuild.outcome.cause, "dim")
    if rebuild.plan is not None and rebuild.stage in (Stage.READY, Stage.LOADING):
        for warning in (rebuild.plan.danger, *rebuild.plan.warnings):
            if warning:
                yield Sentence(warning, "warn")
        for line in rebuild.plan.command_lines:
            yield CommandLine(line)
    if rebuild.build is not None:
        yield Sentence(_build(rebuild.build), "dim")
    if words := _memory(rebuild):
        yield Sentence(words)
    if state.old is not None and not state.loaded:
        yield Sentence("The earlier build is kept and can be loaded again.", "strong")


def problem_parts(problem: Explanation) -> Iterator[Part]:
    """Yield cause, evidence and remedy."""
    yield Sentence(problem.cause)
    if lines := (*problem.evidence, *problem.output, *problem.shown):
        yield Quote(tuple(lines))
    if problem.remedy:
        yield Sentence(problem.remedy, "strong")


def _build(build: ModuleBuild) -> str:
    words = [human_size(build.file_size), counted(len(build.symbols), "symbol")]
    if build.srcversion:
        words.append(f"srcversion {build.srcversion}")
    if build.build_id:
        words.append(f"build ID {build.build_id[:12]}…")
    return f"{clean(build.name)}: {', '.join(words)}"


def _memory(rebuild: Rebuild) -> str:
    before, after = rebuild.memory
    if rebuild.stage is not Stage.LOADED or after is None:
        return ""
    if before is None or before == after:
        return f"Memory: {human_size(after)}{', as before' if before else ''}"
    more = "more" if after > before else "less"
    return f"Memory: {human_size(after)}, {human_size(abs(after - before))} {more} than before"


# --- what differs -------------------------------------------------------------------------


def difference_words(found: BuildDifference) -> str:
    """Return what differs, in numbers: `2 symbols added, 1 grown`."""
    counts = [f"{len(changes):,} {moved}" for moved in Moved if (changes := found.of(moved))]
    words = f"symbols: {', '.join(counts)}" if counts else "the same symbols"
    for verb, parameters in (
        ("added", found.parameters_added),
        ("removed", found.parameters_removed),
        ("of another type", found.parameters_changed),
    ):
        if parameters:
            names = ", ".join(clean(parameter.name) for parameter in parameters)
            noun = "parameter" if len(parameters) == 1 else "parameters"
            words = f"{words}; {noun} {verb}: {names}"
    return words


def _difference(found: BuildDifference, most: int) -> Iterator[Section]:
    parts: list[Part] = [Sentence(difference_words(found), "dim")]
    shown = found.symbols[:most] if most else found.symbols
    if shown:
        heading = ("change", "before", "after", "type", "kind", "symbol")
        rows = tuple(map(symbol_row, shown))
        parts.append(Rows(heading, rows, frozenset((1, 2))))
    if len(shown) < len(found.symbols):
        parts.append(Sentence(f"… and {len(found.symbols) - len(shown):,} more symbols", "dim"))
    yield Section("Difference to the build before", tuple(parts))


def symbol_row(change: SymbolChange) -> tuple[str, ...]:
    """Return a symbol that differs as the cells of a row."""
    before, after = ("-" if size is None else f"{size:,}" for size in (change.before, change.after))
    kind = "function" if change.function else "data"
    return str(change.moved), before, after, change.type, kind, change.name


# --- the kernel log -----------------------------------------------------------------------


def _logs(rebuild: Rebuild) -> Iterator[Section]:
    for title, records in (
        ("Kernel log of the unload", rebuild.exit_log),
        ("Kernel log of the load", rebuild.init_log),
    ):
        if records:
            yield Section(title, (Quote(log_lines(records)),))


def log_lines(records: Sequence[LogRecord]) -> tuple[str, ...]:
    """Return records as lines, without those that are too many."""
    lines = [f"{record.stamp} {clean(record.text)}" for record in records[:MOST_LOG]]
    if len(records) > MOST_LOG:
        lines.append(f"… and {len(records) - MOST_LOG:,} more lines")
    return tuple(lines)


def _trouble(found: FoundTrouble) -> Section:
    oops = found.trouble.kind is TroubleKind.OOPS
    parts: list[Part] = [Quote(found.trouble.header)]
    if found.place:
        at = f" ({clean(found.source)})" if found.source else ""
        parts.append(Sentence(f"In {clean(found.place)}{at}", "strong"))
    meaning = (
        "The kernel stopped a process in the middle of the module: locks and references that it "
        "held are never released. The module may stay in use; only a reboot makes the kernel "
        "reliable again."
        if oops
        else "The kernel continues, but its state is not what the module expected."
    )
    parts.append(Sentence(meaning))
    if found.taint:
        words = ", ".join(taint_words(found.taint))
        parts.append(Sentence(f"The kernel is tainted: {found.taint} ({words})", "warn"))
    return Section(
        "The kernel reported an oops" if oops else "The kernel warned", tuple(parts), "bad"
    )
