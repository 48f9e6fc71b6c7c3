"""The events of the timeline: each is reported once, nothing is lost, and memory is bounded."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest

from kmodtui.kernel.device_uevents import parse_device_uevent
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.history import Change, Event, Totals
from kmodtui.model.log.record import LogRecord
from kmodtui.model.timeline.collector import HELD, Collector
from kmodtui.model.timeline.event import (
    CommandRun,
    DeviceAction,
    DeviceChanged,
    EventKind,
    FailedLoad,
    Lost,
    TimelineEvent,
)
from kmodtui.model.timeline.event_json import event_json, read_event
from kmodtui.model.timeline.event_list import EventList
from kmodtui.model.timeline.summary import belonging, summary
from kmodtui.services.event_stream import timeline_events
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from kmodtui.services.timeline import command_store
from kmodtui.services.timeline.command_store import StoredCommands, store_command
from kmodtui.services.timeline.live_events import LiveEvents
from kmodtui.services.timeline.parameter_watch import ParameterWatch
from kmodtui.services.timeline.writes import Writes
from tests.support.events import BEGAN, event, loaded, moved, one_of_each, record
from tests.support.simulated import make_demo

RUN = CommandRun("modprobe -- tun", "done", "Loaded tun", "It is.", records=(record(5, "tun: a"),))


@pytest.fixture
def collector() -> Collector:
    collector = Collector()
    collector.modules_are(["btrfs", "snd_hda_intel"])
    collector.skip_log([record(1, "btrfs: at boot")])
    return collector


def texts(events: list[TimelineEvent]) -> list[str]:
    return [summary(each) for each in events]


# --- Messages --------------------------------------------------------------------------------


def test_only_messages_about_modules_are_events(collector: Collector) -> None:
    records = [
        record(2, "Btrfs loaded, zoned=yes"),
        record(3, "snd-hda-intel 0000:00:1b.0: no codecs"),
        record(4, "audit: type=1400 the word btrfs in the text"),
        record(5, "usb 1-1: new device"),
    ]
    events = collector.log(records, BEGAN)
    assert [each.modules for each in events] == [("btrfs",), ("snd_hda_intel",)]
    assert {each.kind for each in events} == {EventKind.LOG}


def test_messages_older_than_the_start_are_no_events(collector: Collector) -> None:
    assert collector.log([record(1, "btrfs: at boot")], BEGAN) == []


def test_a_message_from_two_sources_is_one_event_in_any_order(collector: Collector) -> None:
    two, three = record(2, "btrfs: two"), record(3, "btrfs: three")
    assert texts(collector.log([three], BEGAN)) == ["btrfs: three"]
    assert texts(collector.log([two, three], BEGAN)) == ["btrfs: two"]
    assert collector.log([two, three], BEGAN) == []


def test_messages_that_were_overwritten_are_reported_as_lost(collector: Collector) -> None:
    events = collector.log([record(2, "btrfs: a"), record(9, "btrfs: b")], BEGAN, unbroken=True)
    assert texts(events) == [
        "btrfs: a",
        "6 messages lost: overwritten in the log buffer before being read.",
        "btrfs: b",
    ]


def test_a_failed_load_by_anyone_is_an_event_with_its_cause(collector: Collector) -> None:
    line = "nbd: version magic '5.10 SMP' should be '6.1 SMP'"
    (found,) = collector.log([record(2, line, 3)], BEGAN)
    assert found.kind is EventKind.FAILURE
    assert found.modules == ("nbd",)
    assert isinstance(found.detail, FailedLoad)
    assert "5.10" in found.detail.cause
    assert [each.text for each in found.detail.records] == [line]


def test_several_messages_of_one_failed_load_are_one_failure(collector: Collector) -> None:
    lines = [record(n, f"vfat: Unknown symbol fat_{n} (err -2)", 3) for n in (2, 3, 4)]
    kinds = [each.kind for each in collector.log(lines, BEGAN)]
    assert kinds == [EventKind.FAILURE, EventKind.LOG, EventKind.LOG]
    again = LogRecord(5, 5, 3, lines[0].text)
    assert [each.kind for each in collector.log([again], BEGAN + 1)] == [EventKind.FAILURE]


def test_a_failure_without_a_name_is_reported_nevertheless(collector: Collector) -> None:
    line = "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7"
    (found,) = collector.log([record(2, line)], BEGAN)
    assert (found.kind, found.modules) == (EventKind.FAILURE, ())


# --- Commands --------------------------------------------------------------------------------


def test_messages_of_a_command_belong_to_it_and_those_of_others_are_kept(
    collector: Collector,
) -> None:
    collector.command_begins()
    assert collector.log([record(4, "btrfs: other"), record(5, "tun: a")], BEGAN) == []
    events = collector.command_ended(BEGAN, RUN, ("tun",))
    assert texts(events) == ["modprobe -- tun: Loaded tun", "btrfs: other"]
    assert collector.log([record(5, "tun: a")], BEGAN) == []


def test_what_is_held_back_is_bounded_and_the_rest_is_reported_as_lost(
    collector: Collector,
) -> None:
    collector.command_begins()
    collector.log([record(n, "btrfs: flood") for n in range(10, 10 + HELD + 5)], BEGAN)
    *kept, lost = collector.command_ended(BEGAN, RUN, ("tun",))
    assert len(kept) == 1 + HELD
    assert isinstance(lost.detail, Lost)
    assert "5 messages lost" in lost.detail.words


# --- Parameters and devices ------------------------------------------------------------------


def test_a_changed_parameter_is_an_event_and_a_new_load_is_not(collector: Collector) -> None:
    assert collector.parameters({"tun": (7, {"debug": "0"})}, BEGAN) == []
    (found,) = collector.parameters({"tun": (7, {"debug": "1"})}, BEGAN)
    assert summary(found) == "tun: debug 0 → 1"
    assert collector.parameters({"tun": (8, {"debug": "0"})}, BEGAN) == []


def test_only_parameters_that_can_change_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "sys/module/tun/parameters"
    folder.mkdir(parents=True)
    for name, mode in (("debug", 0o644), ("fixed", 0o444), ("secret", 0o200)):
        (folder / name).write_text("1\n")
        (folder / name).chmod(mode)
    watch = ParameterWatch(LocalHost(tmp_path))
    first = watch.read(["tun", "absent"])
    assert {name: values for name, (_, values) in first.items()} == {"tun": {"debug": "1"}}
    (folder / "debug").write_text("2\n")
    assert watch.read(["tun"])["tun"][1] == {"debug": "2"}


async def test_a_write_is_noticed_and_a_read_is_not(tmp_path: Path) -> None:
    (tmp_path / "debug").write_text("0\n")
    noticed = asyncio.Event()
    writes = Writes(noticed.set)
    try:
        writes.watch(str(tmp_path / "absent"))
        writes.watch(str(tmp_path))
        (tmp_path / "debug").read_text()
        async with asyncio.timeout(10):
            (tmp_path / "debug").write_text("1\n")
            await noticed.wait()
            noticed.clear()
            (tmp_path / "new").write_text("2\n")
            (tmp_path / "new").replace(tmp_path / "debug")
            await noticed.wait()
    finally:
        writes.close()


async def test_a_parameter_that_is_written_is_in_the_stream_at_once(tmp_path: Path) -> None:
    demo = make_demo(tmp_path)
    parameter = demo.kernel.folder.root / "sys/module/ext4/parameters/debug"
    parameter.parent.mkdir(parents=True, exist_ok=True)
    parameter.write_text("0\n")
    parameter.chmod(0o644)
    (parameter.parents[1] / "initstate").write_text("live\n")
    live = LiveEvents(Machine(demo.host, NoRoot("")), lambda _: None)
    live.take_table(read_modules(demo.host))
    found = asyncio.Event()
    live.changed.subscribe(lambda _: found.set())
    following = asyncio.create_task(live.follow())
    try:
        async with asyncio.timeout(10):
            value = 0
            while not found.is_set():
                value += 1
                parameter.write_text(f"{value}\n")
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await found.wait()
    finally:
        following.cancel()
        await asyncio.wait({following})
    (event, *_) = live.events.events
    assert event.kind is EventKind.PARAMETER
    assert summary(event).startswith("ext4: debug ")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            b"bind@/devices/pci0/3\0ACTION=bind\0DEVPATH=/devices/pci0/3\0SUBSYSTEM=pci\0"
            b"DRIVER=e1000\0MODALIAS=pci:v1\0SEQNUM=9\0",
            DeviceChanged(DeviceAction.BOUND, "pci", "3", "/sys/devices/pci0/3", "e1000", "pci:v1"),
        ),
        (
            b"remove@/devices/virtual/net/dummy0\0ACTION=remove\0"
            b"DEVPATH=/devices/virtual/net/dummy0\0SUBSYSTEM=net\0INTERFACE=dummy0\0",
            DeviceChanged(
                DeviceAction.DISAPPEARED, "net", "dummy0", "/sys/devices/virtual/net/dummy0"
            ),
        ),
        (b"add@/module/tun\0ACTION=add\0DEVPATH=/module/tun\0SUBSYSTEM=module\0", None),
        (b"add@/devices/a/queues/rx-0\0DEVPATH=/devices/a/queues/rx-0\0SUBSYSTEM=queues\0", None),
        (b"change@/devices/a\0DEVPATH=/devices/a\0SUBSYSTEM=net\0", None),
        (b"\xff\0\0=\0", None),
    ],
)
def test_uevents_of_devices(message: bytes, expected: DeviceChanged | None) -> None:
    assert parse_device_uevent(message) == expected


# --- The list, JSON, and what belongs together -----------------------------------------------


def test_a_flood_of_one_kind_displaces_no_other_and_is_counted() -> None:
    events = EventList().with_events([event(1, EventKind.MODULES, moved(1, "tun"), "tun")], 10)
    for number in range(2, 102, 5):
        logs = [
            event(n, EventKind.LOG, record(n, "tun: x"), "tun") for n in range(number, number + 5)
        ]
        events = events.with_events(logs, 10)
    assert len(events) == 11
    assert events.events[0].kind is EventKind.MODULES
    assert [each.number for each in events.events[1:]] == list(range(92, 102))
    assert events.dropped[EventKind.LOG] == 90


@pytest.mark.parametrize("each", one_of_each(), ids=lambda each: each.kind)
def test_json_of_an_event_and_back_is_the_same_event(each: TimelineEvent) -> None:
    assert read_event(json.loads(json.dumps(event_json(each)))) == each


@pytest.mark.parametrize("each", one_of_each(), ids=lambda each: each.kind)
def test_malformed_json_of_an_event_is_none(each: TimelineEvent) -> None:
    fields: dict[str, Any] = event_json(each)
    assert read_event({**fields, "schema": 2}) is None
    for key in fields.keys() - {"summary", "memory_change"}:
        missing = {name: value for name, value in fields.items() if name != key}
        assert read_event(missing) is None, key
        read_event({**fields, key: ["?"]})  # no exception
        read_event({**fields, key: None})
    assert read_event([]) is None


def test_an_event_opens_to_everything_that_belongs_to_it() -> None:
    events = one_of_each()
    facts = belonging(events[1], events)
    assert ("file", "/lib/modules/1/vfat.ko") in facts
    assert ("command", "modprobe -- vfat") not in facts  # 5 s later
    near = [events[1], event(3, EventKind.COMMAND, events[6].detail, "vfat"), events[5]]
    facts = belonging(near[0], near)
    assert ("command", "modprobe -- vfat") in facts
    assert ("result", "done: Loaded vfat") in facts
    assert ("log", "[    7.000000] vfat: hello") in facts
    assert ("before", "loaded vfat; loaded and unloaded tun (2 times)") in belonging(near[1], near)


# --- Commands of other processes -------------------------------------------------------------


def test_commands_of_other_processes_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(command_store, "MAX_FILE", 500)
    host = LocalHost()
    stored = StoredCommands()
    own = CommandRun("a", "done", "own", "", process=os.getpid())
    store_command(host, BEGAN, own, ("tun",))
    other = CommandRun("b", "failure", "other", "why", process=1)
    store_command(host, BEGAN, other, ("tun",))
    assert stored.read() == [(BEGAN, other, ("tun",))]
    store_command(host, BEGAN + 1, other, ("tun",))  # now the file is begun again
    store_command(host, BEGAN + 2, other, ("tun",))
    store_command(host, BEGAN + 3, other, ("tun",))
    assert [when for when, _, _ in stored.read()] == [BEGAN + 1, BEGAN + 2, BEGAN + 3]
    assert stored.read() == []
    command_store.store_path().write_bytes(b"not json\n")
    assert stored.read() == []


# --- The stream ------------------------------------------------------------------------------


async def test_every_load_and_unload_is_in_the_stream_once(tmp_path: Path) -> None:
    demo = make_demo(tmp_path)
    started = asyncio.Event()
    steps = (
        ("loaded tun", lambda: demo.kernel.load("tun")),
        ("unloaded tun", lambda: demo.kernel.unload("tun")),
        ("loaded fat, vfat", lambda: demo.kernel.load("vfat")),
        ("loaded dummy", lambda: demo.kernel.load("dummy")),
    )
    stream = timeline_events(demo.host, started=started, interval=0.05)
    async with asyncio.timeout(30), aclosing(stream) as items:  # type: ignore[type-var]
        first = asyncio.ensure_future(anext(items))
        await started.wait()
        found: list[TimelineEvent] = []
        for words, change in steps:
            change()
            item = await first
            while not isinstance(item, TimelineEvent):  # the log of the demo is hidden
                item = await anext(items)
            found.append(item)
            assert summary(item) == words
            first = asyncio.ensure_future(anext(items))
        first.cancel()
        await asyncio.wait({first})
    assert [each.number for each in found] == [1, 2, 3, 4]


def test_the_symbols_of_a_change_are_counted_not_kept(collector: Collector) -> None:
    change = Change(1, BEGAN, loaded=(loaded("tun"),))
    found = collector.change(Event(change, Totals()), {})
    assert found.modules == ("tun",)
