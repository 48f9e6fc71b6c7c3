"""Recordings: bounded files that can be read however they end, and that replace no other file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.errors import KmodtuiError
from kmodtui.model.timeline.event import EventKind, ModulesChanged, TimelineEvent
from kmodtui.services.timeline.frames import FRAME_LINES, MAGIC, FrameReader, FrameWriter
from kmodtui.services.timeline.recorder import Recorder, older
from kmodtui.services.timeline.recording import Recording, read_recording
from kmodtui.services.timeline.recording_run import record
from tests.support.events import event, many, moved, one_of_each, start
from tests.support.simulated import make_demo

Output = pytest.CaptureFixture[str]


def written(path: Path, events: list[TimelineEvent], *, size: int = 1 << 20, keep: int = 2) -> Path:
    """Record events, each flushed alone."""
    with Recorder(path, size=size, keep=keep) as recorder:
        for each in events:
            recorder.add(each)
            recorder.flush()
    return path


def renumbered(events: list[TimelineEvent]) -> list[TimelineEvent]:
    """The events as a recording numbers them, and the changes among them."""
    found, changes = [], 0
    for number, each in enumerate(events, 1):
        detail = each.detail
        if isinstance(detail, ModulesChanged):
            changes += 1
            change = replace(detail.event.change, number=changes)
            detail = replace(detail, event=replace(detail.event, change=change))
        found.append(replace(each, number=number, detail=detail))
    return found


# --- What is written is read -----------------------------------------------------------------


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    events = one_of_each()
    recording = read_recording(written(tmp_path / "r", events))
    assert list(recording.events) == renumbered(events)
    assert recording.notes == ()
    assert recording.start == events[0].detail
    assert recording.modules == {"fat", "vfat", "tun"}
    assert (tmp_path / "r").stat().st_mode & 0o077 == 0


def test_ten_thousand_events_are_small_and_open_quickly(tmp_path: Path) -> None:
    events = many(10_000)
    path = written(tmp_path / "r", events, size=64 << 20)
    assert path.stat().st_size <= 2 * 1000 * 1000
    assert len(read_recording(path).events) == 10_000


def test_a_recording_that_is_continued_has_both_parts_and_the_changes_between(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "r", [start(1, "fat"), event(2, EventKind.MODULES, moved(1, "tun"))])
    written(path, [start(9, "fat", "nbd", boot="boot-2")])
    kinds = [each.kind.value for each in read_recording(path).events]
    assert kinds == ["start", "modules", "modules", "start"]
    recording = read_recording(path)
    change = recording.timeline.events[1].change
    assert [module.name for module in change.loaded] == ["nbd"]
    assert [module.name for module in change.unloaded] == ["tun"]
    assert "nothing was recorded" in change.symbols_missing
    assert set(recording.timeline.modules_at(2)) == {"fat", "nbd"}


# --- Cut and damaged files -------------------------------------------------------------------


def test_a_file_cut_at_any_position_has_every_event_before_the_cut(tmp_path: Path) -> None:
    events = one_of_each()
    path, ends = tmp_path / "r", []
    with Recorder(path, size=1 << 20, keep=0) as recorder:
        for each in events:
            recorder.add(each)
            recorder.flush()
            ends.append(path.stat().st_size)
        data = path.read_bytes()
    whole = renumbered(events)
    cut = tmp_path / "cut"
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        recording = read_recording(cut)
        flushed = sum(end <= size for end in ends)
        assert list(recording.events[:flushed]) == whole[:flushed], size
        assert list(recording.events) == whole[: len(recording.events)], size
        assert recording.notes == (), size


def packed(count: int) -> tuple[list[bytes], bytes]:
    lines = [json.dumps({"number": number, "text": "x" * 20}).encode() for number in range(count)]
    writer = FrameWriter()
    return lines, b"".join(writer.lines([line]) for line in lines) + writer.end()


def test_a_flipped_byte_anywhere_costs_no_more_than_a_frame_and_adds_nothing() -> None:
    lines, data = packed(3)
    others, more = packed(2)
    both = data + more
    for place in range(len(both)):
        damaged = bytearray(both)
        damaged[place] ^= 0x55
        reader = FrameReader(bytes(damaged))
        found = list(reader.lines())
        assert all(line in lines for line in found), place
        if place < len(data):
            assert found[-len(others) :] == others, place
            # Damage that makes a frame longer looks like a writer that was killed.
            assert reader.damaged or reader.cut or found == lines + others, place
        else:
            assert found[: len(lines)] == lines, place


def test_damage_in_the_middle_is_reported_with_the_number_of_missing_events(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r"
    events = many(2500)
    written(path, events)
    data = bytearray(path.read_bytes())
    place = data.index(b"\x28\xb5\x2f\xfd", len(MAGIC) + 10) // 2
    data[place : place + 40] = b"\0" * 40
    path.write_bytes(data)
    recording = read_recording(path)
    found = {each.when for each in recording.events}
    assert 1500 <= len(found) < 2500
    assert found <= {each.when for each in events}
    missing = 2500 - len(found)
    assert recording.notes == (
        f"{path} is damaged: what is whole is shown, {missing} events are missing.",
    )


def test_a_writer_that_was_killed_and_a_later_one_are_both_read_without_a_complaint() -> None:
    lines, data = packed(50)
    whole, more = packed(3)
    for cut in range(20, len(data), 7):
        reader = FrameReader(data[:cut] + more)
        found = list(reader.lines())
        assert found[-3:] == whole, cut
        assert found[:-3] == lines[: len(found) - 3], cut


def test_a_new_frame_begins_after_some_lines() -> None:
    _, data = packed(FRAME_LINES + 1)
    assert data.count(b"\x28\xb5\x2f\xfd") == 2
    assert len(list(FrameReader(data).lines())) == FRAME_LINES + 1


@pytest.mark.parametrize(
    "content", [b"\0" * 100, b"\x28\xb5\x2f\xfd" * 5000, os.urandom(5000)], ids=str
)
def test_what_is_not_a_recording_behind_the_magic_has_no_events(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "r"
    path.write_bytes(MAGIC + content)
    assert read_recording(path).events == ()


def test_another_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for path, words in (
        (tmp_path / "text", "is not a recording"),
        (tmp_path / "absent", "There is no file"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(KmodtuiError, match=words):
            read_recording(path)


# --- Bounds and other files ------------------------------------------------------------------


def test_full_files_are_rotated_and_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    path = tmp_path / "r"
    events = many(600)
    written(path, events, size=2048, keep=50)
    assert older(path, 3).exists()
    recording = read_recording(path)
    assert list(recording.events) == renumbered(events)
    assert recording.notes == ()


def test_older_files_than_those_that_are_kept_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "r"
    written(path, many(600), size=8192, keep=2)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r", "r.1", "r.2"]
    assert all(each.stat().st_size < 3 * 8192 for each in tmp_path.iterdir())
    recording = read_recording(path)
    assert recording.events[0].kind is EventKind.START  # each file says what was loaded
    assert recording.events[-1].when == many(600)[-1].when


@pytest.mark.parametrize("name", ["r", "r.1"])
def test_no_other_file_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(KmodtuiError, match="is not a recording of kmodtui, and is not overwritten"):
        Recorder(tmp_path / "r", size=8192, keep=1)
    assert (tmp_path / name).read_text() == "precious"


def test_a_link_is_not_followed_and_two_writers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(KmodtuiError, match="symbolic link"):
        Recorder(tmp_path / "link", size=8192, keep=1)
    assert not (tmp_path / "target").exists()
    with (
        Recorder(tmp_path / "r", size=8192, keep=1),
        pytest.raises(KmodtuiError, match="Another kmodtui writes"),
    ):
        Recorder(tmp_path / "r", size=8192, keep=1)


# --- The verbs -------------------------------------------------------------------------------


class Noting(Recorder):
    """A recorder that says when it has a load."""

    loaded = asyncio.Event()

    def add(self, event: TimelineEvent) -> None:
        super().add(event)
        if event.kind is EventKind.MODULES:
            self.loaded.set()


async def recorded(tmp_path: Path) -> Path:
    """Record two loads in the demo."""
    demo = make_demo(tmp_path)
    path, started = tmp_path / "r", asyncio.Event()
    with Noting(path, size=1 << 20, keep=0) as recorder:
        async with asyncio.timeout(30):
            working = asyncio.create_task(
                record(demo.host, recorder, problem=print, count=3, interval=0.05, started=started)
            )
            await started.wait()
            demo.kernel.load("tun")
            await recorder.loaded.wait()
            demo.kernel.load("vfat")
            await working
    return path


async def test_events_of_a_recording_are_printed_as_they_were_streamed(
    tmp_path: Path, capsys: Output
) -> None:
    path = await recorded(tmp_path)
    capsys.readouterr()
    assert await asyncio.to_thread(run, ["events", "--replay", str(path), "--json"]) == 0
    found: list[dict[str, Any]] = list(map(json.loads, capsys.readouterr().out.splitlines()))
    kinds = [each["kind"] for each in found]
    assert kinds[0] == "start"
    assert sorted(kinds[1:]) == ["lost", "modules", "modules"]
    assert [each["summary"] for each in found if each["kind"] == "modules"] == [
        "loaded tun",
        "loaded fat, vfat",
    ]
    assert [each["number"] for each in found] == [1, 2, 3, 4]
    run(["--replay", str(path), "events", "--kind", "modules"])
    assert "loaded    vfat" in capsys.readouterr().out


def test_every_module_of_a_recording_is_a_list_for_localmodconfig(
    tmp_path: Path, capsys: Output
) -> None:
    path = written(tmp_path / "r", [start(1, "fat"), event(2, EventKind.MODULES, moved(1, "tun"))])
    assert run(["seen", "--lsmod", "--replay", str(path), "--demo"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("Module ")
    names = [line.split()[0] for line in lines]
    assert {"fat", "tun", "ext4"} <= set(names)
    assert names == sorted(names)
    assert all(len(line.split()) == 3 for line in lines)


def test_a_verb_that_reads_a_system_refuses_a_recording(capsys: Output) -> None:
    assert run(["--replay", "r", "list", "--demo"]) == 2
    assert "not a recording" in capsys.readouterr().err


KILLED = """
import sys
from pathlib import Path
from kmodtui.services.timeline.recorder import Recorder
from tests.support.events import many
with Recorder(Path(sys.argv[1]), size=1 << 20, keep=0) as recorder:
    for number, each in enumerate(many(500), 1):
        recorder.add(each)
        recorder.flush()
        print(number, flush=True)
    sys.stdin.read()
"""


def test_a_writer_that_is_killed_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == 300:
                break
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    recording = read_recording(path)
    assert len(recording.events) >= 300
    assert list(recording.events) == renumbered(many(500)[: len(recording.events)])
    assert recording.notes == ()


def test_opening_is_fast_enough_to_notice_a_square(tmp_path: Path) -> None:
    """Not a measurement: ten times as many events must not take a hundred times as long."""
    taken = []
    for count in (500, 5000):
        path = written(tmp_path / str(count), many(count), size=64 << 20)
        began = time.process_time()
        found: Recording = read_recording(path)
        taken.append(time.process_time() - began)
        assert len(found.events) == count
    assert taken[1] < 40 * taken[0]
