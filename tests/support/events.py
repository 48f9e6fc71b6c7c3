"""An event of each kind, as a system could report them."""

from __future__ import annotations

from dataclasses import replace

from kmodtui.model.history import Change, CountedRows, Event, Totals
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.shell_command import ShellCommand
from kmodtui.model.symbols.table import OwnerDelta, SymbolDelta
from kmodtui.model.timeline.event import (
    CommandRun,
    Detail,
    DeviceAction,
    DeviceChanged,
    EventKind,
    FailedLoad,
    Lost,
    ModulesChanged,
    ParameterChanged,
    Started,
    TimelineEvent,
)

BEGAN = 1_700_000_000.0


def loaded(name: str, size: int = 16384) -> LoadedModule:
    """A module without references, at no address."""
    return LoadedModule(name, size, None, (), ModuleState.LIVE, "OE", False, 0)


def record(seq: int, text: str, level: int = 6) -> LogRecord:
    """A message, logged `seq` seconds after the boot."""
    return LogRecord(seq, seq * 1_000_000, level, text)


def moved(number: int, *names: str, unload: bool = False) -> ModulesChanged:
    """Modules that were loaded or unloaded."""
    rows = CountedRows(counts=(("t", 30), ("r", 25)))
    modules = tuple(loaded(name) for name in names)
    change = Change(
        number,
        BEGAN + number,
        loaded=() if unload else modules,
        unloaded=modules if unload else (),
        cycles={"tun": 2},
        symbols=SymbolDelta((OwnerDelta(names[0], added=rows),)),
        took=0.2,
        cause="modprobe -- vfat",
    )
    event = Event(change, Totals(11, 65536, 4000), {"fat": "softdep of vfat"})
    return ModulesChanged(event, {names[0]: f"/lib/modules/1/{names[0]}.ko"})


def event(number: int, kind: EventKind, detail: Detail, *modules: str) -> TimelineEvent:
    """An event, as many seconds after the start as its number."""
    return TimelineEvent(number, BEGAN + number, kind, modules, detail)


def one_of_each() -> list[TimelineEvent]:
    """An event of each kind, with all fields filled."""
    logged = record(7, "vfat: hello")
    run = CommandRun(
        "modprobe -- vfat", "done", "Loaded vfat", "It is.", "Use it.", "/a.ko", (logged,), 0.5, 99,
        (ShellCommand(("modprobe", "--", "vfat"), "/dev/null", appends=True),), "unload of vfat",
    )  # fmt: skip
    device = DeviceChanged(
        DeviceAction.BOUND, "pci", "0000:00:03.0", "/sys/devices/pci/3", "e1000", "pci:v1"
    )
    failed = FailedLoad("Wrong value", "It is wrong.", "Change it.", (logged,))
    start = Started("vm", "6.1", "boot-1", Totals(1, 16384, 9), (loaded("fat"),))
    return [
        event(1, EventKind.START, start),
        event(2, EventKind.MODULES, moved(2, "vfat"), "vfat", "tun"),
        event(3, EventKind.FAILURE, failed, "nbd"),
        event(4, EventKind.PARAMETER, ParameterChanged("debug", "0", "1"), "tun"),
        event(5, EventKind.DEVICE, device, "e1000"),
        event(6, EventKind.LOG, logged, "vfat"),
        event(7, EventKind.COMMAND, run, "vfat"),
        event(8, EventKind.LOST, Lost("12 messages lost.")),
    ]


def start(number: int, *names: str, boot: str = "boot-1") -> TimelineEvent:
    """The start of a recording, with these modules loaded."""
    modules = tuple(loaded(name) for name in names)
    detail = Started("vm", "6.1", boot, Totals(len(names), 9, 9), modules)
    return event(number, EventKind.START, detail)


def many(count: int) -> list[TimelineEvent]:
    """Events as a busy system has them: messages, loads and unloads, devices, commands."""
    kinds = one_of_each()[1:7]
    found = [start(0, "fat")]
    for number in range(1, count):
        each = kinds[number % len(kinds)]
        detail = each.detail
        if each.kind is EventKind.LOG:
            detail = record(number, f"vfat: message {number * 7919 % 10007} of a device")
        elif each.kind is EventKind.MODULES:
            detail = moved(number, "vfat", f"module_{number % 97}", unload=number % 4 < 2)
            change = replace(detail.event.change, when=round(BEGAN + number * 1.37, 3))
            detail = replace(detail, event=replace(detail.event, change=change))
        found.append(
            TimelineEvent(number, round(BEGAN + number * 1.37, 3), each.kind, each.modules, detail)
        )
    return found
