"""The filter for kernel log records, and how many are kept."""

from __future__ import annotations

import pytest

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import parse_filter
from kmodtui.model.filter.sources import LogSource
from kmodtui.model.log.query import LogQuery, Severity, names_module
from kmodtui.model.log.record import LogRecord
from kmodtui.model.log.tail import Entry, LogTail


def records(*numbers: int) -> list[LogRecord]:
    return [LogRecord(number, 1000 * number, 6, f"line {number}") for number in numbers]


@pytest.mark.parametrize(
    ("usec", "stamp"),
    [
        (91823344, "[   91.823344]"),
        (0, "[    0.000000]"),
        (7, "[    0.000007]"),
        (123456789012, "[123456.789012]"),
    ],
)
def test_a_time_is_written_as_dmesg_does(usec: int, stamp: str) -> None:
    assert LogRecord(1, usec, 6, "").stamp == stamp


@pytest.mark.parametrize(
    ("text", "module", "named"),
    [
        ("Btrfs loaded, crc32c=crc32c-intel", "btrfs", True),
        ("BTRFS info (device vdb): using crc32c", "btrfs", True),
        ("RIP: 0010:btrfs_ioctl+0x1f/0x40 [btrfs]", "btrfs", True),
        ("snd-hda-intel 0000:00:1b.0: enabled", "snd_hda_intel", True),
        ("snd_hda_intel: unknown parameter", "snd_hda_intel", True),
        ("zbtrfs: loaded", "btrfs", False),
        ("btrfs_control: loaded", "btrfs", False),
        ("nvme0n1: p1 p2", "nvme", False),
        ("tun: Universal TUN/TAP device driver", "tun", True),
        ("a.b: loaded", "a+b", False),
    ],
)
def test_a_module_is_mentioned_as_a_separate_word(text: str, module: str, named: bool) -> None:
    assert names_module(text, module) is named


def test_a_severity_includes_the_worse_ones() -> None:
    assert Severity.ALL.next is Severity.WARNINGS
    assert Severity.WARNINGS.next is Severity.ERRORS
    assert Severity.ERRORS.next is Severity.ALL
    taken = {
        severity: [level for level in range(8) if LogQuery(severity=severity).takes(level, "")]
        for severity in Severity
    }
    assert taken[Severity.ALL] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert taken[Severity.WARNINGS] == [0, 1, 2, 3, 4]
    assert taken[Severity.ERRORS] == [0, 1, 2, 3]


def test_all_conditions_have_to_match() -> None:
    query = LogQuery(severity=Severity.ERRORS, module="nbd")
    assert query.takes(3, "nbd: init failed")
    assert not query.takes(4, "nbd: init failed")
    assert not query.takes(3, "tun: init failed")


@pytest.mark.parametrize(
    ("text", "levels"),
    [("FAILED level:err", [3]), ("!level:err", [4, 6]), ("level:warn !nbd", [4]), ("sda: up", [6])],
)
def test_messages_are_filtered_by_text_and_level(text: str, levels: list[int]) -> None:
    entries = [
        Entry(1, "nbd: init failed", LogRecord(1, 0, 3, "")),
        Entry(2, "tun: slow", LogRecord(2, 0, 4, "")),
        Entry(3, "link up on sda: ok", LogRecord(3, 0, 6, "")),
    ]
    found = parse_filter(text, FilterKind.LOG).select(LogSource(), entries)
    assert [each.record.level for each in found if each.record] == levels


def test_each_record_is_kept_once_and_in_order() -> None:
    tail = LogTail()
    tail.take(records(1, 2, 3))
    added, let_go = tail.take(records(1, 2, 3, 4))
    assert [entry.text for entry in added] == ["line 4"]
    assert not let_go
    assert [entry.text for entry in tail.entries] == ["line 1", "line 2", "line 3", "line 4"]
    numbers = [entry.number for entry in tail.entries]
    assert numbers == sorted(set(numbers))


def test_lost_records_are_noted_in_their_place() -> None:
    tail = LogTail()
    tail.take(records(7))  # records before the first one do not count as lost
    tail.take(records(8, 20))
    texts = [entry.text for entry in tail.entries]
    assert texts[:2] == ["line 7", "line 8"]
    assert texts[2].startswith("11 messages lost:")
    assert texts[3] == "line 20"
    tail.take(records(22))
    assert tail.entries[-2].text.startswith("1 message lost:")


def test_the_newest_are_kept_and_dropped_ones_are_counted() -> None:
    tail = LogTail(kept=100)
    tail.take(records(*range(105)))
    assert (len(tail.entries), tail.head_words) == (105, "")
    _, let_go = tail.take(records(*range(105, 1111)))
    assert let_go
    assert [entry.text for entry in tail.entries] == [f"line {n}" for n in range(1011, 1111)]
    assert tail.head_words.startswith("1,011 older messages dropped")


def test_control_characters_are_escaped() -> None:
    tail = LogTail()
    tail.take([LogRecord(1, 0, 6, "\x1b[31mred\u202e\n[bold]x[/]")])
    assert tail.entries[0].text == "\\x1b[31mred\\u202e\\n[bold]x[/]"
