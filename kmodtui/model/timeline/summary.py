"""An event in one line, and everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from kmodtui.model.history import Change
from kmodtui.model.log.record import LogRecord
from kmodtui.model.text import clean, counted, listed
from kmodtui.model.timeline.event import (
    CommandRun,
    DeviceChanged,
    EventKind,
    FailedLoad,
    Lost,
    ModulesChanged,
    ParameterChanged,
    Started,
    TimelineEvent,
)

NEAR = 3.0
"""Seconds before and after an event in which others about the same modules belong to it."""

Fact = tuple[str, str]
"""A label and a text, both safe to show; the label is empty for another line of the same."""


def summary(event: TimelineEvent) -> str:
    """Return an event in one line, safe to show."""
    detail = event.detail
    match detail:
        case ModulesChanged():
            return clean(change_words(detail.event.change))
        case FailedLoad():
            names = ", ".join(event.modules)
            return clean(f"{names}: {detail.title}" if names else detail.title)
        case ParameterChanged():
            module = "".join(event.modules)
            return clean(f"{module}: {detail.name} {detail.before or '(empty)'} → {detail.after}")
        case DeviceChanged():
            driver = f" ({detail.driver})" if detail.driver else ""
            return clean(f"{detail.subsystem} {detail.name} {detail.action}{driver}")
        case LogRecord():
            return clean(detail.text)
        case CommandRun():
            return clean(f"{detail.command}: {detail.title}")
        case Started():
            return clean(
                f"watching {detail.hostname}, Linux {detail.release}, "
                f"{counted(detail.totals.modules, 'module')}"
            )
        case Lost():
            return clean(detail.words)
        case _:
            assert_never(detail)


def change_words(change: Change) -> str:
    """Return what was loaded and unloaded, in words."""
    groups = (
        ("loaded", [module.name for module in reversed(change.loaded)]),
        ("unloaded", [module.name for module in change.unloaded]),
        ("reloaded", [change.with_times(module.name) for module in change.reloaded]),
        ("loaded and unloaded", [change.with_times(name) for name in change.cycled]),
    )
    words = [f"{word} {listed(names)}" for word, names in groups if names]
    return "; ".join(words) or "symbols changed"


def facts(event: TimelineEvent) -> Iterator[Fact]:
    """Yield what an event itself reports, beside its summary."""
    detail = event.detail
    match detail:
        case ModulesChanged():
            for place, path in enumerate(detail.files.values()):
                yield "" if place else "file", clean(path)
        case FailedLoad():
            yield "failed", clean(", ".join(event.modules) or "a module that the log does not name")
            yield "cause", clean(detail.cause)
            if detail.remedy:
                yield "remedy", clean(detail.remedy)
            yield from messages(detail.records)
        case ParameterChanged():
            yield "module", clean(", ".join(event.modules))
            yield "parameter", clean(detail.name)
            yield "before", clean(detail.before)
            yield "now", clean(detail.after)
        case DeviceChanged():
            yield "device", clean(f"{detail.name} {detail.action}")
            yield "subsystem", clean(detail.subsystem)
            if detail.driver:
                yield "driver", clean(detail.driver)
            if event.modules:
                yield "module", clean(", ".join(event.modules))
            if detail.alias:
                yield "alias", clean(detail.alias)
            yield "path", clean(detail.path)
        case LogRecord():
            yield "module", clean(", ".join(event.modules))
            yield "level", detail.level_word
            yield from messages((detail,))
        case CommandRun():
            yield from _command(detail)
        case Started():
            yield "machine", clean(detail.hostname)
            yield "kernel", clean(detail.release)
            yield "loaded", counted(detail.totals.modules, "module")
        case Lost():
            yield "", clean(detail.words)
        case _:
            assert_never(detail)


def _command(run: CommandRun) -> Iterator[Fact]:
    yield "command", clean(run.command)
    yield "result", clean(f"{run.result}: {run.title}")
    yield "", clean(run.cause)
    if run.remedy:
        yield "remedy", clean(run.remedy)
    if run.file:
        yield "file", clean(run.file)
    if run.result != "done":  # the sentence about a success says it
        yield "took", f"{run.took:.2f} s"
    yield from messages(run.records)


def messages(records: Iterable[LogRecord]) -> Iterator[Fact]:
    """Yield messages of the kernel log, with one label."""
    for place, record in enumerate(records):
        yield "" if place else "log", f"{record.stamp} {clean(record.text)}"


def related(event: TimelineEvent, events: Sequence[TimelineEvent]) -> Iterator[TimelineEvent]:
    """Yield the other events that belong to an event, in order.

    They are about one of its modules and close in time; a change belongs to the command that
    it names as its cause, and to no other one.
    """
    modules = set(event.modules)
    for other in events:
        if other.number == event.number or abs(other.when - event.when) > _window(event, other):
            continue
        cause, command = _cause(event, other)
        if cause and command:
            if cause == command:
                yield other
        elif modules & set(other.modules):
            yield other


def _window(one: TimelineEvent, other: TimelineEvent) -> float:
    took = 0.0
    for event in (one, other):
        detail = event.detail
        if isinstance(detail, CommandRun):
            took = max(took, detail.took)
        elif isinstance(detail, ModulesChanged):
            took = max(took, detail.event.change.took)
    return NEAR + took


def _cause(one: TimelineEvent, other: TimelineEvent) -> tuple[str, str]:
    """Return what a change names as its cause, and the command of the other event."""
    cause = command = ""
    for event in (one, other):
        detail = event.detail
        if isinstance(detail, ModulesChanged):
            cause = detail.event.change.cause
        elif isinstance(detail, CommandRun):
            command = detail.command
    return cause, command


def belonging(event: TimelineEvent, events: Sequence[TimelineEvent]) -> list[Fact]:
    """Return everything that belongs to an event: its own facts, then those of related events."""
    found = list(facts(event))
    has_file = any(label == "file" for label, _ in found)
    logged: list[LogRecord] = []
    for other in related(event, events):
        detail = other.detail
        if isinstance(detail, LogRecord):
            logged.append(detail)
        elif isinstance(detail, CommandRun | FailedLoad):
            found += [fact for fact in facts(other) if fact[0] != "file" or not has_file]
        elif other.kind is not EventKind.START:
            found.append(("before" if other.number < event.number else "after", summary(other)))
    return found + list(messages(logged))
