"""An event as the fields of a JSON object, and back.

`kmodtui events --json` prints them, and a recording consists of them. docs/json.md documents
the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from kmodtui.model.history import Event, Totals
from kmodtui.model.history_json import module_json, moved_json, read_modules_json, read_moved
from kmodtui.model.log.record import LogRecord
from kmodtui.model.shell_command import ShellCommand
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
from kmodtui.model.timeline.summary import summary

SCHEMA = 1
"""Version of the fields."""

Fields = Mapping[str, Any]


def event_json(event: TimelineEvent) -> dict[str, Any]:
    """Return the fields of an event. Texts of the system are as they are, not cleaned."""
    return {
        "schema": SCHEMA,
        "time": round(event.when, 3),
        "number": event.number,
        "kind": event.kind.value,
        "summary": summary(event),
        "modules": list(event.modules),
        **_detail_json(event.detail),
    }


def _detail_json(detail: Detail) -> dict[str, Any]:
    match detail:
        case ModulesChanged():
            return {
                **moved_json(detail.event.change),
                "change": _change_json(detail),
            }
        case FailedLoad():
            return {
                "failure": {
                    "title": detail.title,
                    "cause": detail.cause,
                    "remedy": detail.remedy or None,
                },
                "log": list(map(record_json, detail.records)),
            }
        case ParameterChanged():
            return {
                "parameter": {
                    "name": detail.name,
                    "before": detail.before,
                    "after": detail.after,
                }
            }
        case DeviceChanged():
            return {
                "device": {
                    "action": detail.action.value,
                    "subsystem": detail.subsystem,
                    "name": detail.name,
                    "path": detail.path,
                    "driver": detail.driver or None,
                    "alias": detail.alias or None,
                }
            }
        case LogRecord():
            return {"log": [record_json(detail)]}
        case CommandRun():
            return {
                "command": command_json(detail),
                "log": list(map(record_json, detail.records)),
            }
        case Started():
            return {
                "start": {
                    "hostname": detail.hostname,
                    "release": detail.release,
                    "boot": detail.boot,
                    "loaded": list(map(module_json, detail.loaded)),
                    "totals": _totals_json(detail.totals),
                }
            }
        case Lost():
            return {"problem": detail.words}
        case _:
            assert_never(detail)


def _change_json(detail: ModulesChanged) -> dict[str, Any]:
    event = detail.event
    return {
        "number": event.change.number,
        "took": round(event.change.took, 3),
        "cause": event.change.cause or None,
        "still_loaded": dict(event.still_loaded),
        "files": dict(detail.files),
        "totals": _totals_json(event.totals),
    }


def command_json(run: CommandRun) -> dict[str, Any]:
    """Return the fields of a command, without its messages."""
    return {
        "line": run.command,
        "result": run.result,
        "title": run.title,
        "cause": run.cause,
        "remedy": run.remedy or None,
        "file": run.file or None,
        "took": round(run.took, 3),
        "process": run.process,
        "commands": [
            {"words": list(each.words), "file": each.file or None, "appends": each.appends}
            for each in run.commands
        ],
        "undoes": run.undoes or None,
    }


def record_json(record: LogRecord) -> dict[str, Any]:
    """Return the fields of a message of the kernel log."""
    return {
        "seq": record.seq,
        "usec": record.usec,
        "level": record.level,
        "text": record.text,
    }


def _totals_json(totals: Totals) -> dict[str, Any]:
    return {"modules": totals.modules, "memory": totals.memory, "symbols": totals.symbols}


# Reading


def read_event(fields: Any) -> TimelineEvent | None:
    """Return the event in the fields of `event_json`; None if they are malformed."""
    try:
        if fields["schema"] != SCHEMA:
            return None
        kind = EventKind(fields["kind"])
        number, when = int(fields["number"]), float(fields["time"])
        modules = tuple(map(str, fields["modules"]))
        return TimelineEvent(number, when, kind, modules, _detail(kind, fields, when))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None


def _detail(kind: EventKind, fields: Fields, when: float) -> Detail:
    match kind:
        case EventKind.MODULES:
            return _moved(fields, when)
        case EventKind.FAILURE:
            failure = fields["failure"]
            return FailedLoad(
                str(failure["title"]),
                str(failure["cause"]),
                str(failure["remedy"] or ""),
                _records(fields["log"]),
            )
        case EventKind.PARAMETER:
            parameter = fields["parameter"]
            return ParameterChanged(
                str(parameter["name"]), str(parameter["before"]), str(parameter["after"])
            )
        case EventKind.DEVICE:
            device = fields["device"]
            return DeviceChanged(
                DeviceAction(device["action"]),
                str(device["subsystem"]),
                str(device["name"]),
                str(device["path"]),
                str(device["driver"] or ""),
                str(device["alias"] or ""),
            )
        case EventKind.LOG:
            return _records(fields["log"])[0]
        case EventKind.COMMAND:
            return read_command(fields["command"], _records(fields["log"]))
        case EventKind.START:
            start = fields["start"]
            return Started(
                str(start["hostname"]),
                str(start["release"]),
                str(start["boot"]),
                _totals(start["totals"]),
                read_modules_json(start["loaded"]),
            )
        case EventKind.LOST:
            return Lost(str(fields["problem"]))
        case _:
            assert_never(kind)


def _moved(fields: Fields, when: float) -> ModulesChanged:
    about = fields["change"]
    change = replace(
        read_moved(fields, int(about["number"]), when),
        took=float(about["took"]),
        cause=str(about["cause"] or ""),
    )
    event = Event(change, _totals(about["totals"]), _texts(about["still_loaded"]))
    return ModulesChanged(event, _texts(about["files"]))


def read_command(fields: Fields, records: tuple[LogRecord, ...] = ()) -> CommandRun:
    """Return the command in its fields.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are malformed.
    """
    return CommandRun(
        str(fields["line"]),
        str(fields["result"]),
        str(fields["title"]),
        str(fields["cause"]),
        str(fields["remedy"] or ""),
        str(fields["file"] or ""),
        records,
        float(fields["took"]),
        int(fields["process"]),
        tuple(
            ShellCommand(
                tuple(map(str, each["words"])), str(each["file"] or ""), bool(each["appends"])
            )
            for each in fields.get("commands") or ()
        ),
        str(fields.get("undoes") or ""),
    )


def _records(entries: Any) -> tuple[LogRecord, ...]:
    return tuple(
        LogRecord(int(each["seq"]), int(each["usec"]), int(each["level"]), str(each["text"]))
        for each in entries
    )


def _texts(fields: Fields) -> dict[str, str]:
    return {str(key): str(value) for key, value in fields.items()}


def _totals(fields: Fields) -> Totals:
    symbols = fields["symbols"]
    return Totals(
        int(fields["modules"]), int(fields["memory"]), None if symbols is None else int(symbols)
    )
