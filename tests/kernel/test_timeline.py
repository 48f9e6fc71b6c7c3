"""The timeline on Debian's kernel: every kind of event, recorded until the recorder is killed."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.kernel.dashboard import PATIENCE
from tests.kernel.vm import VM

FILE = "/root/timeline.kmodtui-record"
MARKER = "ext4: a marker of the test"


def recorded(vm: VM) -> list[dict[str, Any]]:
    """Return the events that are in the file now."""
    done = vm.kmodtui("root", "events", "--replay", FILE, "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_for(vm: VM, kind: str, words: str, *, mark: bool = False) -> None:
    """Wait until an event of a kind whose summary begins with some words is in the file."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if mark:
            vm.run("root", f"echo '{MARKER}' > /dev/kmsg", check=True)
        if any(e["kind"] == kind and e["summary"].startswith(words) for e in recorded(vm)):
            return
        time.sleep(0.3)
    raise AssertionError(f"no {kind} with {words!r} in {recorded(vm)}")


def test_every_kind_of_event_is_recorded_once_and_survives_the_end_of_the_recorder(vm: VM) -> None:
    vm.run("root", ["modprobe", "overlay"], check=True)
    start = f"setsid kmodtui record -o {FILE} >/root/record.log 2>&1 </dev/null & echo $!"
    recorder = vm.run("root", start, check=True).stdout.strip()
    try:
        wait_for(vm, "log", MARKER, mark=True)  # now everything is followed
        parameter = "/sys/module/overlay/parameters/metacopy"
        before = vm.read("root", parameter).decode().strip()
        after = "N" if before == "Y" else "Y"
        vm.run("root", f"echo {after} > {parameter}", check=True)
        vm.run("root", ["modprobe", "nbd", "max_part=x"])
        vm.run("root", ["modprobe", "dummy"], check=True)
        wait_for(vm, "modules", "loaded dummy")  # otherwise the unload is part of this change
        assert vm.kmodtui("root", "unload", "dummy", "--yes").returncode == 0
        wait_for(vm, "modules", "unloaded dummy")
        wait_for(vm, "command", "modprobe -r -- dummy")
        wait_for(vm, "parameter", "overlay")
    finally:
        vm.run("root", f"kill -KILL {recorder}")
        vm.run("root", ["modprobe", "-r", "overlay", "dummy"])
    events = recorded(vm)
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    happened = [(event["kind"], event["summary"]) for event in events]
    for kind, words in (
        ("modules", "loaded dummy"),
        ("modules", "unloaded dummy"),
        ("device", "net dummy0 appeared"),
        ("device", "net dummy0 disappeared"),
        ("parameter", "overlay: metacopy"),
        ("failure", "nbd: "),
        ("command", "modprobe -r -- dummy"),
    ):
        assert sum(k == kind and summary.startswith(words) for k, summary in happened) == 1, words
    assert not [event for event in events if event["kind"] == "lost"]
    first = {event["kind"]: event for event in reversed(events)}
    assert first["modules"]["change"]["files"]["dummy"].endswith("/dummy.ko")
    assert first["device"]["device"]["path"] == "/sys/devices/virtual/net/dummy0"
    assert first["parameter"]["parameter"] == {"name": "metacopy", "before": before, "after": after}
    assert "max_part" in first["failure"]["failure"]["cause"]
    assert first["command"]["command"]["result"] == "done"
    seen = vm.kmodtui("root", "seen", "--replay", FILE).stdout.split()
    assert {"dummy", "overlay", "ext4"} <= set(seen)
    vm.run("root", ["rm", "-f", FILE, "/root/record.log"], check=True)
