"""`--filter` of the verbs that print lists."""

from __future__ import annotations

from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import parse_filter
from kmodtui.model.filter.sources import EventSource
from kmodtui.model.timeline.event import EventKind, Lost, ParameterChanged, TimelineEvent
from tests.unit.test_cli import printed_json


@pytest.mark.parametrize(
    ("verb", "filter_", "matches"),
    [
        ("devices", "state:driven bus:pci", lambda each: each["bus"] == "pci" and each["driver"]),
        ("exposure", "reach:user !loaded:yes", lambda each: each["reach"] == "any user"),
        ("catalog", "builtin:yes !name:crc", lambda each: each["status"] == "built in"),
    ],
)
def test_what_is_printed_matches(
    capsys: pytest.CaptureFixture[str], verb: str, filter_: str, matches: Any
) -> None:
    printed = printed_json(capsys, verb, "--demo", "--filter", filter_)
    found = printed["devices" if verb == "devices" else "modules"]
    assert found
    assert all(map(matches, found))


@pytest.mark.parametrize("verb", ["devices", "exposure", "catalog", "events", "list"])
def test_an_unknown_field_is_an_error_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run([verb, "--root", "/nonexistent", "--filter", "nosuch:1"]) == 2
    assert run([verb, "--filter", "nosuch:1"]) == 2
    assert "There is no field “nosuch”" in capsys.readouterr().err


def test_events_are_filtered_by_kind_module_and_words() -> None:
    events = [
        TimelineEvent(1, 0.0, EventKind.PARAMETER, ("tun",), ParameterChanged("debug", "0", "1")),
        TimelineEvent(2, 0.0, EventKind.LOST, (), Lost("3 messages were lost")),
    ]
    for text, numbers in {
        "kind:parameter": [1],
        "module:tun debug": [1],
        "!module:tun": [2],
        "lost": [2],
        "!kind:lost,parameter": [],
    }.items():
        chosen = parse_filter(text, FilterKind.EVENTS)
        assert [each.number for each in chosen.select(EventSource(), events)] == numbers, text
