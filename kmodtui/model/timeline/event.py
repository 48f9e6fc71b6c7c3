"""One event of the timeline: its kind, the modules it is about, and what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kmodtui.model import history
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import LoadedModule
from kmodtui.model.shell_command import ShellCommand


class EventKind(StrEnum):
    """What an event reports; the value is its name in JSON."""

    MODULES = "modules"
    FAILURE = "failure"
    PARAMETER = "parameter"
    DEVICE = "device"
    LOG = "log"
    COMMAND = "command"
    START = "start"
    LOST = "lost"

    @property
    def words(self) -> str:
        """The kind for a person, as a heading."""
        return _WORDS[self]


_WORDS = {
    EventKind.MODULES: "loads and unloads",
    EventKind.FAILURE: "failed loads",
    EventKind.PARAMETER: "parameters",
    EventKind.DEVICE: "devices",
    EventKind.LOG: "log messages",
    EventKind.COMMAND: "commands",
    EventKind.START: "starts",
    EventKind.LOST: "gaps",
}


class DeviceAction(StrEnum):
    """What happened to a device."""

    APPEARED = "appeared"
    DISAPPEARED = "disappeared"
    BOUND = "bound"
    UNBOUND = "unbound"


@dataclass(frozen=True, slots=True)
class ModulesChanged:
    """Modules were loaded or unloaded.

    Attributes:
        event: the change with the totals after it; its symbols are counted, not kept.
        files: the files of the loaded modules by name, as far as they are known.
    """

    event: history.Event
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailedLoad:
    """The kernel refused a module, as its log shows.

    Attributes:
        title: in a few words.
        cause: the cause, in one or two sentences.
        remedy: what to do; empty if there is nothing to do.
        records: the messages that show it.
    """

    title: str
    cause: str
    remedy: str = ""
    records: tuple[LogRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterChanged:
    """A parameter of a loaded module has another value.

    Attributes:
        name: of the parameter.
        before: its value before.
        after: its value now.
    """

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """A device appeared, disappeared, or got or lost its driver.

    Attributes:
        action: what happened.
        subsystem: `pci`, `net`…
        name: the last part of its path, such as `eth0`.
        path: below /sys.
        driver: of a device with one.
        alias: its modalias; empty if it has none.
    """

    action: DeviceAction
    subsystem: str
    name: str
    path: str
    driver: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A plan that kmodtui carried out.

    Attributes:
        command: the command lines, as the plan shows them.
        result: `done`, `warning`, `failure` or `unknown`.
        title: the outcome in a few words.
        cause: the outcome, in one or two sentences.
        remedy: what to do now; empty if there is nothing to do.
        file: the file that was inserted; empty if none was.
        records: messages of the kernel log of that time.
        took: seconds.
        process: the process of kmodtui that ran it.
        commands: the commands in order, to be repeated; empty if they are unknown.
        undoes: what the plan undid, such as `load of dummy`; empty if it was not an undo.
    """

    command: str
    result: str
    title: str
    cause: str
    remedy: str = ""
    file: str = ""
    records: tuple[LogRecord, ...] = ()
    took: float = 0.0
    process: int = 0
    commands: tuple[ShellCommand, ...] = ()
    undoes: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """Watching began.

    Attributes:
        hostname: of the machine.
        release: of its kernel.
        boot: the kernel's identifier of this boot.
        totals: of modules and symbols.
        loaded: the modules at that moment.
    """

    hostname: str
    release: str
    boot: str
    totals: history.Totals
    loaded: tuple[LoadedModule, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """Something was lost, or cannot be watched.

    Attributes:
        words: what, and why, in a sentence.
    """

    words: str


Detail = (
    ModulesChanged
    | FailedLoad
    | ParameterChanged
    | DeviceChanged
    | LogRecord
    | CommandRun
    | Started
    | Lost
)
"""What an event reports, depending on its kind."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event.

    Attributes:
        number: increases by 1 from event to event.
        when: seconds since the epoch, when it was noticed.
        kind: what it reports.
        modules: the modules it is about; empty if they are unknown.
        detail: what it reports.
    """

    number: int
    when: float
    kind: EventKind
    modules: tuple[str, ...]
    detail: Detail
