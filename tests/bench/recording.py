"""A recording that is opened, against parsing the JSON that it contains."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from kmodtui.model.timeline.event_json import event_json
from kmodtui.services.timeline.recorder import Recorder
from kmodtui.services.timeline.recording import read_recording
from tests.bench.interleaved import Comparison, clocked, compare
from tests.bench.machine import RecordedMachine
from tests.support.events import many

EVENTS = 10_000


def open_recording(_: RecordedMachine, rounds: int) -> Comparison:
    """Compare opening a recording with parsing the same events as lines of JSON."""
    events = many(EVENTS)
    lines = [json.dumps(event_json(event)) for event in events]
    with tempfile.TemporaryDirectory(prefix="kmodtui-bench-") as directory:
        path = Path(directory, "recording")
        with Recorder(path, size=64 * 1024 * 1024, keep=0) as recorder:
            for event in events:
                recorder.add(event)
                recorder.flush()
        size = path.stat().st_size / 1_000_000
        return compare(
            f"open {EVENTS:,} recorded events ({size:.2f} MB)",
            clocked(lambda: read_recording(path)),
            "json.loads of each",
            clocked(lambda: [json.loads(line) for line in lines]),
            limit=8.0,
            rounds=rounds,
        )
