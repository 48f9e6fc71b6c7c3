"""The command log: what changed modules and their configuration, and how to repeat it.

It is made from the events of the timeline. Of what others did, only the effect is known: modules
and values that differ. The command that did it is unknown, and none is made up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.document import DocumentRow
from kmodtui.model.history import Change
from kmodtui.model.shell_command import ShellCommand
from kmodtui.model.text import clean, listed
from kmodtui.model.timeline.event import (
    CommandRun,
    ModulesChanged,
    ParameterChanged,
    TimelineEvent,
)
from kmodtui.model.timeline.summary import NEAR

OBSERVED_LATE = 65.0
"""Seconds after a write within which the new value of a parameter is certainly noticed."""

NO_PROGRAM = "delete_module"
"""Stands for a system call that no program makes for such a name."""


class LogOrigin(StrEnum):
    """Who made a change; the value is the word for it."""

    OURS = "this session"
    UNDO = "undo"
    OTHER = "another kmodtui"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change.

    Attributes:
        when: seconds since the epoch, when it had ended or was noticed.
        origin: who made it.
        result: `done`, `warning`, `failure` or `unknown`; `observed` for those of others.
        text: the command lines in one line, or for an observed change what it did; not cleaned.
        outcome: what was reported, in a few words; not cleaned.
        modules: the modules it is about.
        took: seconds; None for an observed change.
        commands: the commands in order; empty if they are unknown.
    """

    when: float
    origin: LogOrigin
    result: str
    text: str
    outcome: str
    modules: tuple[str, ...]
    took: float | None = None
    commands: tuple[ShellCommand, ...] = ()

    @property
    def time(self) -> str:
        """Date and time of day."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.when))

    @property
    def took_words(self) -> str:
        """How long it took; empty if that is unknown."""
        return "" if self.took is None else f"{self.took:.2f} s"

    @property
    def repeatable(self) -> bool:
        """Whether it succeeded, was ours, and can be repeated from a script.

        Names with control characters are not: who reads the script must see what it does.
        """
        return (
            self.origin in (LogOrigin.OURS, LogOrigin.UNDO)
            and self.result in ("done", "warning")
            and bool(self.commands)
            and all(_repeatable(command) for command in self.commands)
        )

    @property
    def details(self) -> str:
        """Time, duration, origin and outcome in one line that is safe to show."""
        if self.origin is LogOrigin.OBSERVED:
            return self.time
        return clean(f"{self.time}, {self.took_words}, {self.origin}: {self.outcome}")

    @property
    def about(self) -> str:
        """The result with the details."""
        return f"{self.result} {self.details}"

    @property
    def row(self) -> DocumentRow:
        """The entry, to be copied or saved as notes."""
        return DocumentRow(
            f"{self.time}  {self.result}  {self.text}"
            + (f"  ({self.took_words}, {self.origin}: {self.outcome})" if self.took_words else ""),
            {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.when)),
                "result": self.result,
                "command": self.text,
                "took": self.took_words or None,
                "origin": str(self.origin),
                "outcome": self.outcome or None,
            },
        )


def _repeatable(command: ShellCommand) -> bool:
    words = (*command.words, command.file)
    return command.words[0] != NO_PROGRAM and all(clean(word) == word for word in words)


def command_log(events: Sequence[TimelineEvent], process: int) -> tuple[LogEntry, ...]:
    """Return the changes of the timeline, the oldest first.

    Args:
        events: of the timeline.
        process: whose commands are ours; those of another kmodtui are only shown.
    """
    runs = [event for event in events if isinstance(event.detail, CommandRun)]
    return tuple(entry for event in events for entry in _entries(event, runs, process))


def _entries(
    event: TimelineEvent, runs: Sequence[TimelineEvent], process: int
) -> Iterator[LogEntry]:
    detail = event.detail
    if isinstance(detail, CommandRun):
        yield _run(event, detail, process)
    elif isinstance(detail, ModulesChanged):
        change = detail.event.change
        if not change.cause and not any(_made(run, event) for run in runs):
            yield _observed(event, _change_words(change))
    elif isinstance(detail, ParameterChanged) and not any(
        _wrote(run, event, detail) for run in runs
    ):
        values = f"{detail.before or '(empty)'} → {detail.after or '(empty)'}"
        words = f"{detail.name} of {', '.join(event.modules)} was changed: {values}"
        yield _observed(event, words)


def _run(event: TimelineEvent, run: CommandRun, process: int) -> LogEntry:
    origin = LogOrigin.OTHER
    if run.process == process:
        origin = LogOrigin.UNDO if run.undoes else LogOrigin.OURS
    outcome = f"{run.title} (undoes the {run.undoes})" if run.undoes else run.title
    return LogEntry(
        event.when,
        origin,
        run.result,
        run.command,
        outcome,
        event.modules,
        run.took,
        run.commands,
    )


def _observed(event: TimelineEvent, words: str) -> LogEntry:
    return LogEntry(
        event.when,
        LogOrigin.OBSERVED,
        "observed",
        f"{words} (by another program)",
        "",
        event.modules,
    )


def _change_words(change: Change) -> str:
    groups = (
        ("loaded", [module.name for module in reversed(change.loaded)]),
        ("unloaded", [module.name for module in change.unloaded]),
        ("reloaded", [change.with_times(module.name) for module in change.reloaded]),
        ("loaded and unloaded", [change.with_times(name) for name in change.cycled]),
    )
    return "; ".join(
        f"{listed(names)} {'was' if len(names) == 1 else 'were'} {word}"
        for word, names in groups
        if names
    )


def _made(run: TimelineEvent, change: TimelineEvent) -> bool:
    """Return whether a command of another kmodtui made a change: ours names its command."""
    detail = run.detail
    assert isinstance(detail, CommandRun)
    return (
        detail.result != "failure"
        and bool(set(run.modules) & set(change.modules))
        and run.when - detail.took - NEAR <= change.when <= run.when + NEAR
    )


def _wrote(run: TimelineEvent, event: TimelineEvent, change: ParameterChanged) -> bool:
    detail = run.detail
    assert isinstance(detail, CommandRun)
    files = {f"/sys/module/{name}/parameters/{change.name}" for name in event.modules}
    return (
        any(command.file in files for command in detail.commands)
        and run.when - detail.took - NEAR <= event.when <= run.when + OBSERVED_LATE
    )
